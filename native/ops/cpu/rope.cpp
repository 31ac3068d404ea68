// RMS-norm of queries and keys, then rotary positions (Su et al. 2021) with the scalings of ModelSpec: linear
// interpolation, YaRN (Peng et al. 2023), and per-pair divisors read from the file (Llama 3, LongRoPE).
#include <cassert>
#include <cmath>

#include "ops/cpu/cpu_ops.h"
#include "ops/rope_frequencies.h"

namespace conclave {
namespace {

/// Radians per position of each pair: [n_dims / 2].
std::vector<float> frequencies(const QkRopeArgs& args) {
  std::vector<float> divisors(args.freq_factors ? static_cast<size_t>(args.rope.n_dims / 2) : 0);
  if (args.freq_factors) load_parameter(*args.freq_factors, 0, 0, args.rope.n_dims / 2, divisors.data());
  return rope_frequencies(args.rope, divisors);
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
