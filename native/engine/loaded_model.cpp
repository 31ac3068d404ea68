// Loading; see loaded_model.h.
#include "engine/loaded_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "engine/planning.h"
#include "formats/mapped_file.h"
#include "kv/snapshot.h"

namespace conclave {

namespace {

std::vector<KvShape> kv_shapes(const ModelSpec& spec) {
  std::vector<KvShape> shapes;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    if (layer.state_bytes() > 0) shapes.push_back({0, 0, 0, static_cast<size_t>(layer.state_bytes())});
    else shapes.push_back({a.n_kv_heads, a.d_k, a.d_v});
  }
  return shapes;
}

/// Recurrent states, of sequences and checkpoints together, within a fixed share of memory and `spare` bytes beside the
/// planned ones, but never too few to work.
size_t state_limit(const ModelSpec& spec, size_t spare) {
  constexpr size_t kStateMemory = size_t{3} << 29, kLeast = static_cast<size_t>(kPlannedStates);
  size_t bytes = 1;
  for (const LayerSpec& layer : spec.layers) bytes += static_cast<size_t>(layer.state_bytes());
  return std::clamp<size_t>(std::min(kStateMemory / bytes, kLeast + std::min(kStateMemory, spare) / bytes), kLeast, 128);
}

std::vector<Weight*> present_weights(ModelWeights& model) {
  std::vector<Weight*> all{&model.token_embd, &model.output_norm, &model.output_norm_bias, &model.output, &model.output_bias, &model.rope_freqs, &model.rope_freqs_long};
  for (LayerWeights& w : model.layers) {
    for (Weight* weight : {&w.attn_norm, &w.attn_norm_bias, &w.wq, &w.wk, &w.wv, &w.wo, &w.bq, &w.bk, &w.bv, &w.bo, &w.q_norm, &w.k_norm, &w.sinks,
                           &w.ffn_norm, &w.ffn_norm_bias, &w.router, &w.router_bias, &w.router_selection_bias, &w.gate, &w.up, &w.down,
                           &w.gate_bias, &w.up_bias, &w.down_bias, &w.shared_gate, &w.shared_up, &w.shared_down, &w.shared_output_gate,
                           &w.attn_post_norm, &w.ffn_post_norm, &w.wq_a, &w.q_a_norm, &w.wq_b, &w.wkv_a, &w.kv_a_norm, &w.k_heads, &w.v_heads,
                           &w.attn_gate, &w.ssm_beta_alpha, &w.ssm_beta, &w.ssm_alpha, &w.ssm_conv, &w.ssm_dt, &w.ssm_a, &w.ssm_norm,
                           &w.router_input_norm, &w.expert_scale, &w.expert_norm, &w.expert_post_norm, &w.beside_post_norm,
                           &w.beside_gate, &w.beside_up, &w.beside_down, &w.output_scale}) {
      all.push_back(weight);
    }
  }
  std::erase_if(all, [](const Weight* weight) { return !*weight; });
  return all;
}

std::unique_ptr<Ops> on_processor(const EngineOptions& options) { return make_cpu_ops({.n_threads = options.n_threads, .precision = options.precision, .device = Device::kCpu}); }

void check_usage(const std::vector<std::vector<float>>& usage, const ModelSpec& spec) {
  if (usage.empty()) return;
  const auto refuse = [](const std::string& message) { throw Error(ErrorCode::kBadArgument, "the use of experts " + message + "; count it with this model"); };
  if (static_cast<int>(usage.size()) != spec.n_moe_layers()) refuse("is given for " + std::to_string(usage.size()) + " layers, and this model has " + std::to_string(spec.n_moe_layers()) + " with experts");
  auto counts = usage.begin();
  for (const LayerSpec& layer : spec.layers) {
    if (layer.ffn.kind != FfnKind::kMoe) continue;
    if (counts->size() > static_cast<size_t>(layer.ffn.n_experts)) refuse("names expert " + std::to_string(counts->size() - 1) + " of a layer with " + std::to_string(layer.ffn.n_experts));
    if (std::any_of(counts->begin(), counts->end(), [](float count) { return !(count >= 0.f && count < INFINITY); })) refuse("holds a count that is no number from 0");
    ++counts;
  }
}

/// The share of tokens that chose each expert of a layer.
std::vector<float> shares(const std::vector<float>& usage, const FfnSpec& ffn) {
  std::vector<float> share(static_cast<size_t>(ffn.n_experts), 0.f);
  const double sum = std::accumulate(usage.begin(), usage.end(), 0.0);
  for (size_t e = 0; e < usage.size() && sum > 0; ++e) share[e] = static_cast<float>(std::min(1.0, usage[e] / sum * ffn.n_experts_used));
  return share;
}

/// The n experts with the largest shares, the lower ids of equals; ascending. Empty shares: all alike.
std::vector<int32_t> used_most(const std::vector<float>& share, int n_experts, int n) {
  std::vector<int32_t> order(static_cast<size_t>(n_experts));
  std::iota(order.begin(), order.end(), 0);
  if (!share.empty()) std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return share[static_cast<size_t>(a)] > share[static_cast<size_t>(b)]; });
  order.resize(static_cast<size_t>(n));
  std::sort(order.begin(), order.end());
  return order;
}

