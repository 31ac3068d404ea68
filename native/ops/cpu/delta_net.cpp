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

std::vector<float> load_all(const Weight& weight) {
  std::vector<float> values(static_cast<size_t>(weight.d_in * weight.d_out));
  for (int64_t row = 0; row < weight.d_out; ++row) load_parameter(weight, row, 0, weight.d_in, values.data() + row * weight.d_in);
  return values;
}

/// SiLU of each channel's weighted last d_conv inputs, for the row at `row`; inputs before the run are the state's.
void convolve(const DeltaNetArgs& args, const Run& run, int64_t row, const float* kernel, float* out) {
  const int64_t d = args.qkv.d_row, n_before = args.d_conv - 1;
  std::fill_n(out, d, 0.f);
  for (int64_t tap = 0; tap < args.d_conv; ++tap) {
    const int64_t from = row - n_before + tap;
    const float* x = from >= run.first ? args.qkv.f32(from) : run.state + (from - run.first + n_before) * d;
    for (int64_t i = 0; i < d; ++i) out[i] += kernel[tap * d + i] * x[i];
  }
  for (int64_t i = 0; i < d; ++i) out[i] *= logistic(out[i]);
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

/// One token of one head: memory [d_k][d_v] and the read-out [d_v].
void step(float* memory, const float* q, const float* k, const float* v, float decay, float rate, int64_t d_k, int64_t d_v, float* known, float* out) {
  std::fill_n(known, d_v, 0.f);
  std::fill_n(out, d_v, 0.f);
  for (int64_t i = 0; i < d_k; ++i) {
    float* row = memory + i * d_v;
    for (int64_t j = 0; j < d_v; ++j) {
      row[j] *= decay;
      known[j] += k[i] * row[j];
    }
  }
  for (int64_t j = 0; j < d_v; ++j) known[j] = (v[j] - known[j]) * rate;
  for (int64_t i = 0; i < d_k; ++i) {
    float* row = memory + i * d_v;
    for (int64_t j = 0; j < d_v; ++j) {
      row[j] += k[i] * known[j];
      out[j] += q[i] * row[j];
    }
  }
}

/// RMS-norm of the read-out, times SiLU(z).
void finish(const DeltaNetArgs& args, const float* norm, const float* z, float* out) {
  double squares = 0;
  for (int64_t j = 0; j < args.d_v; ++j) squares += static_cast<double>(out[j]) * static_cast<double>(out[j]);
  const float inverse = 1.f / std::sqrt(static_cast<float>(squares / args.d_v) + args.eps);
  for (int64_t j = 0; j < args.d_v; ++j) out[j] = out[j] * inverse * norm[j] * z[j] * logistic(z[j]);
}

}  // namespace

void delta_net(CpuContext& context, const DeltaNetArgs& args) {
  const int64_t n = args.qkv.n_rows, d = args.qkv.d_row, d_keys = static_cast<int64_t>(args.n_key_heads) * args.d_k;
  if (n == 0) return;
  const std::vector<Run> runs = cut_runs(args);
  const std::vector<float> taps = load_all(*args.conv), dt = load_all(*args.dt), a = load_all(*args.a), norm = load_all(*args.norm);
  std::vector<float> kernel(taps.size());   // [d_conv][channels]
  for (int64_t channel = 0; channel < d; ++channel)
    for (int64_t tap = 0; tap < args.d_conv; ++tap) kernel[static_cast<size_t>(tap * d + channel)] = taps[static_cast<size_t>(channel * args.d_conv + tap)];
  const size_t n_inputs = static_cast<size_t>((args.d_conv - 1) * d), n_memory = static_cast<size_t>(args.d_k) * static_cast<size_t>(args.d_v);
  for (const Run& run : runs)
    if (run.fresh) std::fill_n(run.state, n_inputs + n_memory * static_cast<size_t>(args.n_heads), 0.f);

  float* mixed = context.partial.get<float>(static_cast<size_t>(n * d));
  const float query_scale = 1.f / std::sqrt(static_cast<float>(args.d_k));
  std::vector<size_t> run_of(static_cast<size_t>(n));
  for (size_t r = 0; r < runs.size(); ++r) std::fill(run_of.begin() + runs[r].first, run_of.begin() + runs[r].last, r);
  context.pool.parallel_for(n, [&](int64_t row, int) {
    float* x = mixed + row * d;
    convolve(args, runs[run_of[static_cast<size_t>(row)]], row, kernel.data(), x);
    for (int head = 0; head < args.n_key_heads; ++head) {
      to_unit_length(x + head * args.d_k, args.d_k, query_scale);
      to_unit_length(x + d_keys + head * args.d_k, args.d_k, 1.f);
    }
  });
  for (const Run& run : runs) keep_inputs(args, run);

  const int in_group = args.n_heads / args.n_groups, per_key = args.n_heads / args.n_key_heads;
  context.pool.parallel_for(static_cast<int64_t>(runs.size()) * args.n_heads, [&](int64_t i, int) {
    const Run& run = runs[static_cast<size_t>(i / args.n_heads)];
    const int head = static_cast<int>(i % args.n_heads), key_head = args.cycling_heads ? head % args.n_key_heads : head / per_key;
    const int beta = head / in_group * 2 * in_group + head % in_group, alpha = beta + in_group;
    float* memory = run.state + n_inputs + n_memory * static_cast<size_t>(head);
    std::vector<float> known(static_cast<size_t>(args.d_v));
    for (int64_t row = run.first; row < run.last; ++row) {
      const float* x = mixed + row * d;
      const float* rates = args.beta_alpha.f32(row);
      const float decay = std::exp(a[static_cast<size_t>(head)] * softplus(rates[alpha] + dt[static_cast<size_t>(head)]));
      float* out = args.out.f32(row) + static_cast<int64_t>(head) * args.d_v;
      step(memory, x + key_head * args.d_k, x + d_keys + key_head * args.d_k, x + 2 * d_keys + static_cast<int64_t>(head) * args.d_v, decay, logistic(rates[beta]), args.d_k, args.d_v, known.data(), out);
      finish(args, norm.data(), args.z.f32(row) + static_cast<int64_t>(head) * args.d_v, out);
    }
  });
}

}  // namespace conclave
