// The scheduler; see scheduler.h.
#include "engine/scheduler.h"

#include <algorithm>
#include <string>

#include "base/debug_switches.h"
#include "base/memory_use.h"
#include "sample/distribution.h"

namespace conclave {

namespace {

void check_tokens(const RequestOptions& options, int n_vocab, int n_context) {
  const auto reject = [](const std::string& message) { throw Error(ErrorCode::kBadArgument, message); };
  if (options.tokens.empty()) reject("the prompt is empty; it needs at least one token");
  if (options.tokens.size() > static_cast<size_t>(n_context)) {
    reject("the prompt has " + std::to_string(options.tokens.size()) + " tokens and the context holds " + std::to_string(n_context) + "; shorten it or open the model with a larger context");
  }
  for (const int32_t token : options.tokens) {
    if (token < 0 || token >= n_vocab) reject("token " + std::to_string(token) + " is outside the vocabulary of " + std::to_string(n_vocab));
  }
  if (options.score_from < 0 || static_cast<size_t>(options.score_from) > options.tokens.size()) {
    reject("scoring was to begin at token " + std::to_string(options.score_from) + " of a prompt of " + std::to_string(options.tokens.size()) + " tokens");
  }
  if (options.max_tokens < 0) reject("the most tokens to generate is " + std::to_string(options.max_tokens) + "; it must be 0 or more");
}

/// Of the pending rows, those that no score comes from.
size_t rows_before_score(const ActiveRequest& request) {
  const size_t first = request.first_unscored() - 1;
  return first > request.n_computed ? first - request.n_computed : 0;
}

}  // namespace

Scheduler::Scheduler(std::unique_ptr<LoadedModel> model, const EngineOptions& options)
    : model_(std::move(model)), plain_(options.plain), check_when_idle_(debug_switch_int("CONCLAVE_CHECK_KV", 0, 1) == 1), pace_(options.prefill_chunk, model_->spec().n_layers), drafting_(*model_) {
  publish_stats();
  thread_ = std::thread([this] { loop(); });
}

Scheduler::~Scheduler() {
  closing_seen_ = true;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

Request Scheduler::submit(RequestOptions options, RequestCallbacks callbacks) {
  check_tokens(options, model_->spec().n_vocab, model_->n_context());
  check_steering(options.steering, model_->spec());
  Request handle;
  handle.flag_ = std::make_shared<std::atomic<bool>>(false);
  auto request = std::make_unique<ActiveRequest>(std::move(options), std::move(callbacks), handle.flag_, model_->spec().n_vocab);
  request->draft = drafting_.make_state(request->options.draft);
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(request));
    ++stats_.n_requests_waiting;
  }
  arrived_.notify_one();
  return handle;
}

EngineStats Scheduler::stats() const {
  const ProcessMemory process = process_memory();
  const uint64_t kv = model_->host_kv_bytes();
  const std::lock_guard lock(mutex_);
  stats_.resident_bytes = process.resident_bytes;
  stats_.host_bytes = process.own_bytes + std::min(model_->host_file_bytes(), process.resident_bytes - std::min(process.resident_bytes, process.own_bytes));
  stats_.host_peak_bytes = std::max(stats_.host_peak_bytes, stats_.host_bytes);
  stats_.host_work_peak_bytes = std::max(stats_.host_work_peak_bytes, process.own_bytes - std::min(process.own_bytes, kv));
  return stats_;
}

void Scheduler::between_steps(std::function<void(LoadedModel&)> work) {
  std::packaged_task<void(LoadedModel&)> task(std::move(work));
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  arrived_.notify_one();
  done.get();
}

void Scheduler::loop() {
  while (!closing_seen_) {
    take_new();
    run_tasks();
    try {
      step();
    } catch (const Error& error) {
      fail_all(error.code(), error.what());
    } catch (const std::exception& error) {
      fail_all(ErrorCode::kInternal, error.what());
    }
  }
  take_new();
  run_tasks();
  end_cancelled();
}

/// Not one request's fault that we know of: all hear of it, the engine lives.
void Scheduler::fail_all(ErrorCode code, const std::string& message) {
  for (const RequestPtr& request : running_) fail(*request, code, message);
  for (const RequestPtr& request : waiting_) fail(*request, code, message);
  settle();
  publish_stats();
}

