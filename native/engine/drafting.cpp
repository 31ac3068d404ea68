// See drafting.h.
#include "engine/drafting.h"

#include <algorithm>
#include <cstdio>

#include "base/debug_switches.h"
#include "engine/active_request.h"

namespace conclave {

namespace {

static_assert(kMaxDraft == AcceptanceMeter::kMaxPositions);
constexpr int kShadowLength = 8;
constexpr int kRestAfter = 24;      // passes in a row without a draft; then only every fourth is thought about: a choice costs
constexpr int kRestStride = 4;      // a hundredth of a small model's pass, and a passage worth copying is longer than that
constexpr double kFadedTries = 6;   // what other requests' tries weigh at the start of a new one

ExpertShape shape_of(const LoadedModel& model) {
  ExpertShape shape;
  double expert_bytes = 0;
  for (size_t i = 0; i < model.spec().layers.size(); ++i) {
    const FfnSpec& ffn = model.spec().layers[i].ffn;
    if (ffn.kind != FfnKind::kMoe) continue;
    const LayerWeights& w = model.weights().layers[i];
    shape.n_experts = ffn.n_experts;
    shape.n_used = ffn.n_experts_used;
    expert_bytes += static_cast<double>(w.gate.expert_bytes() + w.up.expert_bytes() + w.down.expert_bytes()) * ffn.n_experts_used;
  }
  if (model.active_bytes() > 0) shape.expert_share = expert_bytes / static_cast<double>(model.active_bytes());
  return shape;
}

std::vector<DrafterCosts> costs_of(const LoadedModel& model) {
  std::vector<DrafterCosts> costs;
  for (const auto& drafter : model.drafters()) {
    const double token = static_cast<double>(std::max<uint64_t>(model.active_bytes(), 1));
    costs.push_back({drafter->kind(), drafter->max_length(), static_cast<double>(drafter->draft_bytes()) / token, static_cast<double>(drafter->context_bytes()) / token, drafter->draft_rows()});
  }
  return costs;
}

int64_t context_of(std::span<ActiveRequest* const> decoding) {
  int64_t context = 0;
  for (const ActiveRequest* request : decoding) context += static_cast<int64_t>(request->tokens.size());
  return context;
}

}  // namespace

// A recurrent state cannot be taken back to where a draft went wrong: no drafts there.
Drafting::Drafting(LoadedModel& model)
    : model_(model), enabled_(!model.is_plain() && !model.cache().is_recurrent()), log_(debug_switch_int("CONCLAVE_DRAFT_LOG", 0, 1) == 1), costs_(costs_of(model)), controller_(shape_of(model), costs_) {
  for (const DrafterCosts& costs : costs_) {
    if (log_ && !context_is_cheap(costs)) std::fprintf(stderr, "conclave: %s is left out unless a length is asked for: what it must be told of each token weighs %.0f %% of the token\n", draft_kind_name(costs.kind), 100 * costs.context_share);
  }
}

std::unique_ptr<DraftState> Drafting::make_state(const DraftOptions& options) const {
  auto state = std::make_unique<DraftState>();
  state->options = options;
  const int wanted = options.mode == DraftMode::kMaskedDiffusion ? kMaskedDiffusion : options.mode == DraftMode::kBlockDiffusion ? kBlockDiffusion : -1;
  bool found = wanted < 0 || model_.is_plain();
  for (const auto& drafter : model_.drafters()) found = found || drafter->kind() == wanted;
  if (!found) throw Error(ErrorCode::kBadArgument, std::string("a ") + draft_kind_name(wanted) + " drafter was asked for and none was loaded with the model");
  if (options.length < 0 || options.length > AcceptanceMeter::kMaxPositions) {
    throw Error(ErrorCode::kBadArgument, "the draft length is " + std::to_string(options.length) + "; it must be 0 (as it pays) to " + std::to_string(AcceptanceMeter::kMaxPositions));
  }
  for (const auto& drafter : model_.drafters()) state->models.push_back(enabled_ ? drafter->make_drafter() : nullptr);
  return state;
}

Drafter* Drafting::model_for(DraftState& state) const {
  const DraftMode mode = state.options.mode;
  Drafter* found = nullptr;
  for (size_t i = 0; i < state.models.size(); ++i) {
    const int kind = model_.drafters()[i]->kind();
    if (mode == DraftMode::kMaskedDiffusion && kind != kMaskedDiffusion) continue;
    if (mode == DraftMode::kBlockDiffusion && kind != kBlockDiffusion) continue;
    if (mode == DraftMode::kLookup || mode == DraftMode::kOff || !feeds(state, i)) continue;
    if (found == nullptr || kind == kBlockDiffusion) found = state.models[i].get();
  }
  return found;
}

/// A drafter that reads tokens needs no feeding, and one that costs too much of a small model's pass is fed only where a length was asked
/// for: as many as pay would be none.
bool Drafting::feeds(const DraftState& state, size_t model) const {
  if (context_is_cheap(costs_[model])) return true;
  return state.options.length > 0 && (state.options.mode == DraftMode::kAuto || state.options.mode == DraftMode::kBlockDiffusion);
}

bool Drafting::is_fed(const DraftState& state) const {
  for (size_t i = 0; i < costs_.size(); ++i) if (costs_[i].context_share > 0 && feeds(state, i)) return enabled_;
  return false;
}

bool Drafting::is_fed_apart(const DraftState& state) const {
  for (size_t i = 0; i < costs_.size(); ++i) if (!context_is_cheap(costs_[i]) && feeds(state, i)) return enabled_;
  return false;
}

/// Look-up where it has a match that does as well as the model's drafts do; else the model.
Drafter* Drafting::source(DraftState& state, std::span<const int32_t> tokens, Offer& offer) const {
  const DraftMode mode = state.options.mode;
  Drafter* model = model_for(state);
  offer = {};
  if (mode == DraftMode::kLookup || mode == DraftMode::kAuto) offer = state.lookup.offer(tokens);
  if (model == nullptr) return offer.max_length > 0 ? &state.lookup : nullptr;
  const Offer other = model->offer(tokens);
  const bool heard = state.meter.n_tries(other.kind) > 1 || state.options.length > 0;
  if (offer.max_length > 0 && (!heard || state.meter.estimate(offer.kind, 0) >= state.meter.estimate(other.kind, 0))) return &state.lookup;
  offer = other;
  return model;
}

/// The row that emits the last token, and the last that the context holds, have no use for what follows.
int Drafting::limit(const ActiveRequest& request) const {
  const auto left = static_cast<int64_t>(request.options.max_tokens) - static_cast<int64_t>(request.n_generated()) - 1;
  const auto room = int64_t{model_.n_context()} - static_cast<int64_t>(request.tokens.size());
  return static_cast<int>(std::clamp<int64_t>(std::min(left, room), 0, AcceptanceMeter::kMaxPositions));
}

/// Look-ups one by one, each model once for all that it drafts for: parallel samples share its passes as they share the target's.
void Drafting::propose(std::span<const Proposal> proposals) {
  std::vector<std::vector<DraftAsk>> asks(model_.drafters().size());
  std::vector<std::vector<DraftState*>> states(model_.drafters().size());
  for (const auto& [request, drafter, kind, n] : proposals) {
    // Others are not sent away for a guess.
    if (n < 1 || !model_.cache().reserve(request->sequence, static_cast<int64_t>(request->tokens.size()) + n)) continue;
    DraftState& state = *request->draft;
    state.kind = kind;
    if (drafter == &state.lookup) {
      state.draft = drafter->propose(request->tokens, request->sequence.pages, n).tokens;
      continue;
    }
    const auto own = std::find_if(state.models.begin(), state.models.end(), [&](const auto& model) { return model.get() == drafter; });
    const auto model = static_cast<size_t>(own - state.models.begin());
    asks[model].push_back({.drafter = drafter, .tokens = request->tokens, .pages = request->sequence.pages, .n = n});
    states[model].push_back(&state);
  }
  for (size_t model = 0; model < asks.size(); ++model) {
    if (asks[model].empty()) continue;
    const Clock::time_point start = Clock::now();
    model_.drafters()[model]->propose_together(asks[model]);
    const double ms = ms_between(start, Clock::now()), each = ms / static_cast<double>(asks[model].size());
    step_draft_ms_ += ms;
    for (size_t i = 0; i < asks[model].size(); ++i) {
      DraftState& state = *states[model][i];
      state.draft = std::move(asks[model][i].draft);
      state.draft_ms += each;
      controller_.observe_draft(state.kind, static_cast<int>(state.draft.size()), each);
    }
  }
}

/// Drafts that are not verified: what they would have been worth is seen from what is emitted.
void Drafting::start_shadows(ActiveRequest& request) {
  DraftState& state = *request.draft;
  const std::span<const int32_t> tokens = request.tokens;
  const DraftMode mode = state.options.mode;
  if ((mode == DraftMode::kLookup || mode == DraftMode::kAuto) && !state.shadow_lookup.active()) {
    const Offer offer = state.lookup.offer(tokens);
    if (offer.max_length > 0) state.shadow_lookup.start(offer.kind, state.lookup.propose(tokens, {}, kShadowLength).tokens);
  }
  Drafter* model = model_for(state);
  if (model == nullptr || state.shadow_model.active()) return;
  const Offer offer = model->offer(tokens);
  const int n = std::min(offer.max_length, kShadowLength);
  if (n < 1) return;
  const char* refused = controller_.refuse_probe(offer.kind, n, state.decode_ms, state.probe_ms);
  if (log_) std::fprintf(stderr, "conclave: probe of %s: %s\n", draft_kind_name(offer.kind), refused != nullptr ? refused : "yes");
  if (refused != nullptr || !model_.cache().reserve(request.sequence, static_cast<int64_t>(tokens.size()) + n)) return;
  const Clock::time_point start = Clock::now();
  state.shadow_model.start(offer.kind, model->propose(tokens, request.sequence.pages, n).tokens);
  const double ms = ms_between(start, Clock::now());
  state.draft_ms += ms;
  controller_.observe_draft(offer.kind, n, ms);
  controller_.observe_probe(offer.kind, ms);
  state.probe_ms += ms;
}

void Drafting::plan(std::span<ActiveRequest* const> decoding, bool beside_prefill) {
  const Clock::time_point start = Clock::now();
  step_draft_ms_ = 0;
  pass_ = {.counts = !beside_prefill, .n_sequences = static_cast<int>(decoding.size()), .context = context_of(decoding)};
  for (ActiveRequest* request : decoding) {
    request->draft->draft.clear();
    request->draft->n_judged = 0;
  }
  if (enabled_ && !decoding.empty()) draft(decoding, beside_prefill);
  pass_.plan_ms = ms_between(start, Clock::now());
}

void Drafting::draft(std::span<ActiveRequest* const> decoding, bool beside_prefill) {
  std::vector<DraftCandidate> candidates;
  std::vector<Drafter*> sources;
  std::vector<Proposal> proposals;
  bool any = false;
  int room = std::max(0, kMaxDraftRows);
  for (ActiveRequest* request : decoding) {
    DraftState& state = *request->draft;
    DraftCandidate candidate{.offer = {}, .meter = &state.meter, .limit = 0};
    const bool rests = state.options.length == 0 && state.n_refused >= kRestAfter && request->tokens.size() % kRestStride != 0;
    Drafter* from = state.options.mode == DraftMode::kOff || rests ? nullptr : source(state, request->tokens, candidate.offer);
    // A fixed length would never show what a pass takes without: the first few, alone, are left plain.
    if (from != nullptr && state.options.length > 0 && decoding.size() == 1 && !controller_.costs().knows_plain()) from = nullptr;
    if (from != nullptr && state.options.length > 0) {
      const int n = std::min({state.options.length, candidate.offer.max_length, limit(*request), room});
      proposals.push_back({request, from, candidate.offer.kind, n});
      room -= std::max(0, n);
      candidate.offer.max_length = 0;
    } else if (from != nullptr) {
      candidate.limit = limit(*request);
      any = true;
    }
    candidates.push_back(candidate);
    sources.push_back(from);
  }
  if (!any || beside_prefill) return propose(proposals);   // beside a prompt a pass's time says nothing about its drafts
  const DraftAnswer answer = controller_.choose(candidates, room);
  if (log_) std::fprintf(stderr, "conclave: %s\n", to_text(answer).c_str());
  for (size_t i = 0; i < decoding.size(); ++i) {
    if (candidates[i].limit == 0) continue;
    if (answer.lengths[i] > 0) {
      decoding[i]->draft->n_refused = 0;
      proposals.push_back({decoding[i], sources[i], candidates[i].offer.kind, answer.lengths[i]});
      continue;
    }
    ++decoding[i]->draft->n_refused;
    start_shadows(*decoding[i]);
  }
  propose(proposals);
}

void Drafting::observe_rows(ActiveRequest& request, size_t first, int count, int row) {
  if (count == 0 || !is_fed(*request.draft)) return;
  const Clock::time_point start = Clock::now();
  for (size_t i = 0; i < request.draft->models.size(); ++i) {
    if (!feeds(*request.draft, i)) continue;
    const bool taps = !model_.drafters()[i]->taps().empty();
    request.draft->models[i]->observe({.tokens = request.tokens, .pages = request.sequence.pages, .first = static_cast<int64_t>(first), .count = count,
                                       .taps = taps ? model_.forward().taps(row, count) : Tensor{}});
  }
  if (request.n_generated() > 0) request.draft->won_ms -= ms_between(start, Clock::now());
}

void Drafting::count(DraftState& state, int kind, int n, int n_accepted) {
  state.meter.observe(kind, n, n_accepted);
  all_.observe(kind, n, n_accepted);
}

void Drafting::observe_token(ActiveRequest& request, const TokenEvent& event) {
  DraftState& state = *request.draft;
  const ExpertChoice& choice = event.choice;
  state.n_accepted += event.drafted;
  if (!enabled_ || state.options.mode == DraftMode::kOff) return;
  if (request.n_generated() == 1) state.meter = all_.faded(kFadedTries);
  for (ShadowDraft* shadow : {&state.shadow_lookup, &state.shadow_model}) {
    if (!shadow->active() || !shadow->follow(event.token)) continue;
    count(state, shadow->kind(), shadow->length(), shadow->n_right());
    shadow->drop();
  }
  const size_t k = static_cast<size_t>(controller_.costs().shape().n_used);
  if (k > 0 && choice.experts.size() == state.last_experts.size() && !choice.experts.empty() && request.options.steering.is_none()) {
    size_t shared = 0;
    for (size_t i = 0; i < choice.experts.size(); ++i) {
      const auto begin = state.last_experts.begin() + static_cast<std::ptrdiff_t>(i / k * k), end = begin + static_cast<std::ptrdiff_t>(std::min(k, state.last_experts.size() - i / k * k));
      shared += std::find(begin, end, choice.experts[i]) != end;
    }
    controller_.observe_repeat(static_cast<double>(shared) / static_cast<double>(choice.experts.size()));
  }
  state.last_experts = choice.experts;
}

void Drafting::observe_verify(ActiveRequest& request) {
  ++request.draft->n_passes;
  request.draft->n_drafted += static_cast<int>(request.draft->draft.size());
}

void Drafting::observe_verdict(ActiveRequest& request, int n_accepted) {
  DraftState& state = *request.draft;
  if (request.ended) return;   // on the way: nobody knows what would have stood
  const int n = static_cast<int>(state.draft.size());
  for (int at = 0; at < std::min(n_accepted + 1, n); ++at) {
    ++state.tried_at[static_cast<size_t>(at)];
    state.stood_at[static_cast<size_t>(at)] += at < n_accepted;
  }
  if (n > 0) count(state, state.kind, n, n_accepted);
}

void Drafting::observe_pass(std::span<ActiveRequest* const> decoding, int n_drafted, int n_emitted, double ms, double distinct_experts) {
  for (ActiveRequest* request : decoding) {
    DraftState& state = *request->draft;
    state.distinct_experts += distinct_experts;
    state.decode_ms += pass_.plan_ms + ms;
    state.won_ms += won_ms(state);
    state.is_measured = state.is_measured && (state.draft.empty() || controller_.plain_ms(pass_.n_sequences, pass_.context) > 0);
  }
  pass_ = {};
  controller_.observe_pass({.n_sequences = static_cast<int>(decoding.size()), .n_drafted = n_drafted, .n_emitted = n_emitted, .context = context_of(decoding),
                            .draft_ms = n_drafted > 0 ? step_draft_ms_ : 0, .pass_ms = ms, .distinct_experts = distinct_experts});
}

/// In the pass that is being observed, which all its sequences waited for: what its tokens took less than a plain pass each.
double Drafting::won_ms(const DraftState& state) const {
  if (pass_.ms == 0 || state.options.mode == DraftMode::kOff) return 0;
  if (state.draft.empty()) return -pass_.plan_ms;
  return state.n_judged * controller_.plain_ms(pass_.n_sequences, pass_.context) - pass_.ms - pass_.plan_ms;
}

double Drafting::plain_ms(const ActiveRequest& request, double decode_ms) const {
  const DraftState& state = *request.draft;
  const bool known = state.is_measured && (pass_.ms == 0 || state.draft.empty() || controller_.plain_ms(pass_.n_sequences, pass_.context) > 0);
  if (!known || request.n_generated() < 2) return 0;
  return std::max(0.0, decode_ms + state.won_ms + won_ms(state)) / static_cast<double>(request.n_generated() - 1);
}

void Drafting::settle(ActiveRequest& request) {
  if (!enabled_) return;
  for (const auto& drafter : request.draft->models) drafter->settle(request.sequence.pages);
}

}  // namespace conclave
