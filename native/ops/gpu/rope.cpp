// Launches of norm and rotation of queries and keys; see rope.h.
#include <algorithm>
#include <cassert>

#include "ops/gpu/gpu_ops.h"
#include "ops/rope_frequencies.h"

namespace conclave::gpu {

void qk_rope(GpuContext& context, const QkRopeArgs& args) {
  const int64_t n = args.q.n_rows;
  if (n == 0) return;
  assert(args.rope.n_dims <= args.d_k && static_cast<int64_t>(args.positions.size()) == n);
  const RopeSpec& rope = args.rope;
  const bool rotates = rope.style != RopeStyle::kNone && rope.n_dims > 0, pairs = rope.style == RopeStyle::kPairs;
  const bool whole = args.norm == QkNorm::kWholeProjection;
  RopeKernelArgs kernel{};
  kernel.q = args.q.f32();
  kernel.k = args.k.f32();
  kernel.q_stride = args.q.stride;
  kernel.k_stride = args.k.stride;
  kernel.n_heads = args.n_heads;
  kernel.n_kv_heads = args.n_kv_heads;
  kernel.d_k = args.d_k;
  kernel.per_head = args.norm == QkNorm::kPerHead;
  if (args.norm != QkNorm::kNone) {
    kernel.q_norm = device_floats(args.q_norm);
    kernel.k_norm = device_floats(args.k_norm);
  }
  kernel.eps = args.eps;
  if (whole) {
    float* inverse = context.inverse.get<float>(static_cast<size_t>(2 * n));
    context.launch(KernelId::kRowScales, {2, static_cast<int32_t>(n), 1},
                   RowScalesArgs{kernel.q, kernel.k, kernel.q_stride, kernel.k_stride, args.n_heads * args.d_k, args.n_kv_heads * args.d_k, args.eps, inverse});
    kernel.inverse = inverse;
  }
  if (rotates) {
    std::span<const float> divisors;   // read where the file has them: on the host
    if (args.freq_factors) divisors = {reinterpret_cast<const float*>(args.freq_factors->data), static_cast<size_t>(rope.n_dims / 2)};
    const std::vector<float> theta = rope_frequencies(rope, divisors);
    kernel.theta = context.staging.put(std::span<const float>(theta));
    kernel.positions = context.staging.put(args.positions);
    kernel.n_pairs = rope.n_dims / 2;
    kernel.step = pairs ? 2 : 1;
    kernel.apart = pairs ? 1 : kernel.n_pairs;
    kernel.factor = rope.attn_factor;
  }
  context.launch(KernelId::kRope, {args.n_heads + args.n_kv_heads, static_cast<int32_t>(n), 1}, kernel);
}

}  // namespace conclave::gpu
