// Gated feed-forwards of experts, and dense ones as their case of one expert: pairs sorted by expert, gate and up and the
// activation in one kernel that also quantises what it makes, down with the weighted sum in another. The host never learns
// who was chosen: the grid is as large as it can get, and blocks without an expert return.
#pragma once
#include "ops/gpu/dot.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kMostExperts = 1024;

/// Counting sort in one block. A running sum carries pairs in its low 20 bits and experts that have any above them.
struct SortPairs {
  using Args = SortPairsArgs;
  static CONCLAVE_CONSTANT int kThreads = 256;
  static CONCLAVE_CONSTANT int kEach = kMostExperts / kThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = kMostExperts * 4 + kThreads * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<int32_t> counts = as<int32_t>(shared), sums = counts + kMostExperts;
    const Global<const int32_t> experts = args.experts;
    const Global<const float> weights = args.weights;
    const Global<int32_t> row = args.pairs.row, first = args.pairs.first, active = args.pairs.active;
    const Global<float> weight = args.pairs.weight;
    for (int e = p.index; e < kMostExperts; e += kThreads) counts[e] = 0;
    block_barrier();
    const int n_pairs = args.n * args.k;
    for (int i = p.index; i < n_pairs; i += kThreads) {
      const int e = expert_of(args, experts, weights, i);
      if (e >= 0) atomic_add(counts + e, 1);
    }
    block_barrier();

    int own = 0;   // of this thread's experts
    for (int e = p.index * kEach; e < (p.index + 1) * kEach; ++e) own += counts[e] > 0 ? counts[e] + (1 << 20) : 0;
    const int all = block_running_sum<kThreads>(own, p.index, sums);   // up to and with them
    int at = all - own;
    for (int e = p.index * kEach; e < (p.index + 1) * kEach && e < args.n_experts; ++e) {
      const int count = counts[e];
      first[e] = at & 0xfffff;
      counts[e] = at & 0xfffff;   // from now on where the expert's next pair goes
      if (count == 0) continue;
      active[at >> 20] = e;
      at += count + (1 << 20);
    }
    if (p.index == kThreads - 1) {
      first[args.n_experts] = all & 0xfffff;
      *Global<int32_t>(args.pairs.n_active) = all >> 20;
    }
    block_barrier();
    const Global<int32_t> place = args.pairs.place;
    for (int i = p.index; i < n_pairs; i += kThreads) {
      const int r = i / args.k, slot = i % args.k, e = expert_of(args, experts, weights, i);
      const int to = e < 0 ? -1 : atomic_add(counts + e, 1);   // any order within an expert: its pairs do not meet
      if (place) place[i] = to;
      if (e < 0) continue;
      row[to] = r;
      weight[to] = weights[r * args.weight_stride + slot] * args.scale;
    }
  }

 private:
  /// Below zero for what is left out. A slot of weight 0 may name an expert that its row has already, and an expert's rows must differ.
  static CONCLAVE_DEVICE int expert_of(CONCLAVE_ARGS const Args& args, Global<const int32_t> experts, Global<const float> weights, int pair) {
    const int row = pair / args.k, slot = pair % args.k;
    return weights[row * args.weight_stride + slot] == 0.f ? -1 : experts[row * args.expert_stride + slot];
  }
};

struct DensePairs {
  using Args = DensePairsArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kSharedBytes = kThreads / kLanes * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    float weight = args.scale;
    if (args.gate) {
      const Global<const float> x = args.x, gate = args.gate;
      float sum = 0.f;
      for (int i = p.index; i < args.d; i += kThreads) sum = fmaf(gate[i], x[p.x * args.x_stride + i], sum);
      weight *= logistic(block_sum<kThreads>(sum, p.index, as<float>(shared)));
    }
    if (p.index != 0) return;
    Global<int32_t>(args.pairs.row)[p.x] = p.x;
    Global<float>(args.pairs.weight)[p.x] = weight;
    if (p.x != 0) return;
    const Global<int32_t> first = args.pairs.first;
    first[0] = 0;
    first[1] = args.n;
    *Global<int32_t>(args.pairs.active) = 0;
    *Global<int32_t>(args.pairs.n_active) = 1;
  }
};

