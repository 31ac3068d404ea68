// Norms of queries and keys and their rotation, a warp for each head; radians per position come from the host, which has
// double precision. A norm over a whole row needs its sum before any head of it changes, hence the kernel before.
#pragma once
#include "ops/gpu/device.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

struct RowScales {
  using Args = RowScalesArgs;
  static CONCLAVE_CONSTANT int kThreads = 256;
  static CONCLAVE_CONSTANT int kSharedBytes = kThreads / kLanes * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const bool keys = p.x == 1;
    const int d = keys ? args.d_k : args.d_q;
    const Global<const float> x = Global<const float>(keys ? args.k : args.q) + p.y * (keys ? args.k_stride : args.q_stride);
    float squares = 0.f;
    for (int i = p.index; i < d; i += kThreads) squares = fmaf(x[i], x[i], squares);
    const float sum = block_sum<kThreads>(squares, p.index, as<float>(shared));
    if (p.index == 0) Global<float>(args.inverse)[2 * p.y + p.x] = 1.f / sqrtf(sum / static_cast<float>(d) + args.eps);
  }
};

struct NormAndRotate {
  using Args = RopeKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kLanes;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const bool keys = p.x >= args.n_heads;
    const int head = keys ? p.x - args.n_heads : p.x, d = args.d_k;
    const Global<float> x = Global<float>(keys ? args.k : args.q) + (p.y * (keys ? args.k_stride : args.q_stride) + int64_t{head} * d);
    const Global<const float> norm = keys ? args.k_norm : args.q_norm;
    if (args.per_head || args.inverse) {
      float inverse;
      if (args.per_head) {
        float squares = 0.f;
        for (int i = p.index; i < d; i += kThreads) squares = fmaf(x[i], x[i], squares);
        inverse = 1.f / sqrtf(warp_sum(squares) / static_cast<float>(d) + args.eps);
      } else {
        inverse = Global<const float>(args.inverse)[2 * p.y + (keys ? 1 : 0)];
      }
      const int first = args.per_head ? 0 : head * d;
      for (int i = p.index; i < d; i += kThreads) x[i] = x[i] * inverse * (norm ? norm[first + i] : 1.f);
      warp_barrier();
    }
    if (args.n_pairs == 0) return;
    const Global<const float> theta = args.theta;
    const float position = static_cast<float>(Global<const int32_t>(args.positions)[p.y]);
    for (int i = p.index; i < args.n_pairs; i += kThreads) {
      const float angle = position * theta[i], c = cosf(angle) * args.factor, s = sinf(angle) * args.factor;
      const Global<float> a = x + i * args.step;
      const float u = a[0], v = a[args.apart];
      a[0] = u * c - v * s;
      a[args.apart] = u * s + v * c;
    }
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
