// The planner; see plan.h. Estimates err upwards: a plan that holds must load.
#include "weights/plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>

#include "ops/ops.h"
#include "weights/expert_stream.h"

namespace conclave {

namespace {

constexpr uint64_t kMega = uint64_t{1} << 20;
constexpr uint64_t kProcessBytes = 400 * kMega;     // the engine process beside its buffers
constexpr int64_t kShortestContext = 256;

uint64_t present(const Weight& weight) { return weight ? weight.bytes() : 0; }

/// What each layer's experts take, and everything else.
struct Sizes {
  uint64_t shared = 0;
  std::vector<uint64_t> expert;   // bytes of one expert of each layer
  std::vector<int> n_experts;
  uint64_t stream_layer = 0;      // the largest layer of experts, in a buffer of its own
  uint64_t experts() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < expert.size(); ++i) sum += expert[i] * static_cast<uint64_t>(n_experts[i]);
    return sum;
  }
};

uint64_t layer_bytes(const LayerWeights& l) {
  uint64_t sum = 0;
  for (const Weight* weight : {&l.attn_norm, &l.attn_norm_bias, &l.wq, &l.wk, &l.wv, &l.wo, &l.bq, &l.bk, &l.bv, &l.bo, &l.q_norm, &l.k_norm, &l.sinks, &l.ffn_norm, &l.ffn_norm_bias, &l.router,
                               &l.router_bias, &l.router_selection_bias, &l.shared_gate, &l.shared_up, &l.shared_down, &l.shared_output_gate, &l.attn_post_norm, &l.ffn_post_norm, &l.wq_a, &l.q_a_norm,
                               &l.wq_b, &l.wkv_a, &l.kv_a_norm, &l.k_heads, &l.v_heads, &l.attn_gate, &l.ssm_beta_alpha, &l.ssm_beta, &l.ssm_alpha, &l.ssm_conv, &l.ssm_dt, &l.ssm_a, &l.ssm_norm,
                               &l.router_input_norm, &l.expert_scale, &l.expert_norm, &l.expert_post_norm, &l.beside_post_norm, &l.beside_gate, &l.beside_up, &l.beside_down, &l.output_scale}) {
    sum += present(*weight);
  }
  return sum;
}

Sizes sizes_of(const ModelSpec& spec, const ModelWeights& weights) {
  Sizes sizes;
  const bool tied = weights.output.data == weights.token_embd.data;
  sizes.shared = present(weights.token_embd) + (tied ? 0 : present(weights.output)) + present(weights.output_bias) + present(weights.output_norm) + present(weights.output_norm_bias) +
                 present(weights.rope_freqs) + present(weights.rope_freqs_long);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& layer = weights.layers[i];
    uint64_t ffn = 0;
    const std::array<uint64_t, 6> parts{present(layer.gate), present(layer.up), present(layer.down), present(layer.gate_bias), present(layer.up_bias), present(layer.down_bias)};
    for (const uint64_t part : parts) ffn += part;
    const bool moe = spec.layers[i].ffn.kind == FfnKind::kMoe;
    const auto n = static_cast<uint64_t>(moe ? spec.layers[i].ffn.n_experts : 1);
    sizes.shared += layer_bytes(layer) + (moe ? 0 : ffn);
    sizes.n_experts.push_back(moe ? spec.layers[i].ffn.n_experts : 0);
    sizes.expert.push_back(moe ? (ffn + n - 1) / n : 0);
    if (moe) sizes.stream_layer = std::max(sizes.stream_layer, stream_layer_bytes(parts));
  }
  return sizes;
}

struct Needs {
  Sizes sizes;
  uint64_t kv = 0, work = 0, gpu_scratch = 0;
};

Needs needs_of(const ModelSpec& spec, const ModelWeights& weights, const PlanOptions& options) {
  return {sizes_of(spec, weights), kv_bytes(spec, options), workspace_bytes(spec, options), gpu_scratch_bytes(spec, options)};
}

void place_experts(Plan& plan, const Sizes& sizes, uint64_t room, bool spread) {
  const uint64_t all = sizes.experts();
  const double share = spread && all > room ? static_cast<double>(room) / static_cast<double>(all) : 1.0;
  for (size_t i = 0; i < sizes.expert.size(); ++i) {
    const uint64_t in_share = share < 1.0 ? static_cast<uint64_t>(share * sizes.n_experts[i]) : UINT64_MAX;
    const uint64_t fitting = sizes.expert[i] > 0 ? std::min(room / sizes.expert[i], in_share) : 0;
    const auto n = static_cast<int>(std::min<uint64_t>(fitting, static_cast<uint64_t>(sizes.n_experts[i])));
    plan.experts_on_gpu.push_back(n);
    plan.n_experts_on_gpu += n;
    plan.gpu.experts += sizes.expert[i] * static_cast<uint64_t>(n);
    plan.cpu.experts += sizes.expert[i] * static_cast<uint64_t>(sizes.n_experts[i] - n);
    room -= sizes.expert[i] * static_cast<uint64_t>(n);
  }
}