CONCLAVE_DEVICE float activate(int activation, float g, float u) {
  if (activation == kSilu) return g * logistic(g) * u;
  if (activation == kGeluTanh) return g * logistic(1.5957691216f * g * fmaf(0.044715f * g, g, 1.f)) * u;   // 0.5 (1 + tanh(y)) = logistic(2 y)
  g = fminf(g, 7.f);
  u = fmaxf(fminf(u, 7.f), -7.f);
  return (u + 1.f) * g * logistic(1.702f * g);
}

/// 32 hidden values of one expert, for its pairs four at a time; a warp quantises each pair's.
template <class Format>
struct GateUp {
  using Args = GateUpArgs;
  static CONCLAVE_CONSTANT int kThreads = 32 * kRowLanes;
  static CONCLAVE_CONSTANT int kSharedBytes = kTile * 32 * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    if (p.y >= *Global<const int32_t>(args.pairs.n_active)) return;
    const Global<const int32_t> first = args.pairs.first, pair_row = args.pairs.row;
    const int expert = Global<const int32_t>(args.pairs.active)[p.y], last = first[expert + 1];
    const int lane = p.index % kRowLanes, column = p.index / kRowLanes, o = p.x * 32 + column, d = args.gate.d_in, d_ff = args.gate.d_out;
    const bool inside = o < d_ff;
    const Global<const uint8_t> gate = weight_row(args.gate, args.gate.data, expert, inside ? o : 0), up = weight_row(args.up, args.up.data, expert, inside ? o : 0);
    const int64_t bias_at = int64_t{expert} * d_ff + o;
    const float gate_bias = args.gate_bias && inside ? Global<const float>(args.gate_bias)[bias_at] : 0.f;
    const float up_bias = args.up_bias && inside ? Global<const float>(args.up_bias)[bias_at] : 0.f;
    const Shared<float> made = as<float>(shared);
    TileRows x = tile_rows(args.x);
    for (int pair = first[expert]; pair < last; pair += kTile) {
      const int n = last - pair < kTile ? last - pair : kTile;
      CONCLAVE_UNROLL
      for (int i = 0; i < kTile; ++i)
        if (i < n) x.at[i] = kIsPlain<Format> ? pair_row[pair + i] * args.x.f_stride : pair_row[pair + i];
      float g[kTile], u[kTile];
      dot_rows<Format>(gate, d, x, n, lane, g);
      dot_rows<Format>(up, d, x, n, lane, u);
      CONCLAVE_UNROLL
      for (int i = 0; i < kTile; ++i)
        if (i == lane && i < n) made[i * 32 + column] = inside ? activate(args.activation, g[i] + gate_bias, u[i] + up_bias) : 0.f;
      block_barrier();
      const int t = p.index / kLanes, at = p.index % kLanes;
      if (t < n) {
        const float value = made[t * 32 + at];
        const int64_t row = pair + t;
        if (args.hidden) {
          if (p.x * 32 + at < d_ff) Global<float>(args.hidden)[row * d_ff + p.x * 32 + at] = value;
        } else {
          quantize_value(value, at, Global<int8_t>(args.hidden_codes) + (row * d_ff + p.x * 32 + at), Global<float>(args.hidden_scales) + (row * (d_ff / 32) + p.x));
        }
      }
      block_barrier();
    }
  }
};

template <class Format>
CONCLAVE_DEVICE void hidden_rows(CONCLAVE_ARGS const DownArgs& args, int pair, CONCLAVE_THREAD TileRows& x) {
  CONCLAVE_UNROLL
  for (int i = 0; i < kTile; ++i) x.at[i] = kIsPlain<Format> ? (pair + i) * args.hidden.f_stride : pair + i;
}

CONCLAVE_DEVICE float down_bias(CONCLAVE_ARGS const DownArgs& args, int expert, int o) { return args.bias ? Global<const float>(args.bias)[int64_t{expert} * args.down.d_out + o] : 0.f; }