void Scheduler::step() {
  end_cancelled();
  admit();
  plan_batch();
  if (!shares_.empty()) {
    const Clock::time_point start = Clock::now();
    bool completed = false;
    try {
      completed = model_->forward().run(batch_, [this] { return keep_going(); });
    } catch (const Error& error) {   // nobody can tell whose row it was
      if (error.code() == ErrorCode::kDeviceLost) throw;
      for (const Share& share : shares_) fail(*share.request, error.code(), error.what());
    } catch (const std::exception& error) {
      for (const Share& share : shares_) fail(*share.request, ErrorCode::kInternal, error.what());
    }
    if (completed) {
      const double ms = ms_between(start, Clock::now());
      if (n_prefill_rows_ > 0) pace_.observe(n_prefill_rows_, ms);
      drafting_.observe_time(ms);
      n_emitted_ = 0;
      for (const Share& share : shares_) finish_share(share);
      book_pass(ms);
    }
  }
  settle();
  if (check_when_idle_ && running_.empty()) check_pages();
  publish_stats();
}

void Scheduler::take_new() {
  std::unique_lock lock(mutex_);
  if (waiting_.empty() && running_.empty()) arrived_.wait(lock, [this] { return closing_ || !inbox_.empty() || !tasks_.empty(); });
  for (RequestPtr& request : inbox_) waiting_.push_back(std::move(request));
  inbox_.clear();
}

void Scheduler::run_tasks() {
  std::deque<std::packaged_task<void(LoadedModel&)>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task(*model_);   // what it throws goes to who waits for it
}

bool Scheduler::is_cancelled(const ActiveRequest& request) const {
  return closing_seen_.load(std::memory_order_relaxed) || request.cancelled->load(std::memory_order_relaxed);
}

void Scheduler::end_cancelled() {
  for (const RequestPtr& request : waiting_) {
    if (!request->ended && is_cancelled(*request)) end(*request, StopReason::kCancelled);
  }
  for (const RequestPtr& request : running_) {
    if (!request->ended && is_cancelled(*request)) end(*request, StopReason::kCancelled);
  }
  settle();
}

/// Between layers: the cancelled hear of it now; the pass goes on while anybody in it still wants its result.
bool Scheduler::keep_going() {
  bool wanted = false;
  for (const Share& share : shares_) {
    if (!share.request->ended && is_cancelled(*share.request)) end(*share.request, StopReason::kCancelled);
    wanted = wanted || !share.request->ended;
  }
  return wanted;
}