bool keeps(const Plan& plan, const MemoryBudget& budget) {
  if (plan.gpu.total() > budget.vram_bytes) return false;
  return plan.cpu.total() + (budget.unified ? plan.gpu.total() : 0) <= budget.ram_bytes;
}

/// With `stream_bytes` for experts that pass through.
Plan on_card_with(const Needs& needs, const MemoryBudget& budget, bool spread, uint64_t stream_bytes) {
  Plan plan;
  plan.gpu = {needs.sizes.shared, 0, needs.kv, needs.work + needs.gpu_scratch + budget.driver_bytes + stream_bytes};
  plan.stream_bytes = stream_bytes;
  plan.cpu.work = kProcessBytes;
  if (plan.gpu.total() > budget.vram_bytes) return plan;
  place_experts(plan, needs.sizes, budget.vram_bytes - plan.gpu.total(), spread);
  plan.placement = plan.cpu.experts == 0 ? Placement::kGpu : Placement::kHybrid;
  if (plan.placement == Placement::kHybrid) plan.cpu.work += needs.work;   // of the processor's experts
  if (!keeps(plan, budget)) plan.placement = Placement::kTooLarge;
  return plan;
}

/// Two layers pass through while a long prompt is computed. What they take is missing for experts that stay: a fifth of the room
/// at most, and nothing where the others would then not find room beside the processor.
Plan on_card(const Needs& needs, const MemoryBudget& budget, bool spread) {
  Plan plan = on_card_with(needs, budget, spread, 0);
  const uint64_t buffers = 2 * needs.sizes.stream_layer;
  if (plan.placement != Placement::kHybrid || budget.unified || buffers > (budget.vram_bytes - (plan.gpu.total() - plan.gpu.experts)) / 5) return plan;
  Plan streaming = on_card_with(needs, budget, spread, buffers);
  return streaming.placement == Placement::kHybrid ? streaming : plan;
}

Plan on_processor(const Needs& needs, const MemoryBudget& budget) {
  Plan plan;
  plan.cpu = {needs.sizes.shared, 0, needs.kv, needs.work + kProcessBytes};
  place_experts(plan, needs.sizes, 0, false);
  plan.placement = keeps(plan, budget) ? Placement::kCpu : Placement::kTooLarge;
  return plan;
}

Plan place(const ModelSpec& spec, const ModelWeights& weights, const MemoryBudget& budget, const PlanOptions& options) {
  const Needs needs = needs_of(spec, weights, options);
  Plan plan = on_card(needs, budget, options.spread);
  if (!options.needs_card && (plan.placement == Placement::kTooLarge || budget.vram_bytes == 0)) plan = on_processor(needs, budget);
  for (const int n : needs.sizes.n_experts) plan.n_experts += n;
  return plan;
}

std::string amount(uint64_t bytes) {
  char text[32];
  if (bytes < 1000000000) std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  else std::snprintf(text, sizeof text, "%.1f GB", static_cast<double>(bytes) / 1e9);
  return text;
}

/// Of a model that was to go to the card and does not fit there even without its experts.
std::string card_too_small(const Plan& plan, const MemoryBudget& budget, const PlanOptions& options) {
  const std::string sizes = "the graphics card has " + amount(budget.vram_bytes) + " free, and " + amount(plan.gpu.total()) + " are needed there without any expert and with a context of " +
                            std::to_string(options.n_context) + " tokens; ";
  if (plan.most_context > 0 && plan.most_context < options.n_context) return sizes + "choose a context of at most " + std::to_string(plan.most_context) + " tokens, or compute on the processor";
  return sizes + "choose a smaller model or quantisation, or compute on the processor";
}

std::string reason_of(const Plan& plan, const MemoryBudget& budget, const PlanOptions& options) {
  const uint64_t all = plan.gpu.total() + plan.cpu.total();
  switch (plan.placement) {
    case Placement::kGpu: return "everything fits on the graphics card: " + amount(plan.gpu.total()) + " of " + amount(budget.vram_bytes);
    case Placement::kHybrid:
      return std::to_string(plan.n_experts_on_gpu) + " of " + std::to_string(plan.n_experts) + " experts fit on the graphics card beside the rest of the model; the others are computed by the processor";
    case Placement::kCpu:
      return budget.vram_bytes == 0 ? "there is no graphics card; the processor computes everything in " + amount(all)
                                    : "the parts that every token reads do not fit into the graphics card's " + amount(budget.vram_bytes) + "; the processor computes everything";
    case Placement::kTooLarge: break;
  }
  if (plan.gpu.total() > budget.vram_bytes) return card_too_small(plan, budget, options);
  const std::string sizes = amount(all) + " are needed and " + amount(budget.ram_bytes) + " may be used";
  if (plan.most_context > 0 && plan.most_context < options.n_context) return sizes + "; a context of " + std::to_string(plan.most_context) + " tokens would fit";
  return sizes + "; choose a smaller model or quantisation";
}

