// Gated DeltaNet (ops.h, DeltaNetArgs), token by token: the recurrence reads and writes each head's memory once per token,
// in the nearest cache for the length of a batch. One piece of work is one value head of one sequence, so a sequence's
// numbers depend neither on the other sequences of a batch nor on how its own tokens were cut into batches.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "ops/cpu/cpu_ops.h"

namespace conclave {
namespace {

constexpr float kUnitEps = 1e-6f;   // the reference's, under the root of a length

/// Rows [first, last) of one sequence.
struct Run {
  int64_t first, last;
  float* state;                     // this layer's part of it
  bool fresh;                       // the run begins the sequence
};

std::vector<Run> cut_runs(const DeltaNetArgs& args) {
  std::vector<Run> runs;
  const int64_t n = args.qkv.n_rows;
  for (int64_t row = 0; row < n;) {
    const int32_t sequence = args.row_sequence[static_cast<size_t>(row)];
    int64_t last = row + 1;
    while (last < n && args.row_sequence[static_cast<size_t>(last)] == sequence) ++last;
    std::byte* state = static_cast<std::byte*>(args.sequences[static_cast<size_t>(sequence)].state);
    assert(state != nullptr);
    runs.push_back({row, last, reinterpret_cast<float*>(state + args.state_offset), args.row_position[static_cast<size_t>(row)] == 0});
    row = last;
  }
  return runs;
}

float logistic(float x) { return 1.f / (1.f + std::exp(-x)); }
float softplus(float x) { return x > 20.f ? x : std::log1p(std::exp(x)); }

/// A parameter's floats, in place if they are that, else decoded into `room`.
const float* floats_of(const Weight& weight, std::vector<float>& room) {
  if (weight.type == DType::kF32) return reinterpret_cast<const float*>(weight.data);
  room.resize(static_cast<size_t>(weight.d_in * weight.d_out));
  for (int64_t row = 0; row < weight.d_out; ++row) load_parameter(weight, row, 0, weight.d_in, room.data() + row * weight.d_in);
  return room.data();
}

/// out = SiLU(x) * by (nullptr: 1).
void silu_times(const CpuContext& context, const float* x, const float* by, float* out, int64_t n) {
  constexpr int64_t kOnes = 256;
  static const std::vector<float> ones(kOnes, 1.f);
  for (int64_t i = 0; i < n; i += kOnes) {
    const int64_t count = std::min(kOnes, n - i);
    const float* factor = by ? by + i : ones.data();
    if (!context.exact) context.kernels.gate(Activation::kSilu, x + i, factor, out + i, count);
    else
      for (int64_t j = 0; j < count; ++j) out[i + j] = x[i + j] * logistic(x[i + j]) * factor[j];
  }
}

/// Channels [first, last) of a row: SiLU of each one's weighted last d_conv inputs; those before the run are the state's.
void convolve(const CpuContext& context, const DeltaNetArgs& args, const Run& run, int64_t row, const float* taps, int64_t first, int64_t last, float* out) {
  const int64_t d = args.qkv.d_row, n_before = args.d_conv - 1;
  std::fill_n(out + first, last - first, 0.f);
  for (int64_t tap = 0; tap < args.d_conv; ++tap) {
    const int64_t from = row - n_before + tap;
    const float* x = from >= run.first ? args.qkv.f32(from) : run.state + (from - run.first + n_before) * d;
    for (int64_t i = first; i < last; ++i) out[i] += taps[i * args.d_conv + tap] * x[i];
  }
  silu_times(context, out + first, nullptr, out + first, last - first);
}

/// The state's inputs become the last d_conv - 1 of the run.
void keep_inputs(const DeltaNetArgs& args, const Run& run) {
  const int64_t d = args.qkv.d_row, n_before = args.d_conv - 1, n = run.last - run.first;
  for (int64_t i = 0; i < n_before; ++i) {
    const int64_t from = n - n_before + i;   // ascending: a value moves down before its place is taken
    std::memmove(run.state + i * d, from >= 0 ? args.qkv.f32(run.first + from) : run.state + (from + n_before) * d, static_cast<size_t>(d) * sizeof(float));
  }
}

void to_unit_length(float* x, int64_t d, float scale) {
  double squares = 0;
  for (int64_t i = 0; i < d; ++i) squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const float factor = scale / std::sqrt(static_cast<float>(squares) + kUnitEps);
  for (int64_t i = 0; i < d; ++i) x[i] *= factor;
}

/// RMS-norm of the read-out, times SiLU(z).
void finish(const CpuContext& context, const DeltaNetArgs& args, const float* norm, const float* z, float* out) {
  double squares = 0;
  for (int64_t j = 0; j < args.d_v; ++j) squares += static_cast<double>(out[j]) * static_cast<double>(out[j]);
  const float inverse = 1.f / std::sqrt(static_cast<float>(squares / args.d_v) + args.eps);
  for (int64_t j = 0; j < args.d_v; ++j) out[j] *= inverse * norm[j];
  silu_times(context, z, out, out, args.d_v);
}

}  // namespace

void delta_step_plain(const DeltaStep& step, int first) {
  std::vector<float> known(static_cast<size_t>(step.d_v), 0.f);
  std::fill(step.out + first, step.out + step.d_v, 0.f);
  for (int i = 0; i < step.d_k; ++i)
    for (int j = first; j < step.d_v; ++j) known[static_cast<size_t>(j)] += step.k[i] * step.memory[i * step.d_v + j];
  for (int i = 0; i < step.d_k; ++i)
    for (int j = first; j < step.d_v; ++j) {
      float& cell = step.memory[i * step.d_v + j];
      cell = cell * step.decay + step.k[i] * (step.v[j] - known[static_cast<size_t>(j)] * step.decay) * step.rate;
      step.out[j] += step.q[i] * cell;
    }
}

void delta_net(CpuContext& context, const DeltaNetArgs& args) {
  const int64_t n = args.qkv.n_rows, d = args.qkv.d_row, d_keys = static_cast<int64_t>(args.n_key_heads) * args.d_k;
  if (n == 0) return;
  const std::vector<Run> runs = cut_runs(args);
  std::vector<float> rooms[4];
  const float *taps = floats_of(*args.conv, rooms[0]), *dt = floats_of(*args.dt, rooms[1]), *a = floats_of(*args.a, rooms[2]), *norm = floats_of(*args.norm, rooms[3]);
  const size_t n_inputs = static_cast<size_t>((args.d_conv - 1) * d), n_memory = static_cast<size_t>(args.d_k) * static_cast<size_t>(args.d_v);
  for (const Run& run : runs)
    if (run.fresh) std::fill_n(run.state, n_inputs + n_memory * static_cast<size_t>(args.n_heads), 0.f);

  float* mixed = context.partial.get<float>(static_cast<size_t>(n * d));
  std::vector<size_t> run_of(static_cast<size_t>(n));
  for (size_t r = 0; r < runs.size(); ++r) std::fill(run_of.begin() + runs[r].first, run_of.begin() + runs[r].last, r);
  constexpr int64_t kChannels = 2048;
  const int64_t parts = (d + kChannels - 1) / kChannels;
  context.pool.parallel_for(n * parts, [&](int64_t i, int) {
    const int64_t row = i / parts, first = i % parts * kChannels;
    convolve(context, args, runs[run_of[static_cast<size_t>(row)]], row, taps, first, std::min(d, first + kChannels), mixed + row * d);
  });
  for (const Run& run : runs) keep_inputs(args, run);

  const int in_group = args.n_heads / args.n_groups, per_key = args.n_heads / args.n_key_heads;
  const float query_scale = 1.f / std::sqrt(static_cast<float>(args.d_k));
  context.pool.parallel_for(static_cast<int64_t>(runs.size()) * args.n_heads, [&](int64_t i, int) {
    const Run& run = runs[static_cast<size_t>(i / args.n_heads)];
    const int head = static_cast<int>(i % args.n_heads), key_head = args.cycling_heads ? head % args.n_key_heads : head / per_key;
    const int beta = head / in_group * 2 * in_group + head % in_group, alpha = beta + in_group;
    std::vector<float> q(static_cast<size_t>(args.d_k)), k(static_cast<size_t>(args.d_k));
    for (int64_t row = run.first; row < run.last; ++row) {
      const float* x = mixed + row * d;
      std::copy_n(x + key_head * args.d_k, args.d_k, q.data());
      std::copy_n(x + d_keys + key_head * args.d_k, args.d_k, k.data());
      to_unit_length(q.data(), args.d_k, query_scale);
      to_unit_length(k.data(), args.d_k, 1.f);
      const float* rates = args.beta_alpha.f32(row);
      const DeltaStep step{.memory = run.state + n_inputs + n_memory * static_cast<size_t>(head), .q = q.data(), .k = k.data(),
                           .v = x + 2 * d_keys + static_cast<int64_t>(head) * args.d_v, .decay = std::exp(a[head] * softplus(rates[alpha] + dt[head])),
                           .rate = logistic(rates[beta]), .d_k = args.d_k, .d_v = args.d_v, .out = args.out.f32(row) + static_cast<int64_t>(head) * args.d_v};
      if (context.exact) delta_step_plain(step, 0);
      else context.kernels.delta_step(step);
      finish(context, args, norm, args.z.f32(row) + static_cast<int64_t>(head) * args.d_v, step.out);
    }
  });
}

}  // namespace conclave
