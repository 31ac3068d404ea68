// Kernels on rows, element by element: embedding, residual addition, gates, rearranged heads; and the norms.
#pragma once
#include "ops/gpu/dot.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kRowThreads = 256;

struct AddRows {
  using Args = AddKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kRowThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int i = p.x * kThreads + p.index;
    if (i >= args.d) return;
    const Global<float> to = Global<float>(args.out) + (p.y * args.out_stride + i);
    *to = fmaf(args.scale, Global<const float>(args.x)[p.y * args.x_stride + i], *to);
  }
};

struct GateRows {
  using Args = GateKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kRowThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int i = p.x * kThreads + p.index;
    if (i >= args.d) return;
    const Global<float> to = Global<float>(args.x) + (p.y * args.x_stride + i);
    *to = *to * logistic(Global<const float>(args.gate)[p.y * args.gate_stride + i]);
  }
};

struct SplitRows {
  using Args = SplitKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kRowThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int i = p.x * kThreads + p.index;
    if (i >= args.d) return;
    const Global<const float> from = Global<const float>(args.x) + (p.y * args.x_stride + i / args.d_head * 2 * args.d_head + i % args.d_head);
    Global<float>(args.first)[p.y * args.first_stride + i] = from[0];
    Global<float>(args.second)[p.y * args.second_stride + i] = from[args.d_head];
  }
};

struct CopyTails {
  using Args = TailKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kRowThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int i = p.x * kThreads + p.index, head = i / args.n_tail;
    if (head >= args.n_heads) return;
    Global<float>(args.out)[p.y * args.out_stride + head * args.out_head + args.out_first + i % args.n_tail] =
        Global<const float>(args.x)[p.y * args.x_stride + head * args.x_head + args.x_first + i % args.n_tail];
  }
};

/// A thread for each unit of a quantised row, or each value of a plain one.
template <class Format>
struct EmbedRows {
  using Args = EmbedKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kRowThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int i = p.x * kThreads + p.index, token = Global<const int32_t>(args.tokens)[p.y];
    const Global<const uint8_t> row = Global<const uint8_t>(args.table.data) + token * args.table.row_bytes;
    const Global<float> out = Global<float>(args.out) + p.y * args.out_stride;
    if constexpr (kIsPlain<Format>) {
      if (i < args.table.d_in) out[i] = Format::value(row + int64_t{i} * Format::kBytes) * args.scale;
    } else {
      if (i >= args.table.d_in / 32) return;
      Unit unit;
      Format::load(row, i, unit);
      for (int j = 0; j < 32; ++j) {
        const int run = j / 16;
        const float code = static_cast<float>(static_cast<int8_t>(unit.codes[j / 4] >> 8 * (j % 4)));
        float value = unit.scale[run] * code;
        if (Format::kHasMin) value = value - unit.min[run];
        out[unit.at[run] + j % 16] = value * args.scale;
      }
    }
  }
};

/// RMS-norm and LayerNorm, a block each row; in place when out is x.
struct NormRows {
  using Args = NormKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kRowThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = kThreads / kLanes * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<float> room = as<float>(shared);
    const Global<const float> x = Global<const float>(args.x) + p.x * args.x_stride, weight = args.weight, bias = args.bias;
    const Global<float> out = Global<float>(args.out) + p.x * args.out_stride;
    float mean = 0.f;
    if (args.centre) {
      float sum = 0.f;
      for (int i = p.index; i < args.d; i += kThreads) sum += x[i];
      mean = block_sum<kThreads>(sum, p.index, room) / static_cast<float>(args.d);
    }
    float squares = 0.f;
    for (int i = p.index; i < args.d; i += kThreads) squares = fmaf(x[i] - mean, x[i] - mean, squares);
    const float inverse = 1.f / sqrtf(block_sum<kThreads>(squares, p.index, room) / static_cast<float>(args.d) + args.eps);
    for (int i = p.index; i < args.d; i += kThreads) out[i] = (x[i] - mean) * inverse * (weight ? weight[i] : 1.f) + (bias ? bias[i] : 0.f);
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
