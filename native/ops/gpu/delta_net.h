// Gated DeltaNet token by token: the convolution of all rows, then the state's inputs, then a block for each value head of
// each sequence, whose threads own a column of its memory. Numbers do not depend on how a sequence was cut into batches.
#pragma once
#include "ops/gpu/device.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

/// The input of channel c at a row of the run, or before it from the state.
CONCLAVE_DEVICE float conv_input(CONCLAVE_ARGS const DeltaNetKernelArgs& args, CONCLAVE_THREAD const SequenceRun& run, Global<const float> state, int from, int c) {
  if (from >= run.first) return Global<const float>(args.qkv)[from * args.qkv_stride + c];
  return run.fresh ? 0.f : state[int64_t{from - run.first + args.d_conv - 1} * args.channels + c];
}

/// Grid: (channels / 256, rows).
struct ConvolveRows {
  using Args = DeltaNetKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = 256;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int c = p.x * kThreads + p.index;
    if (c >= args.channels) return;
    const SequenceRun run = load_as<SequenceRun>(Global<const SequenceRun>(args.runs) + Global<const int32_t>(args.run_of_row)[p.y]);
    const Global<const float> state = run.state, taps = args.taps;
    float sum = 0.f;
    for (int tap = 0; tap < args.d_conv; ++tap) sum = fmaf(taps[int64_t{c} * args.d_conv + tap], conv_input(args, run, state, p.y - args.d_conv + 1 + tap, c), sum);
    Global<float>(args.mixed)[int64_t{p.y} * args.channels + c] = sum * logistic(sum);
  }
};

/// The state's inputs become the last d_conv - 1 of the run. Grid: (channels / 256, runs).
struct KeepInputs {
  using Args = DeltaNetKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = 256;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int c = p.x * kThreads + p.index;
    if (c >= args.channels) return;
    const SequenceRun run = load_as<SequenceRun>(Global<const SequenceRun>(args.runs) + p.y);
    const Global<float> state = run.state;
    // Ascending: a value moves down before its place is taken.
    for (int i = 0; i < args.d_conv - 1; ++i) state[int64_t{i} * args.channels + c] = conv_input(args, run, state, run.last - args.d_conv + 1 + i, c);
  }
};

/// Grid: (heads, runs).
struct DeltaSteps {
  using Args = DeltaNetKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kMostKey = 256, kColumns = 2;   // of the memory, for a thread
  static CONCLAVE_CONSTANT int kMostValue = kThreads * kColumns;
  static CONCLAVE_CONSTANT int kSharedBytes = (2 * kMostKey + kThreads / kLanes) * 4;

  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<float> q = as<float>(shared), k = q + kMostKey, room = k + kMostKey;
    const SequenceRun run = load_as<SequenceRun>(Global<const SequenceRun>(args.runs) + p.y);
    const int head = p.x, d_k = args.d_k, d_v = args.d_v;
    const int key_head = args.cycling_heads ? head % args.n_key_heads : head / (args.n_heads / args.n_key_heads);
    const int in_group = args.n_heads / args.n_groups, beta = head / in_group * 2 * in_group + head % in_group, alpha = beta + in_group;
    const Global<float> memory = Global<float>(run.state) + (int64_t{args.d_conv - 1} * args.channels + int64_t{head} * d_k * d_v);
    const Global<const float> norm = args.norm;
    const float a = Global<const float>(args.a)[head], dt = Global<const float>(args.dt)[head];
    if (run.fresh)
      for (int j = p.index; j < d_v; j += kThreads)
        for (int i = 0; i < d_k; ++i) memory[i * d_v + j] = 0.f;
    for (int row = run.first; row < run.last; ++row) {
      const Global<const float> mixed = Global<const float>(args.mixed) + int64_t{row} * args.channels, rates = Global<const float>(args.rates) + row * args.rates_stride;
      unit_length(mixed + key_head * d_k, q, d_k, 1.f / sqrtf(static_cast<float>(d_k)), p.index, room);
      unit_length(mixed + (args.n_key_heads * d_k + key_head * d_k), k, d_k, 1.f, p.index, room);
      const float x = rates[alpha] + dt, decay = expf(a * (x > 20.f ? x : log1pf(expf(x)))), rate = logistic(rates[beta]);
      const Global<const float> v = mixed + (2 * args.n_key_heads * d_k + head * d_v);
      float out[kColumns], squares = 0.f;
      CONCLAVE_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const int j = p.index + c * kThreads;
        out[c] = 0.f;
        if (j >= d_v) continue;
        float known = 0.f;
        for (int i = 0; i < d_k; ++i) known = fmaf(k[i], memory[i * d_v + j], known);
        const float learnt = (v[j] - known * decay) * rate;
        for (int i = 0; i < d_k; ++i) {
          const float cell = fmaf(k[i], learnt, memory[i * d_v + j] * decay);
          memory[i * d_v + j] = cell;
          out[c] = fmaf(q[i], cell, out[c]);
        }
        squares = fmaf(out[c], out[c], squares);
      }
      const float inverse = 1.f / sqrtf(block_sum<kThreads>(squares, p.index, room) / static_cast<float>(d_v) + args.eps);
      CONCLAVE_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const int j = p.index + c * kThreads;
        if (j >= d_v) continue;
        const float z = Global<const float>(args.z)[row * args.z_stride + head * d_v + j];
        Global<float>(args.out)[row * args.out_stride + head * d_v + j] = out[c] * inverse * norm[j] * z * logistic(z);
      }
    }
  }

 private:
  static CONCLAVE_DEVICE void unit_length(Global<const float> x, Shared<float> to, int d, float scale, int index, Shared<float> room) {
    float squares = 0.f;
    for (int i = index; i < d; i += kThreads) squares = fmaf(x[i], x[i], squares);
    const float factor = scale / sqrtf(block_sum<kThreads>(squares, index, room) + 1e-6f);
    for (int i = index; i < d; i += kThreads) to[i] = x[i] * factor;
    block_barrier();
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