void Scheduler::admit() {
  const size_t limit = plain_ ? 1 : kMaxRunning;
  // Strictly first come, first served: a long prompt is not overtaken for ever by short ones.
  while (!waiting_.empty() && running_.size() < limit && admit_one(*waiting_.front())) {
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  settle();
}

/// True when the request leaves the queue: with its pages, or as failed.
bool Scheduler::admit_one(ActiveRequest& request) {
  KvCache& cache = model_->cache();
  request.realm = 2 * realm_of(request.options.steering) + (drafting_.is_fed_apart(*request.draft) ? 1 : 0);
  const std::optional<int64_t> reused = cache.open(request.sequence, request.tokens, request.realm, request.n_reusable());
  if (!reused) {
    if (!running_.empty()) return false;
    fail(request, ErrorCode::kOutOfMemory, "the sequence needs the keys and values of " + std::to_string(request.tokens.size()) + " tokens and the engine holds " +
                                               std::to_string(cache.pool().n_pages() * kPageTokens) + "; open the model with a larger context");
    return true;
  }
  request.n_computed = static_cast<size_t>(*reused);
  if (!request.was_admitted) {
    request.was_admitted = true;
    request.admitted = Clock::now();
    request.n_reused = request.n_computed;
  }
  return true;
}

void Scheduler::plan_batch() {
  batch_ = Batch{};
  shares_.clear();
  n_prefill_rows_ = 0;
  std::vector<ActiveRequest*> decoding;
  for (size_t i = 0; i < running_.size(); ++i) {   // make_room may shorten running_ behind i
    if (running_[i]->n_pending() == 1 && make_room(*running_[i])) decoding.push_back(running_[i].get());
  }
  size_t budget = static_cast<size_t>(pace_.prefill_rows(!decoding.empty()));
  size_t score_budget = kMaxRunning - running_.size();   // every other running request may want the logits of one row
  for (const RequestPtr& request : running_) {
    size_t n_rows = std::min(rows_to_checkpoint(*request), budget);
    if (request->is_scored()) n_rows = std::min(n_rows, rows_before_score(*request) + score_budget + 1);
    if (request->n_pending() <= 1 || n_rows == 0) continue;
    add_share(*request, n_rows);
    score_budget -= std::min(score_budget, static_cast<size_t>(shares_.back().n_score));
    budget -= n_rows;
    n_prefill_rows_ += static_cast<int>(n_rows);
  }
  drafting_.plan(decoding, n_prefill_rows_ > 0);
  for (ActiveRequest* request : decoding) add_share(*request, 1, request->draft->draft);   // last: rows that want logits are neighbours
  batch_.keeps_taps = std::any_of(shares_.begin(), shares_.end(), [this](const Share& share) { return drafting_.is_fed(*share.request->draft); });
}

/// A checkpoint of a recurrent state is due every so often and where the last full page of the prompt ends: there the next
/// turn of a conversation, or another last message, takes it up.
size_t Scheduler::next_checkpoint(const ActiveRequest& request) const {
  constexpr size_t kEvery = 512;
  const size_t last = (request.tokens.size() - 1) / kPageTokens * kPageTokens;
  return std::min(last, (request.n_computed / kEvery + 1) * kEvery);
}

/// Of the pending rows, those before the next checkpoint is due.
size_t Scheduler::rows_to_checkpoint(const ActiveRequest& request) const {
  if (!model_->cache().is_recurrent()) return request.n_pending();
  const size_t next = next_checkpoint(request);
  return next > request.n_computed ? next - request.n_computed : request.n_pending();
}

void Scheduler::keep_checkpoint(ActiveRequest& request, bool generated) {
  if (!model_->cache().is_recurrent() || request.n_computed % kPageTokens != 0) return;
  model_->cache().publish(request.sequence, request.computed());
  model_->cache().keep_checkpoint(request.sequence, request.computed(), generated);
}

void Scheduler::add_share(ActiveRequest& request, size_t n_rows, std::span<const int32_t> draft) {
  Share share{&request, batch_.n_rows(), static_cast<int>(n_rows + draft.size()), -1, static_cast<int>(draft.size()), static_cast<int>(batch_.logit_rows.size()), 0};
  const int32_t sequence = static_cast<int32_t>(batch_.sequences.size());
  batch_.sequences.push_back({request.sequence.pages, request.sequence.state});
  batch_.steering.push_back(request.options.steering.is_none() ? nullptr : &request.options.steering);
  for (size_t position = request.n_computed; position < request.n_computed + n_rows; ++position) {
    if (request.is_scored() && position + 1 >= request.first_unscored() && position + 1 < request.n_prompt) {
      batch_.logit_rows.push_back(batch_.n_rows());
      batch_.ask({&request.tokens[position + 1], 1});
      ++share.n_score;
    }
    batch_.add_row(request.tokens[position], static_cast<int32_t>(position), sequence, request.sequence.slot(static_cast<int64_t>(position)));
  }
  if (n_rows == request.n_pending() && request.options.max_tokens > 0) {
    share.logit_row = static_cast<int>(batch_.logit_rows.size());
    batch_.logit_rows.push_back(batch_.n_rows() - 1);
    batch_.ask(request.sampler.changed_tokens(request.tokens));
  }
  const bool asks = !draft.empty() && request.sampler.changes_logits();
  std::vector<int32_t> history;   // its end, with the draft so far: what the sampler will see if that stands
  if (asks) history.assign(request.tokens.end() - static_cast<std::ptrdiff_t>(std::min(request.tokens.size(), static_cast<size_t>(request.sampler.options().repetition_window))), request.tokens.end());
  for (size_t i = 0; i < draft.size(); ++i) {
    const size_t position = request.n_computed + n_rows + i;
    batch_.add_row(draft[i], static_cast<int32_t>(position), sequence, request.sequence.slot(static_cast<int64_t>(position)));
    batch_.logit_rows.push_back(batch_.n_rows() - 1);
    if (!asks) continue;
    history.push_back(draft[i]);
    batch_.ask(request.sampler.changed_tokens(history));
  }
  shares_.push_back(share);
}

/// Pages for the pending token. When none can be had the last admitted request goes back to the queue, perhaps this one.
bool Scheduler::make_room(ActiveRequest& request) {
  while (!model_->cache().reserve(request.sequence, static_cast<int64_t>(request.tokens.size()))) {
    const bool itself = running_.back().get() == &request;
    put_back(running_.size() - 1);
    if (itself) return false;
  }
  return true;
}

void Scheduler::put_back(size_t running_index) {
  RequestPtr request = std::move(running_[running_index]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(running_index));
  drafting_.settle(*request);
  model_->cache().close(request->sequence, request->computed());
  request->n_computed = 0;
  waiting_.push_front(std::move(request));
}

void Scheduler::finish_share(const Share& share) {
  ActiveRequest& request = *share.request;
  if (request.ended) return;
  const int n_rows = share.count - share.n_draft;
  const bool due = request.n_generated() > 0 || request.n_computed + static_cast<size_t>(n_rows) == next_checkpoint(request);
  request.n_computed += static_cast<size_t>(n_rows);
  try {
    drafting_.observe_rows(request, request.n_computed - static_cast<size_t>(n_rows), n_rows, share.first);
    if (share.n_score > 0) emit_scores(request, share);
    if (due) keep_checkpoint(request, request.n_generated() > 0);
    if (request.n_generated() == 0) {
      if (request.callbacks.on_prefill) request.callbacks.on_prefill(static_cast<int>(request.n_computed), static_cast<int>(request.n_reused), static_cast<int>(request.n_prompt));
      if (request.n_pending() == 0) {
        drafting_.settle(request);
        model_->cache().publish(request.sequence, request.computed());
      }
    }
    if (request.n_pending() > 0) return;
    if (share.logit_row < 0) return end(request, StopReason::kMaxTokens);
    if (request.tokens.size() >= static_cast<size_t>(model_->n_context())) return end(request, StopReason::kContextFull);
    verify(request, share);
  } catch (const Error& error) {
    fail(request, error.code(), error.what());
  } catch (const std::exception& error) {
    fail(request, ErrorCode::kInternal, error.what());
  }
}

void Scheduler::emit_scores(ActiveRequest& request, const Share& share) {
  std::vector<float> logprobs;
  for (int i = 0; i < share.n_score; ++i) {
    const int32_t token = request.tokens[request.first_unscored() + static_cast<size_t>(i)];
    const TopLogits* best = model_->forward().best_logits(share.score_row + i);
    const std::span<const float> logits = best ? std::span<const float>{} : model_->forward().logits(share.score_row + i);
    if (best ? !best->is_finite : !all_finite(logits)) throw Error(ErrorCode::kBadFile, "the model gave a logit that is not a number; its weights may be damaged: check the file");
    const float logit = best ? best->asked.front() : logits[static_cast<size_t>(token)];
    logprobs.push_back(std::min(0.f, logit - (best ? log_sum_exp(*best) : log_sum_exp(logits))));
  }
  request.n_scored += logprobs.size();
  if (request.callbacks.on_scored) request.callbacks.on_scored(logprobs);
}

/// Requests that are steered alike share prefixes; 0 is unsteered.
uint32_t Scheduler::realm_of(const Steering& steering) {
  if (steering.is_none()) return 0;
  const auto at = std::find(realms_.begin(), realms_.end(), steering);
  const auto index = at - realms_.begin();
  if (at == realms_.end()) realms_.push_back(steering);
  return static_cast<uint32_t>(index) + 1;
}

/// Emits the token after the last certain row, and goes on through the drafted rows while they are what was emitted.
void Scheduler::verify(ActiveRequest& request, const Share& share) {
  const std::vector<int32_t> draft = request.draft->draft;
  const size_t first = request.n_computed;
  drafting_.observe_verify(request);
  const int n_accepted = match_draft(std::span(draft).first(static_cast<size_t>(share.n_draft)), [&](int row) -> std::optional<int32_t> {
    if (row > 0) ++request.n_computed;
    emit_token(request, share, row);
    return request.ended ? std::nullopt : std::optional(request.tokens.back());
  });
  drafting_.observe_verdict(request, n_accepted);
  drafting_.observe_rows(request, first, static_cast<int>(request.n_computed - first), share.first + share.count - share.n_draft);
}

void Scheduler::emit_token(ActiveRequest& request, const Share& share, int row) {
  Forward& forward = model_->forward();
  const TopLogits* best = forward.best_logits(share.logit_row + row);
  std::optional<SampledToken> decided = best ? request.sampler.sample(*best, request.tokens) : std::nullopt;
  SampledToken sampled = decided ? std::move(*decided) : request.sampler.sample(forward.logits(share.logit_row + row), request.tokens);
  if (request.n_generated() == 0) request.first_token = Clock::now();
  ++request.draft->n_judged;
  const std::vector<int32_t>& stops = request.options.stop_tokens;
  if (std::find(stops.begin(), stops.end(), sampled.token) != stops.end()) return end(request, StopReason::kEndOfText);
  request.tokens.push_back(sampled.token);
  ++n_emitted_;
  TokenEvent event{sampled.token, sampled.logprob, std::move(sampled.top), {}, row < share.n_draft && request.draft->draft[static_cast<size_t>(row)] == sampled.token};
  forward.append_choice(share.first + share.count - share.n_draft - 1 + row, event.choice.experts, event.choice.weights, request.options.steering.n_experts_used);
  drafting_.observe_token(request, event);
  if (request.callbacks.on_token) request.callbacks.on_token(event);
  if (request.n_generated() >= static_cast<size_t>(request.options.max_tokens)) return end(request, StopReason::kMaxTokens);
  if (request.tokens.size() >= static_cast<size_t>(model_->n_context())) return end(request, StopReason::kContextFull);
}

/// Per MoE layer, over the rows that wanted logits; mean of the layers.
double Scheduler::distinct_experts() const {
  std::vector<uint16_t> experts;
  std::vector<float> weights;
  for (const int32_t row : batch_.logit_rows) model_->forward().append_choice(row, experts, weights);
  if (experts.empty()) return 0;
  const size_t per_row = experts.size() / batch_.logit_rows.size();
  size_t distinct = 0, first = 0;
  std::vector<bool> seen;
  for (const LayerSpec& layer : model_->spec().layers) {
    if (layer.ffn.kind != FfnKind::kMoe) continue;
    seen.assign(static_cast<size_t>(layer.ffn.n_experts), false);
    const size_t k = static_cast<size_t>(layer.ffn.n_experts_used);
    for (size_t row = 0; row < batch_.logit_rows.size(); ++row) {
      for (size_t i = row * per_row + first; i < row * per_row + first + k; ++i) {
        distinct += !seen[experts[i]];
        seen[experts[i]] = true;
      }
    }
    first += k;
  }
  return static_cast<double>(distinct) / model_->spec().n_moe_layers();
}

/// What the pass cost, where it was all of one sort.
void Scheduler::book_pass(double ms) {
  std::vector<ActiveRequest*> decoding;
  int n_drafted = 0;
  int64_t context = 0;
  for (const Share& share : shares_) {
    context += static_cast<int64_t>(share.request->tokens.size());
    n_drafted += share.n_draft;
    if (share.count - share.n_draft == 1 && share.logit_row >= 0) decoding.push_back(share.request);
  }
  if (n_prefill_rows_ == 0) drafting_.observe_pass(decoding, n_drafted, n_emitted_, ms, distinct_experts());
  else if (decoding.empty()) drafting_.observe_prefill(n_prefill_rows_, context, ms);
}

void Scheduler::end(ActiveRequest& request, StopReason reason) {
  request.ended = true;
  const Clock::time_point now = Clock::now();
  const bool generated = request.first_token != Clock::time_point{};
  RunTimings timings;
  timings.queue_ms = ms_between(request.submitted, request.was_admitted ? request.admitted : now);
  if (request.was_admitted) timings.prefill_ms = ms_between(request.admitted, generated ? request.first_token : now);
  if (generated) {
    timings.first_token_ms = ms_between(request.submitted, request.first_token);
    timings.decode_ms = ms_between(request.first_token, now);
  }
  timings.n_prompt = static_cast<int>(request.n_prompt);
  timings.n_reused = static_cast<int>(request.n_reused);
  timings.n_generated = static_cast<int>(request.n_generated());
  timings.n_drafted = request.draft->n_drafted;
  timings.n_accepted = request.draft->n_accepted;
  timings.n_passes = request.draft->n_passes;
  timings.draft_ms = request.draft->draft_ms;
  timings.tried_at = request.draft->tried_at;
  timings.stood_at = request.draft->stood_at;
  timings.plain_ms = drafting_.plain_ms(request, timings.decode_ms);
  if (timings.n_passes > 0) timings.distinct_experts = request.draft->distinct_experts / timings.n_passes;
  if (request.callbacks.on_ended) request.callbacks.on_ended(reason, timings);
}

void Scheduler::fail(ActiveRequest& request, ErrorCode code, const std::string& message) {
  if (request.ended) return;
  request.ended = true;
  if (request.callbacks.on_failed) request.callbacks.on_failed(code, message);
}

/// Lets go of the requests that have ended; what a running one computed stays known as a prefix.
void Scheduler::settle() {
  for (const RequestPtr& request : running_) {
    if (!request->ended || !request->sequence.is_open()) continue;
    std::span<const int32_t> known = request->computed();
    try {
      drafting_.settle(*request);
    } catch (const std::exception&) {
      known = {};   // its drafter's rows are missing from the pages: nobody may go on from them
    }
    model_->cache().close(request->sequence, known);
  }
  const auto is_over = [](const RequestPtr& request) { return request->ended; };
  std::erase_if(running_, is_over);
  std::erase_if(waiting_, is_over);
  shares_.clear();
}

/// A contradiction is a bug with nobody to report it to: noexcept ends the process with its sentence.
void Scheduler::check_pages() const noexcept { model_->cache().check_integrity({}); }

void Scheduler::publish_stats() {
  const PagePool& pool = model_->cache().pool();
  const std::lock_guard lock(mutex_);
  stats_.weight_bytes = model_->weight_bytes();
  stats_.active_bytes_per_token = model_->active_bytes();
  stats_.kv_bytes_reserved = pool.bytes() + model_->cache().state_bytes();
  stats_.kv_pages_total = pool.n_pages();
  stats_.kv_pages_free = pool.n_free();
  stats_.kv_pages_cached = model_->cache().n_cached();
  stats_.n_requests_running = running_.size();
  stats_.n_requests_waiting = waiting_.size() + inbox_.size();
  if (const HybridOps* hybrid = model_->hybrid()) {
    const HybridCounts counts = hybrid->counts();
    stats_.n_experts_placed = counts.n_experts;
    stats_.n_experts_on_device = counts.n_on_device;
    stats_.expert_hits = counts.residency.hits;
    stats_.expert_misses = counts.residency.misses;
    stats_.expert_bytes_moved = counts.bytes_moved + counts.bytes_streamed;
  }
  stats_.logit_rows_fetched = model_->forward().n_rows_fetched();
  stats_.backend = model_->ops().name();
  publish_device_memory();
}

/// The driver's answer takes longer than a small model's step, and what it says changes slowly.
void Scheduler::publish_device_memory() {
  const std::optional<uint64_t> before = model_->device_free_before();
  if (!before || (stats_.device_total_bytes > 0 && ms_between(device_asked_, Clock::now()) < 1000)) return;
  device_asked_ = Clock::now();
  const DeviceMemory memory = model_->ops().memory().value_or(DeviceMemory{});
  stats_.device_free_bytes = memory.free_bytes;
  stats_.device_total_bytes = memory.total_bytes;
  stats_.device_bytes = *before - std::min<uint64_t>(*before, memory.free_bytes);
  stats_.device_peak_bytes = std::max(stats_.device_peak_bytes, stats_.device_bytes);
}

}  // namespace conclave
