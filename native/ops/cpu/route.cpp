// The router: logits by one product, then the choice of experts row by row. The rules of each family are in RouterSpec.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "ops/cpu/cpu_ops.h"

namespace conclave {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kSmallestSum = 6.103515625e-5f;   // the least normal half: the reference's floor for the renormalising sum

void softmax(std::span<float> x) {
  const float largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (float& value : x) {
    value = std::exp(value - largest);
    sum += static_cast<double>(value);
  }
  for (float& value : x) value = static_cast<float>(static_cast<double>(value) / sum);
}

void score(RouterScore kind, std::span<float> x) {
  if (kind == RouterScore::kSoftmax) return softmax(x);
  for (float& value : x) value = 1.f / (1.f + std::exp(-value));
}

/// Indices of the k largest, best first; ties to the lower index.
void top_k(std::span<const float> x, int k, int32_t* out) {
  std::vector<int32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int32_t a, int32_t b) {
    const float left = x[static_cast<size_t>(a)], right = x[static_cast<size_t>(b)];
    return left > right || (left == right && a < b);
  });
  std::copy_n(order.begin(), k, out);
}

/// DeepSeek's group-limited choice: experts outside the best groups are ruled out. A group scores by its best expert,
/// or with a selection bias (V3) by the sum of its best two.
void limit_groups(const RouterSpec& spec, bool biased, std::span<float> selection) {
  const size_t per_group = selection.size() / static_cast<size_t>(spec.n_groups);
  std::vector<float> scores;
  for (int group = 0; group < spec.n_groups; ++group) {
    const auto members = selection.subspan(static_cast<size_t>(group) * per_group, per_group);
    float best = kNever, second = kNever;
    for (const float value : members) {
      if (value > best) second = std::exchange(best, value);
      else second = std::max(second, value);
    }
    scores.push_back(biased && per_group > 1 ? best + second : best);
  }
  std::vector<int32_t> kept(static_cast<size_t>(spec.n_groups_used));
  top_k(scores, spec.n_groups_used, kept.data());
  for (int group = 0; group < spec.n_groups; ++group) {
    if (std::find(kept.begin(), kept.end(), group) != kept.end()) continue;
    for (float& value : selection.subspan(static_cast<size_t>(group) * per_group, per_group)) value = kNever;
  }
}

/// Phi-3.5-MoE's SparseMixer at inference: each pick is weighed by a softmax over the logits near the best one left.
void sparse_mixer(std::span<const float> logits, float jitter, int k, int32_t* experts, float* weights) {
  std::vector<float> left(logits.begin(), logits.end());
  for (int j = 0; j < k; ++j) {
    const size_t best = static_cast<size_t>(std::max_element(left.begin(), left.end()) - left.begin());
    const float largest = left[best];
    double sum = 0;
    for (size_t e = 0; e < left.size(); ++e) {
      const float distance = (largest - logits[e]) / std::max(std::fabs(logits[e]), largest);
      if (left[e] != kNever && !(distance > 2 * jitter)) sum += std::exp(static_cast<double>(left[e]) - static_cast<double>(largest));
    }
    experts[j] = static_cast<int32_t>(best);
    weights[j] = static_cast<float>(1 / sum);
    left[best] = kNever;
  }
}

void choose(const RouteArgs& args, std::span<float> logits, std::span<const float> selection_bias, std::span<const float> expert_scale, std::span<const float> steering, int k, int32_t* experts, float* weights) {
  const RouterSpec& spec = args.spec;
  for (size_t e = 0; e < steering.size(); ++e) logits[e] += steering[e];
  if (spec.order == RouterOrder::kSparseMixer) {
    sparse_mixer(logits, spec.jitter, k, experts, weights);
  } else {
    const bool before = spec.order == RouterOrder::kBeforeTopK;
    if (before) score(spec.score, logits);
    std::vector<float> selection(logits.begin(), logits.end());
    for (size_t e = 0; e < selection_bias.size(); ++e) selection[e] += selection_bias[e];
    for (size_t e = 0; e < steering.size(); ++e) {
      if (steering[e] == kNever) selection[e] = kNever;   // a score of 0 plus its bias could win
    }
    if (spec.n_groups > 1 && spec.n_groups_used < spec.n_groups) limit_groups(spec, !selection_bias.empty(), selection);
    top_k(selection, k, experts);
    for (int j = 0; j < k; ++j) weights[j] = logits[static_cast<size_t>(experts[j])];
    if (!before) score(spec.score, {weights, static_cast<size_t>(k)});
  }
  if (spec.renormalise) {
    const float sum = std::max(std::accumulate(weights, weights + k, 0.f), kSmallestSum);
    for (int j = 0; j < k; ++j) weights[j] /= sum;
  }
  for (int j = 0; j < k; ++j) weights[j] *= expert_scale.empty() ? spec.scale : spec.scale * expert_scale[static_cast<size_t>(experts[j])];
  std::fill(experts + k, experts + args.n_experts_used, experts[0]);
  std::fill(weights + k, weights + args.n_experts_used, 0.f);
}

}  // namespace

void route(CpuContext& context, const RouteArgs& args) {
  const int64_t n = args.x.n_rows, n_experts = args.router->d_out;
  if (n == 0) return;
  assert(args.n_experts_used >= 1 && args.n_experts_used <= n_experts && args.experts.d_row == args.n_experts_used);
  assert(args.steering.size() % static_cast<size_t>(n * n_experts) == 0 && args.n_chosen.size() % static_cast<size_t>(n) == 0);
  Tensor all{context.logits.get<float>(static_cast<size_t>(n * n_experts)), DType::kF32, n, n_experts, n_experts};
  const MatmulOutput output{all, args.router, args.bias, args.spec.logit_scale, false};
  matmul(context, args.x, {&output, 1});
  const auto per_expert = [n_experts](const Weight* weight) {
    std::vector<float> values(weight ? static_cast<size_t>(n_experts) : 0);
    if (weight) load_parameter(*weight, 0, 0, n_experts, values.data());
    return values;
  };
  const auto of_row = [](std::span<const float> values, int64_t row, int64_t count) {
    return values.empty() ? values : values.subspan(static_cast<size_t>(row * count), static_cast<size_t>(count));
  };
  const std::vector<float> selection_bias = per_expert(args.selection_bias), expert_scale = per_expert(args.expert_scale);
  constexpr int64_t kRowsAPiece = 16;
  context.pool.parallel_for((n + kRowsAPiece - 1) / kRowsAPiece, [&](int64_t piece, int) {
    for (int64_t row = piece * kRowsAPiece; row < n && row < (piece + 1) * kRowsAPiece; ++row)
      choose(args, {all.f32(row), static_cast<size_t>(n_experts)}, selection_bias, expert_scale, of_row(args.steering, row, n_experts),
             args.n_chosen.empty() ? args.n_experts_used : args.n_chosen[static_cast<size_t>(row)], args.experts.i32(row), args.weights.f32(row));
  });
}

}  // namespace conclave
