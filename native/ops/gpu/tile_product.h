// Products of many rows with some matrices, or with the experts' own matrix of each tile of pairs; see tile_step.h.
#pragma once
#include "ops/gpu/tile_step.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

/// Which rows a tile has: of one expert, from `first` on.
struct TilePlace {
  int expert, first, n;
};
/// n is 0 for a tile beyond the last.
CONCLAVE_DEVICE TilePlace place_of_tile(CONCLAVE_ARGS const PairTiles& tiles, Global<const int32_t> pair_first, int tile) {
  if (tile >= *Global<const int32_t>(tiles.count)) return {0, 0, 0};
  const int expert = Global<const int32_t>(tiles.expert)[tile], first = Global<const int32_t>(tiles.first)[tile], left = pair_first[expert + 1] - first;
  return {expert, first, left < tiles.width ? left : tiles.width};
}

template <class Format>
struct TileProduct {
  using Args = TileProductArgs;
  static CONCLAVE_CONSTANT int kThreads = kTileThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = kTileSharedBytes;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    int block = p.y;
    CONCLAVE_ARGS const ProductOutput& to = output_at(args.outputs, output_of(args.outputs, block));
    const int n_terms = column_terms<Format>(args.x), width = kTileColumns / n_terms, d = to.weight.d_in, d_out = to.weight.d_out;
    TilePlace tile{p.z, p.x * width, args.n - p.x * width < width ? args.n - p.x * width : width};
    if (args.tiles.expert) tile = place_of_tile(args.tiles, args.pair_first, p.x);
    if (tile.n <= 0) return;

    TileSource from;
    const int own_row = block * kTileOutputs + p.index / 2;
    from.row = weight_row(to.weight, to.weight.data, tile.expert, own_row < d_out ? own_row : 0);
    from.whole_words = to.weight.row_bytes % 16 == 0;
    const int column = p.index / 4, local = row_of_column(column, n_terms), set = args.x.n_sets > 1 ? p.z : 0;
    const int64_t row = tile.first + (local < tile.n ? local : 0), f_row = args.rows ? Global<const int32_t>(args.rows)[row] : row;
    set_column<Format>(from, args.x, d, f_row * args.x.f_stride + set * args.x.f_set, (row * args.x.n_sets + set) * n_terms, column % n_terms);
    float sums[kTileParts][4];
    tile_sums<Format>(sums, from, d, tile.n * n_terms, shared, p.index);

    const int lane = p.index % kLanes, first_o = block * kTileOutputs + 16 * (p.index / kLanes) + tile_row(lane, 0);
    const Global<float> out = to.out;
    CONCLAVE_UNROLL
    for (int side = 0; side < 2; ++side) {
      const int o = first_o + 8 * side;
      if (o >= d_out) continue;
      const float bias = to.bias ? Global<const float>(to.bias)[int64_t{tile.expert} * d_out + o] : 0.f;
      CONCLAVE_UNROLL
      for (int part = 0; part < kTileParts; ++part)
        CONCLAVE_UNROLL
        for (int e = 0; e < 2; ++e) {
          const int r = row_of_column(8 * part + tile_column(lane, e), n_terms);
          if (r >= tile.n || e >= 2 / n_terms) continue;
          float value = (tile_sum(sums[part], side, e, n_terms) + bias) * to.scale;
          if (args.softcap != 0.f) value = args.softcap * tanhf(value / args.softcap);
          if (args.row_weight) value *= Global<const float>(args.row_weight)[tile.first + r];
          const Global<float> at = out + ((tile.first + r) * to.stride + p.z * args.out_head + o);
          *at = to.accumulate ? *at + value : value;
        }
    }
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