/// At most kTile rows: four experts at a time, each by a warp, for two columns; one thread for each column and row adds them up.
template <class Format>
struct DownFew {
  using Args = DownArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kColumns = kLanes / kRowLanes, kSlots = kThreads / kLanes;
  static CONCLAVE_CONSTANT int kSharedBytes = kSlots * kColumns * kTile * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<float> values = as<float>(shared);   // [slot][column][pair of the expert]
    const Global<const int32_t> first = args.pairs.first, active = args.pairs.active, pair_row = args.pairs.row;
    const Global<const float> weight = args.pairs.weight;
    const int n_active = *Global<const int32_t>(args.pairs.n_active), d = args.down.d_out;
    const int slot = p.index / kLanes, column = p.index % kLanes / kRowLanes, lane = p.index % kRowLanes, o = p.x * kColumns + column;
    const bool inside = o < d;
    // The first threads of the block add up: column and row of each.
    const int own_o = p.x * kColumns + p.index / kTile, own_row = p.index % kTile;
    const bool adds = p.index < kColumns * kTile && own_o < d && own_row < args.n;
    const Global<float> out = args.out;
    float total = adds && args.accumulate ? out[own_row * args.out_stride + own_o] : 0.f;
    TileRows x = tile_rows(args.hidden);
    for (int base = 0; base < n_active; base += kSlots) {
      if (base + slot < n_active) {
        const int expert = active[base + slot], pair = first[expert], n = first[expert + 1] - pair;
        hidden_rows<Format>(args, pair, x);
        float sums[kTile];
        dot_rows<Format>(weight_row(args.down, args.down.data, expert, inside ? o : 0), args.down.d_in, x, n, lane, sums);
        CONCLAVE_UNROLL
        for (int i = 0; i < kTile; ++i)
          if (i == lane && i < n && inside) values[(slot * kColumns + column) * kTile + i] = sums[i] + down_bias(args, expert, o);
      }
      block_barrier();
      for (int s = 0; adds && s < kSlots && base + s < n_active; ++s) {
        const int expert = active[base + s], pair = first[expert], n = first[expert + 1] - pair;
        for (int i = 0; i < n; ++i)
          if (pair_row[pair + i] == own_row) total = fmaf(weight[pair + i], values[(s * kColumns + p.index / kTile) * kTile + i], total);
      }
      block_barrier();
    }
    if (adds) out[own_row * args.out_stride + own_o] = total;
  }
};

/// Any number of rows: the lanes of a row own a column and go through all experts.
template <class Format>
struct DownMany {
  using Args = DownArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_CONSTANT int kColumns = kThreads / kRowLanes;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const Global<const int32_t> first = args.pairs.first, active = args.pairs.active, pair_row = args.pairs.row;
    const Global<const float> weight = args.pairs.weight;
    const Global<float> out = args.out;
    const int n_active = *Global<const int32_t>(args.pairs.n_active), lane = p.index % kRowLanes, o = p.x * kColumns + p.index / kRowLanes;
    const bool inside = o < args.down.d_out;
    if (!args.accumulate && inside)
      for (int r = lane; r < args.n; r += kRowLanes) out[r * args.out_stride + o] = 0.f;
    warp_barrier();
    TileRows x = tile_rows(args.hidden);
    for (int a = 0; a < n_active; ++a) {
      const int expert = active[a], last = first[expert + 1];
      const Global<const uint8_t> row = weight_row(args.down, args.down.data, expert, inside ? o : 0);
      const float bias = inside ? down_bias(args, expert, o) : 0.f;
      for (int pair = first[expert]; pair < last; pair += kTile) {
        const int n = last - pair < kTile ? last - pair : kTile;
        hidden_rows<Format>(args, pair, x);
        float sums[kTile];
        dot_rows<Format>(row, args.down.d_in, x, n, lane, sums);
        CONCLAVE_UNROLL
        for (int i = 0; i < kTile; ++i) {
          if (i != lane || i >= n || !inside) continue;
          const Global<float> to = out + (pair_row[pair + i] * args.out_stride + o);
          *to = fmaf(weight[pair + i], sums[i] + bias, *to);
        }
      }
      warp_barrier();   // another lane may add the next expert's part to the same row
    }
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