/// Reads one byte of each page of [data, data + bytes): the file is then in memory before the first token needs it.
void touch(const std::byte* data, size_t bytes) {
  volatile std::byte sink{};
  for (size_t at = 0; at < bytes; at += 4096) sink = data[at];
  (void)sink;
}

}  // namespace

LoadedModel::LoadedModel(const EngineOptions& options, int max_logit_rows, const Progress& progress, const WrapOps& wrap) {
  check_options(options);
  file_ = GgufFile::open(options.path);
  refuse_drafter(*file_);
  spec_ = spec_from_gguf(*file_);
  check_usage(options.expert_usage, spec_);
  weights_ = bind_weights(*file_, spec_);
  ops_ = options.make_ops ? options.make_ops() : make_ops({.n_threads = options.n_threads, .precision = options.precision, .device = options.device});
  active_bytes_ = active_bytes_per_token(spec_, weights_);

  const int trained = spec_.context_trained > 0 ? spec_.context_trained : kDefaultContext;
  const int kv_tokens = planned_tokens(options, spec_);
  n_context_ = std::min(kv_tokens, trained);
  const int64_t n_pages = (int64_t{kv_tokens} + kPageTokens - 1) / kPageTokens;
  plain_ = options.plain;
  open_drafters(options);
  PlanOptions needs = planned_needs(options, spec_, max_logit_rows);
  needs.needs_card = true;
  const size_t spare = place(options, needs);
  if (wrap) ops_ = wrap(std::move(ops_));
  std::vector<KvShape> shapes = kv_shapes(spec_);
  for (const auto& drafter : drafters_) {
    const std::vector<KvShape> more = drafter->kv_shapes();
    shapes.insert(shapes.end(), more.begin(), more.end());
  }
  cache_ = std::make_unique<KvCache>(*ops_, shapes, options.kv_type, n_pages, !options.plain, state_limit(spec_, spare));
  // LongRoPE has two sets of divisors. Keys once kept cannot change theirs, so the set goes with what the context can hold.
  if (weights_.rope_freqs_long && n_context_ > spec_.layers.front().attention.rope.original_context) std::swap(weights_.rope_freqs, weights_.rope_freqs_long);
  forward_ = std::make_unique<Forward>(*ops_, spec_, weights_, cache_->pool().layers().first(spec_.layers.size()), needs.max_rows, max_logit_rows);
  prepare_weights(progress);
  attach_drafters();
  if (!device_free_before_) host_file_bytes_ = weight_bytes_;
}

/// Plans what goes to a device with memory of its own from what is free there, before anything is brought. Experts that find no
/// place stay with the processor. Returns the bytes that the plan leaves free. Throws Error(kOutOfMemory) with the plan's reason.
size_t LoadedModel::place(const EngineOptions& options, const PlanOptions& needs) {
  const std::optional<DeviceMemory> memory = ops_->memory();
  if (!memory) return SIZE_MAX;
  device_free_before_ = memory->free_bytes;
  const uint64_t usable = usable_bytes(options, memory->free_bytes), drafters = drafters_bytes(drafters_, needs);
  const MemoryBudget budget{.vram_bytes = usable - std::min(usable, drafters), .ram_bytes = UINT64_MAX, .unified = false, .driver_bytes = 0};   // files are mapped: no plan needs to make room for them
  const Plan plan = plan_placement(spec_, weights_, budget, needs);
  if (plan.placement == Placement::kTooLarge) {
    if (options.device != Device::kAuto) throw Error(ErrorCode::kOutOfMemory, plan.reason);
    ops_ = on_processor(options);
    device_free_before_.reset();
    return SIZE_MAX;
  }
  host_file_bytes_ = plan.cpu.experts;
  const std::vector<ExpertHome> homes = this->homes(options, plan);
  if (homes.empty()) return budget.vram_bytes - plan.gpu.total();
  constexpr int kMovesAPass = 4;   // a guess: no card was at hand to weigh an expert's way there against what it saves
  auto hybrid = std::make_unique<HybridOps>(std::move(ops_), on_processor(options), homes, options.expert_cache, kMovesAPass,
                                            options.stream_rows > 0 ? options.stream_rows : plan.stream_bytes > 0 ? kStreamRows : 0);
  hybrid_ = hybrid.get();
  ops_ = std::move(hybrid);
  return 0;
}

