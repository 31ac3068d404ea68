// RMS-norm of queries and keys, then rotary positions (Su et al. 2021) with the scalings of ModelSpec: linear
// interpolation, YaRN (Peng et al. 2023), and per-pair divisors read from the file (Llama 3, LongRoPE).
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

#include "ops/cpu/cpu_ops.h"

namespace conclave {
namespace {

/// The pair at which a rotation turns `turns` times over the original context.
double yarn_pair(const RopeSpec& rope, double turns) {
  return rope.n_dims * std::log(rope.original_context / (turns * 2 * std::numbers::pi)) / (2 * std::log(static_cast<double>(rope.base)));
}

/// Radians per position of each pair: [n_dims / 2].
std::vector<float> frequencies(const QkRopeArgs& args) {
  const RopeSpec& rope = args.rope;
  const int n_pairs = rope.n_dims / 2;
  std::vector<float> out(static_cast<size_t>(n_pairs)), factors(static_cast<size_t>(n_pairs), 1.f);
  if (args.freq_factors) load_parameter(*args.freq_factors, 0, 0, n_pairs, factors.data());
  double low = 0, high = 0;
  if (rope.scaling == RopeScaling::kYarn) {
    low = yarn_pair(rope, static_cast<double>(rope.beta_fast));
    high = yarn_pair(rope, static_cast<double>(rope.beta_slow));
    if (rope.whole_ramp) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0);
    high = std::min(high, rope.n_dims - 1.0);
  }
  for (int i = 0; i < n_pairs; ++i) {
    double theta = std::pow(static_cast<double>(rope.base), -2.0 * i / rope.n_dims) / static_cast<double>(factors[static_cast<size_t>(i)]);
    if (rope.scaling == RopeScaling::kLinear) theta /= static_cast<double>(rope.factor);
    if (rope.scaling == RopeScaling::kYarn) {   // fast pairs keep their angle, slow ones are interpolated
      const double ramp = std::clamp((i - low) / std::max(high - low, 0.001), 0.0, 1.0);
      const double keep = (1 - ramp) * static_cast<double>(rope.ext_factor);
      theta = theta / static_cast<double>(rope.factor) * (1 - keep) + theta * keep;
    }
    out[static_cast<size_t>(i)] = static_cast<float>(theta);
  }
  return out;
}

void rms_norm(const CpuContext& context, float* x, int64_t d, const float* weight, float eps) {
  const double squares = context.kernels.sum_of_squares(x, d);
  const float inverse = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(d) + static_cast<double>(eps)));
  for (int64_t i = 0; i < d; ++i) x[i] = x[i] * inverse * weight[i];
}

void rotate(float* head, const RopeSpec& rope, const float* cosines, const float* sines) {
  const int n_pairs = rope.n_dims / 2;
  const int step = rope.style == RopeStyle::kPairs ? 2 : 1, apart = rope.style == RopeStyle::kPairs ? 1 : n_pairs;
  for (int i = 0; i < n_pairs; ++i) {
    float* a = head + i * step;
    const float x = a[0], y = a[apart];
    a[0] = x * cosines[i] - y * sines[i];
    a[apart] = x * sines[i] + y * cosines[i];
  }
}

std::vector<float> norm_weight(const Weight* weight, int64_t d) {
  std::vector<float> out(static_cast<size_t>(d), 1.f);
  if (weight) load_parameter(*weight, 0, 0, d, out.data());
  return out;
}

}  // namespace

void qk_rope(CpuContext& context, const QkRopeArgs& args) {
  const int64_t n = args.q.n_rows;
  if (n == 0) return;
  assert(args.rope.n_dims <= args.d_k && static_cast<int64_t>(args.positions.size()) == n);
  const bool whole = args.norm == QkNorm::kWholeProjection;
  const int64_t d_q = static_cast<int64_t>(args.n_heads) * args.d_k, d_kv = static_cast<int64_t>(args.n_kv_heads) * args.d_k;
  const std::vector<float> q_weight = norm_weight(args.norm == QkNorm::kNone ? nullptr : args.q_norm, whole ? d_q : args.d_k);
  const std::vector<float> k_weight = norm_weight(args.norm == QkNorm::kNone ? nullptr : args.k_norm, whole ? d_kv : args.d_k);
  const bool rotates = args.rope.style != RopeStyle::kNone && args.rope.n_dims > 0;
  const std::vector<float> theta = rotates ? frequencies(args) : std::vector<float>{};

  context.pool.parallel_for(n, [&](int64_t row, int) {
    const size_t n_pairs = theta.size();
    std::vector<float> cosines(n_pairs), sines(n_pairs);
    for (size_t i = 0; i < n_pairs; ++i) {
      const float angle = static_cast<float>(args.positions[static_cast<size_t>(row)]) * theta[i];   // float, as the reference has it
      cosines[i] = std::cos(angle) * args.rope.attn_factor;
      sines[i] = std::sin(angle) * args.rope.attn_factor;
    }
    const auto one = [&](float* x, int n_heads, const std::vector<float>& weight) {
      if (whole) rms_norm(context, x, static_cast<int64_t>(n_heads) * args.d_k, weight.data(), args.eps);
      for (int head = 0; head < n_heads; ++head, x += args.d_k) {
        if (args.norm == QkNorm::kPerHead) rms_norm(context, x, args.d_k, weight.data(), args.eps);
        if (rotates) rotate(x, args.rope, cosines.data(), sines.data());
      }
    };
    one(args.q.f32(row), args.n_heads, q_weight);
    one(args.k.f32(row), args.n_kv_heads, k_weight);
  });
}

}  // namespace conclave
