// Gated feed-forwards, of experts and dense. The (row, slot) pairs are sorted by expert, so each distinct expert is read
// once; gate, up, activation and the quantisation of the hidden values are one pass, down with the weighted sum is the
// other. A row's experts are summed in ascending order of id, alone or in a batch, so its bits do not change.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "ops/cpu/cpu_ops.h"

namespace conclave {
namespace {

/// Rows routed to one expert: pairs [first, last) of the sorted list.
struct ExpertRows { int64_t expert, first, last; };

struct FfnWork {
  Tensor out, x;
  const FfnWeights* ffn;
  Activation activation;
  bool accumulate;
  std::vector<int32_t> rows;         // [pairs] row of x and out
  std::vector<float> weights;        // [pairs] scale of the pair's result
  std::vector<ExpertRows> experts;   // ascending; only those with rows
};

double exact_gate(Activation activation, double g, double u) {
  switch (activation) {
    case Activation::kSilu: return g / (1 + std::exp(-g)) * u;
    case Activation::kGeluTanh: return 0.5 * g * (1 + std::tanh(0.79788456080286535588 * (g + 0.044715 * g * g * g))) * u;
    case Activation::kClampedSwiglu:
      g = std::min(g, 7.0);
      u = std::clamp(u, -7.0, 7.0);
      return (u + 1) * g / (1 + std::exp(-1.702 * g));
  }
  return 0;
}

/// Hidden values [pairs][d_ff], as the down weights read them.
struct Hidden {
  float* f = nullptr;
  QuantBlock* q = nullptr;
  int64_t d_ff = 0;
  Activations view() const { return {f, d_ff, q, d_ff / kBlock, 1}; }
};

void add_bias(const Weight* bias, int64_t expert, const Strip& strip) {
  if (!bias) return;
  float values[kStripRows];
  load_parameter(*bias, expert, strip.first, strip.n_rows, values);
  for (int t = 0; t < strip.n; ++t)
    for (int i = 0; i < strip.n_rows; ++i) strip.out[t * kStripRows + i] += values[i];
}

void gate_and_up(CpuContext& context, const FfnWork& work, const Activations& x, const Hidden& hidden, const ExpertRows& expert, int64_t first, int n_rows, int64_t pair, const std::byte* next, int thread) {
  ThreadScratch& scratch = context.scratch(thread);
  const int n = static_cast<int>(std::min<int64_t>(kTokenBlock, expert.last - pair));
  Strip strip{work.ffn->gate, expert.expert, first, n_rows, &x, work.rows.data() + pair, 0, n, scratch.acc[0], work.ffn->up->row(first, expert.expert)};
  multiply_strip(context, strip, scratch);
  add_bias(work.ffn->gate_bias, expert.expert, strip);
  strip.weight = work.ffn->up;
  strip.out = scratch.acc[1];
  strip.next = next;
  multiply_strip(context, strip, scratch);
  add_bias(work.ffn->up_bias, expert.expert, strip);
  for (int t = 0; t < n; ++t) {
    float* gate = scratch.acc[0] + t * kStripRows;
    const float* up = scratch.acc[1] + t * kStripRows;
    if (context.exact)
      for (int i = 0; i < n_rows; ++i) gate[i] = static_cast<float>(exact_gate(work.activation, gate[i], up[i]));
    else
      context.kernels.gate(work.activation, gate, up, gate, n_rows);
    if (hidden.q)
      context.kernels.quantize(gate, hidden.q + ((pair + t) * hidden.d_ff + first) / kBlock, n_rows / kBlock, nullptr);
    else
      std::memcpy(hidden.f + (pair + t) * hidden.d_ff + first, gate, static_cast<size_t>(n_rows) * sizeof(float));
  }
}

void down(CpuContext& context, const FfnWork& work, const Activations& hidden, int64_t first, int n_rows, const std::byte* next, int thread) {
  ThreadScratch& scratch = context.scratch(thread);
  if (!work.accumulate)
    for (int64_t row = 0; row < work.out.n_rows; ++row) std::fill_n(work.out.f32(row) + first, n_rows, 0.f);
  for (size_t e = 0; e < work.experts.size(); ++e) {
    const ExpertRows& expert = work.experts[e];
    const std::byte* const after = e + 1 < work.experts.size() ? work.ffn->down->row(first, work.experts[e + 1].expert) : next;
    for (int64_t pair = expert.first; pair < expert.last; pair += kTokenBlock) {
      const int n = static_cast<int>(std::min<int64_t>(kTokenBlock, expert.last - pair));
      const Strip strip{work.ffn->down, expert.expert, first, n_rows, &hidden, nullptr, pair, n, scratch.acc[0], after};
      multiply_strip(context, strip, scratch);
      add_bias(work.ffn->down_bias, expert.expert, strip);
      for (int t = 0; t < n; ++t) {
        const float weight = work.weights[static_cast<size_t>(pair + t)];
        const float* values = strip.out + t * kStripRows;
        float* out = work.out.f32(work.rows[static_cast<size_t>(pair + t)]) + first;
        for (int i = 0; i < n_rows; ++i) out[i] += weight * values[i];
      }
    }
  }
}

void run_ffn(CpuContext& context, const FfnWork& work) {
  const FfnWeights& ffn = *work.ffn;
  assert(ffn.gate->d_in == work.x.d_row && ffn.up->d_out == ffn.gate->d_out && ffn.down->d_in == ffn.gate->d_out && ffn.down->d_out == work.out.d_row);
  if (work.experts.empty()) {   // every slot weighs nothing
    for (int64_t row = 0; row < work.out.n_rows && !work.accumulate; ++row) std::fill_n(work.out.f32(row), work.out.d_row, 0.f);
    return;
  }
  const Activations x = prepare_activations(context, work.x, context.reads_quantised(*ffn.gate) || context.reads_quantised(*ffn.up) ? 1 : 0);
  Hidden hidden;
  hidden.d_ff = ffn.gate->d_out;
  const size_t n_pairs = work.rows.size();
  if (context.reads_quantised(*ffn.down)) hidden.q = context.hidden.get<QuantBlock>(n_pairs * static_cast<size_t>(hidden.d_ff / kBlock));
  else hidden.f = context.hidden.get<float>(n_pairs * static_cast<size_t>(hidden.d_ff));

  // Few rows: small pieces keep all threads at the memory to the end; many: large ones read activations less often.
  const bool few = n_pairs <= static_cast<size_t>(context.kernels.max_tile) * work.experts.size();
  const int64_t strip_rows = few ? kBlock : kStripRows;
  struct Piece { size_t expert; int64_t first, pair; };
  std::vector<Piece> pieces;
  for (size_t e = 0; e < work.experts.size(); ++e)
    for (int64_t first = 0; first < hidden.d_ff; first += strip_rows)
      for (int64_t pair = work.experts[e].first; pair < work.experts[e].last; pair += kTokenBlock) pieces.push_back({e, first, pair});
  // Threads keep in step, so a thread's next piece is likely the one as many further on as there are threads; behind the last
  // gate comes the first down.
  const int64_t d = work.out.d_row, n_pieces = static_cast<int64_t>(pieces.size()), n_threads = context.pool.n_threads();
  const auto down_strip = [&](int64_t i) { return i * strip_rows < d ? ffn.down->row(i * strip_rows, work.experts.front().expert) : nullptr; };
  const auto gate_strip = [&](int64_t i) {
    if (i >= n_pieces) return down_strip(i - n_pieces);
    const Piece& piece = pieces[static_cast<size_t>(i)];
    return ffn.gate->row(piece.first, work.experts[piece.expert].expert);
  };
  context.pool.parallel_for(n_pieces, [&](int64_t i, int thread) {
    const Piece& piece = pieces[static_cast<size_t>(i)];
    const int n_rows = static_cast<int>(std::min(strip_rows, hidden.d_ff - piece.first));
    gate_and_up(context, work, x, hidden, work.experts[piece.expert], piece.first, n_rows, piece.pair, gate_strip(i + n_threads), thread);
  });

  const Activations hidden_view = hidden.view();
  context.pool.parallel_for((d + strip_rows - 1) / strip_rows, [&](int64_t i, int thread) {
    const int64_t first = i * strip_rows;
    down(context, work, hidden_view, first, static_cast<int>(std::min(strip_rows, d - first)), down_strip(i + n_threads), thread);
  });
}

}  // namespace

void moe_ffn(CpuContext& context, const MoeFfnArgs& args) {
  const int64_t n = args.x.n_rows, k = args.experts.d_row, n_experts = args.ffn.gate->n_experts;
  if (n == 0) return;
  if (!context.groups_experts && n > 1) {
    for (int64_t row = 0; row < n; ++row) {
      moe_ffn(context, {args.out.rows(row, 1), args.x.rows(row, 1), args.experts.rows(row, 1), args.weights.rows(row, 1), args.ffn, args.activation, args.scale, args.accumulate});
    }
    return;
  }
  FfnWork work{args.out, args.x, &args.ffn, args.activation, args.accumulate, {}, {}, {}};
  std::vector<int64_t> next(static_cast<size_t>(n_experts) + 1, 0);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t j = 0; j < k; ++j) {
      assert(args.experts.i32(row)[j] >= 0 && args.experts.i32(row)[j] < n_experts);
      if (args.weights.f32(row)[j] == 0.f) continue;
      ++next[static_cast<size_t>(args.experts.i32(row)[j]) + 1];
    }
  for (size_t e = 0; e < static_cast<size_t>(n_experts); ++e) {
    next[e + 1] += next[e];
    if (next[e + 1] > next[e]) work.experts.push_back({static_cast<int64_t>(e), next[e], next[e + 1]});
  }
  work.rows.resize(static_cast<size_t>(next.back()));
  work.weights.resize(static_cast<size_t>(next.back()));
  for (int64_t row = 0; row < n; ++row)
    for (int64_t j = 0; j < k; ++j) {
      if (args.weights.f32(row)[j] == 0.f) continue;
      const size_t pair = static_cast<size_t>(next[static_cast<size_t>(args.experts.i32(row)[j])]++);
      work.rows[pair] = static_cast<int32_t>(row);
      work.weights[pair] = args.weights.f32(row)[j] * args.scale;
    }
  run_ffn(context, work);
}

void dense_ffn(CpuContext& context, const DenseFfnArgs& args) {
  const int64_t n = args.x.n_rows;
  if (n == 0) return;
  FfnWork work{args.out, args.x, &args.ffn, args.activation, args.accumulate, std::vector<int32_t>(static_cast<size_t>(n)), std::vector<float>(static_cast<size_t>(n), args.scale), {{0, 0, n}}};
  for (int64_t row = 0; row < n; ++row) work.rows[static_cast<size_t>(row)] = static_cast<int32_t>(row);
  if (args.output_gate) {
    std::vector<float> gate(static_cast<size_t>(args.x.d_row));
    load_parameter(*args.output_gate, 0, 0, args.x.d_row, gate.data());
    for (int64_t row = 0; row < n; ++row) {
      double dot = 0;
      for (int64_t i = 0; i < args.x.d_row; ++i) dot += static_cast<double>(gate[static_cast<size_t>(i)]) * static_cast<double>(args.x.f32(row)[i]);
      work.weights[static_cast<size_t>(row)] *= static_cast<float>(1 / (1 + std::exp(-dot)));
    }
  }
  run_ffn(context, work);
}

}  // namespace conclave