/// By halving, in whole pages: more context never needs less memory.
int64_t longest_context(const ModelSpec& spec, const ModelWeights& weights, const MemoryBudget& budget, PlanOptions options) {
  const auto fits = [&](int64_t n) {
    options.n_context = n;
    return place(spec, weights, budget, options).placement != Placement::kTooLarge;
  };
  int64_t low = 0, high = std::max<int64_t>(spec.context_trained, kShortestContext) / kPageTokens * kPageTokens;
  if (fits(high)) return high;
  while (high - low > kPageTokens) {
    const int64_t middle = (low + high) / 2 / kPageTokens * kPageTokens;
    (fits(middle) ? low : high) = middle;
  }
  return low >= kShortestContext ? low : 0;
}

}  // namespace

const char* placement_name(Placement placement) {
  switch (placement) {
    case Placement::kGpu: return "gpu";
    case Placement::kHybrid: return "hybrid";
    case Placement::kCpu: return "cpu";
    case Placement::kTooLarge: return "too-large";
  }
  return "";
}

uint64_t kv_bytes(const ModelSpec& spec, const PlanOptions& options) {
  const int64_t tokens = (options.n_context + kPageTokens - 1) / kPageTokens * kPageTokens;
  uint64_t sum = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    if (layer.state_bytes() > 0) sum += static_cast<uint64_t>((layer.state_bytes() + 63) / 64 * 64 * kPlannedStates);
    else sum += kv_token_bytes(options.kv_type, a.n_kv_heads, a.d_k, a.d_v) * static_cast<uint64_t>(tokens);
  }
  return sum;
}

uint64_t workspace_bytes(const ModelSpec& spec, const PlanOptions& options) {
  int64_t attention = 0, side = 0, choices = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    const int64_t heads = a.n_heads, key = std::max(a.d_k, a.d_head_k);
    attention = std::max(attention, heads * key + int64_t{a.n_kv_heads} * (key + a.d_v) + heads * a.d_v);
    side = std::max(side, 3 * heads * (key + a.d_v + 1) + a.d_q_latent + a.d_kv_latent + a.d_rope + 2 * int64_t{a.n_kv_heads} * a.d_k + 2 * int64_t{spec.d_model});
    if (layer.ffn.kind == FfnKind::kMoe) choices += 2 * layer.ffn.n_experts_used;
  }
  // Layers may differ in shape, so that each width's largest comes from another one: twice the largest sum covers that.
  const int64_t columns = 3 * int64_t{spec.d_model} + 2 * attention + side + choices;
  return 4 * static_cast<uint64_t>(columns * options.max_rows + int64_t{spec.n_vocab} * options.max_logit_rows);
}

uint64_t gpu_scratch_bytes(const ModelSpec& spec, const PlanOptions& options) {
  int64_t widest = spec.d_model, hidden = 0, attended = 0, chosen = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    const FfnSpec& ffn = layer.ffn;
    widest = std::max({widest, int64_t{a.n_heads} * std::max(a.d_k, a.d_v), 2 * int64_t{a.n_kv_heads} * a.d_k + int64_t{a.n_heads} * a.d_v});
    hidden = std::max({hidden, std::max(1, ffn.n_experts_used) * int64_t{ffn.d_ff}, int64_t{ffn.d_ff_shared}, int64_t{ffn.d_ff_beside}});
    attended = std::max(attended, int64_t{a.n_heads} * a.d_v);
    if (ffn.kind == FfnKind::kMoe) chosen = std::max(chosen, int64_t{ffn.n_experts_used});
  }
  // Codes in two terms and their scales, hidden values as floats, what each expert makes of a row, choices; partial results of attention
  // for as many blocks as keep a card busy.
  constexpr int64_t kBlocks = 2 * 192, kQueries = 8, kRunKeys = 256;
  const int64_t rows = options.max_rows, parts = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(options.n_context / kRunKeys + 1)));
  const int64_t per_row = widest * 3 + hidden * 4 + chosen * spec.d_model * 4 + attended * 4 + 64 * 1024;
  int64_t partial = 0;
  for (const LayerSpec& layer : spec.layers) partial = std::max(partial, kBlocks * kQueries * parts * (layer.attention.d_v + 2) * 4);
  // The best logits, of rows and of their slices of 4096; in turn and with what was asked for.
  const int64_t lists = spec.n_vocab / 4096 + 1, best = options.max_logit_rows * (kTopLogits * 12 + 8 + (lists + lists / 32 + 2) * (kTopLogits * 8 + 12));
  return static_cast<uint64_t>(rows * per_row + partial + best) * 5 / 4;
}

Plan plan_placement(const ModelSpec& spec, const ModelWeights& weights, const MemoryBudget& budget, const PlanOptions& options) {
  Plan plan = place(spec, weights, budget, options);
  plan.most_context = longest_context(spec, weights, budget, options);
  plan.reason = reason_of(plan, budget, options);
  return plan;
}

}  // namespace conclave
