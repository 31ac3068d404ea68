// Feed-forwards of many rows by matrix fragments, on the pairs of ffn.h: tiles of one expert's pairs are listed on the
// device, gate and up meet the same columns, down leaves each pair's values to be added up row by row, experts ascending.
#pragma once
#include "ops/gpu/ffn.h"
#include "ops/gpu/tile_product.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

/// One block: each thread counts the tiles of neighbouring experts.
struct ListTiles {
  using Args = ListTilesArgs;
  static CONCLAVE_CONSTANT int kThreads = 256;
  static CONCLAVE_CONSTANT int kEach = kMostExperts / kThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = kThreads * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Global<const int32_t> first = args.pairs.first, active = args.pairs.active;
    const Global<int32_t> tile_expert = args.tiles.expert, tile_first = args.tiles.first;
    const int n_active = *Global<const int32_t>(args.pairs.n_active), width = args.tiles.width;
    const int begin = p.index * kEach, end = begin + kEach < n_active ? begin + kEach : n_active;
    int own = 0;
    for (int a = begin; a < end; ++a) own += (first[active[a] + 1] - first[active[a]] + width - 1) / width;
    const int all = block_running_sum<kThreads>(own, p.index, as<int32_t>(shared));
    int at = all - own;
    for (int a = begin; a < end; ++a) {
      const int expert = active[a];
      for (int pair = first[expert]; pair < first[expert + 1]; pair += width) {
        tile_expert[at] = expert;
        tile_first[at] = pair;
        ++at;
      }
    }
    if (p.index == kThreads - 1) *Global<int32_t>(args.tiles.count) = all;
  }
};

/// 64 hidden values of a tile of pairs. Of each warp's 16 weight rows the first eight are gate's and the others the same
/// of up, so that a lane holds both sums of a value.
template <class Format>
struct TileGateUp {
  using Args = GateUpArgs;
  static CONCLAVE_CONSTANT int kThreads = kTileThreads;
  static CONCLAVE_CONSTANT int kOutputs = kTileOutputs / 2, kMadeStride = kOutputs + 4;
  static CONCLAVE_CONSTANT int kMadeBytes = kTileColumns * kMadeStride * 4;
  static CONCLAVE_CONSTANT int kSharedBytes = kTileSharedBytes > kMadeBytes ? kTileSharedBytes : kMadeBytes;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const TilePlace tile = place_of_tile(args.tiles, args.pairs.first, p.x);
    if (tile.n <= 0) return;
    const int n_terms = column_terms<Format>(args.x), d = args.gate.d_in, d_ff = args.gate.d_out, warp = p.index / kLanes, lane = p.index % kLanes;

    TileSource from;
    const int own = p.index / 2, own_o = p.y * kOutputs + own / 16 * 8 + own % 8, o = own_o < d_ff ? own_o : 0;
    from.row = own % 16 < 8 ? weight_row(args.gate, args.gate.data, tile.expert, o) : weight_row(args.up, args.up.data, tile.expert, o);
    from.whole_words = args.gate.row_bytes % 16 == 0;
    const int column = p.index / 4, local = row_of_column(column, n_terms);
    const int64_t row = Global<const int32_t>(args.pairs.row)[tile.first + (local < tile.n ? local : 0)];
    set_column<Format>(from, args.x, d, row * args.x.f_stride, row * n_terms, column % n_terms);
    float sums[kTileParts][4];
    tile_sums<Format>(sums, from, d, tile.n * n_terms, shared, p.index);

    const Shared<float> made = as<float>(shared);
    const int at = 8 * warp + tile_row(lane, 0), made_o = p.y * kOutputs + at;
    const int64_t bias_at = int64_t{tile.expert} * d_ff + made_o;
    const float gate_bias = args.gate_bias && made_o < d_ff ? Global<const float>(args.gate_bias)[bias_at] : 0.f;
    const float up_bias = args.up_bias && made_o < d_ff ? Global<const float>(args.up_bias)[bias_at] : 0.f;
    CONCLAVE_UNROLL
    for (int part = 0; part < kTileParts; ++part)
      CONCLAVE_UNROLL
      for (int e = 0; e < 2; ++e) {
        const int r = row_of_column(8 * part + tile_column(lane, e), n_terms);
        if (r >= tile.n || e >= 2 / n_terms) continue;
        made[r * kMadeStride + at] = activate(args.activation, tile_sum(sums[part], 0, e, n_terms) + gate_bias, tile_sum(sums[part], 1, e, n_terms) + up_bias);
      }
    block_barrier();
    for (int block = warp; block < tile.n * 2; block += kThreads / kLanes) {   // 32 values of a pair
      const int r = block / 2, first_o = p.y * kOutputs + block % 2 * 32;
      const int64_t pair = tile.first + r;
      if (first_o >= d_ff) continue;
      const float value = made[r * kMadeStride + block % 2 * 32 + lane];
      if (args.hidden) {
        if (first_o + lane < d_ff) Global<float>(args.hidden)[pair * d_ff + first_o + lane] = value;
      } else {
        quantize_value(value, lane, Global<int8_t>(args.hidden_codes) + (pair * d_ff + first_o + lane), Global<float>(args.hidden_scales) + (pair * (d_ff / 32) + first_o / 32));
      }
    }
  }
};

/// Pairs lie by expert, so that a row's pairs in ascending order are its experts in ascending order.
struct AddPairs {
  using Args = AddPairsArgs;
  static CONCLAVE_CONSTANT int kThreads = 256;
  static CONCLAVE_CONSTANT int kMostSlots = 256;
  static CONCLAVE_CONSTANT int kSharedBytes = 2 * kMostSlots * 4;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<int32_t> found = as<int32_t>(shared), sorted = found + kMostSlots;
    if (p.index < args.k) found[p.index] = Global<const int32_t>(args.pairs.place)[int64_t{p.y} * args.k + p.index];
    block_barrier();
    if (p.index < args.k) {
      const int own = found[p.index];
      int rank = 0;
      for (int i = 0; i < args.k; ++i) rank += found[i] < own || (found[i] == own && i < p.index) ? 1 : 0;
      sorted[rank] = own;
    }
    block_barrier();
    const int o = p.x * kThreads + p.index;
    if (o >= args.d) return;
    const Global<const float> partial = args.partial, weight = args.pairs.weight;
    const Global<float> to = Global<float>(args.out) + (p.y * args.out_stride + o);
    float total = args.accumulate ? *to : 0.f;
    for (int i = 0; i < args.k; ++i)
      if (sorted[i] >= 0) total = fmaf(weight[sorted[i]], partial[int64_t{sorted[i]} * args.d + o], total);
    *to = total;
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