/// Of the layers whose experts the plan does not all put on the device.
std::vector<ExpertHome> LoadedModel::homes(const EngineOptions& options, const Plan& plan) const {
  std::vector<ExpertHome> homes;
  size_t moe_index = 0;
  for (size_t i = 0; i < spec_.layers.size(); ++i) {
    const FfnSpec& ffn = spec_.layers[i].ffn;
    if (ffn.kind != FfnKind::kMoe) continue;
    const LayerWeights& w = weights_.layers[i];
    ExpertHome home{{&w.gate, &w.up, &w.down, optional(w.gate_bias), optional(w.up_bias), optional(w.down_bias)}, {}, {}};
    if (!options.expert_usage.empty()) home.share = shares(options.expert_usage[moe_index], ffn);
    ++moe_index;
    home.on_device = used_most(home.share, ffn.n_experts, plan.experts_on_gpu[i]);
    if (options.on_device) {
      home.on_device = used_most({}, ffn.n_experts, ffn.n_experts);
      std::erase_if(home.on_device, [&](int32_t expert) { return !options.on_device(i, expert); });
    }
    if (home.on_device.size() < static_cast<size_t>(ffn.n_experts)) homes.push_back(std::move(home));
  }
  return homes;
}

/// The plain twin drafts nothing, so it loads no drafter.
void LoadedModel::open_drafters(const EngineOptions& options) {
  if (options.plain) return;
  for (const std::string& path : options.drafters) {
    std::unique_ptr<DrafterModel> drafter = open_drafter(path, spec_, *file_);
    for (const auto& other : drafters_) {
      if (other->kind() == drafter->kind()) throw Error(ErrorCode::kBadArgument, "two drafters of the same kind were given; one of each kind is of use");
    }
    if (!drafter->kv_shapes().empty()) drafters_checksum_ ^= checksum64(MappedFile(path).bytes());
    drafters_.push_back(std::move(drafter));
  }
}

void LoadedModel::attach_drafters() {
  size_t first = spec_.layers.size();
  for (const auto& drafter : drafters_) {
    const size_t n = drafter->kv_shapes().size();
    drafter->attach(*ops_, weights_, cache_->pool().layers().subspan(first, n));
    first += n;
    weight_bytes_ += drafter->weight_bytes();
    if (const std::vector<int> taps = drafter->taps(); !taps.empty()) forward_->tap(taps);
  }
}

uint64_t LoadedModel::host_kv_bytes() const {
  if (device_free_before_) return 0;
  const PagePool& pool = cache_->pool();
  constexpr int kSamples = 64;
  for (const KvLayer& layer : pool.layers()) {   // all are written alike
    if (!layer.k) continue;
    const size_t bytes = row_bytes(layer.type, layer.d_k) * static_cast<size_t>(layer.n_kv_heads) * kPageTokens * static_cast<size_t>(layer.n_pages);
    return static_cast<uint64_t>(MappedFile::resident_share({static_cast<const std::byte*>(layer.k), bytes}, kSamples) * static_cast<double>(pool.bytes()));
  }
  return 0;
}

std::vector<bool> LoadedModel::on_device(size_t layer) const {
  const FfnSpec& ffn = spec_.layers[layer].ffn;
  if (!device_free_before_ || ffn.kind != FfnKind::kMoe) return {};
  std::vector<bool> there(static_cast<size_t>(ffn.n_experts), true);
  const std::span<const int32_t> slots = hybrid_ ? hybrid_->slots(weights_.layers[layer].gate) : std::span<const int32_t>{};
  for (size_t expert = 0; expert < slots.size(); ++expert) there[expert] = slots[expert] >= 0;
  return there;
}

bool LoadedModel::is_expert(const Weight& weight) const {
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    const LayerWeights& l = weights_.layers[i];
    if (spec_.layers[i].ffn.kind != FfnKind::kMoe) continue;
    for (const Weight* part : {&l.gate, &l.up, &l.down, &l.gate_bias, &l.up_bias, &l.down_bias})
      if (part == &weight) return true;
  }
  return false;
}

void LoadedModel::prepare_weights(const Progress& progress) {
  const std::vector<Weight*> all = present_weights(weights_);
  for (const Weight* weight : all) {
    weight_bytes_ += weight->bytes();
    const bool tied = weight == &weights_.output && weight->data == weights_.token_embd.data;
    if (!tied && !is_expert(*weight)) shared_.push_back(weight);
  }
  const auto report = [&](uint64_t done) {
    if (progress && !progress(done, weight_bytes_)) throw Error(ErrorCode::kBadArgument, "cancelled");
  };
  constexpr size_t kStep = size_t{64} << 20;
  uint64_t done = 0;
  report(0);
  for (Weight* weight : all) {
    for (size_t at = 0; at < weight->bytes(); at += kStep) {
      const size_t step = std::min(kStep, weight->bytes() - at);
      touch(weight->data + at, step);
      if (step == kStep) report(done + at + step);
    }
    ops_->prepare(*weight);
    done += weight->bytes();
  }
  report(done);
}

}  // namespace conclave
