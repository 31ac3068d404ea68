// Products of many rows by matrix fragments: a block multiplies 128 weight rows with 64 columns (rows of activations, or
// their terms), step by step along d. In each step every thread decodes a piece of a weight row into shared memory, once
// for all columns, and fetches a piece of a column; then each warp takes 16 weight rows to all columns. Integer sums of 32
// (or 16) values become floats by the scales of both sides before they are added up, as in dot.h.
//
// Kernels bring where their rows and columns lie, and what becomes of the sums.
#pragma once
#include "ops/gpu/dot.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kTileOutputs = 128, kTileColumns = 64, kTileThreads = 256;
CONCLAVE_CONSTANT int kTileParts = kTileColumns / 8;   // tiles of sums that a warp has side by side
CONCLAVE_CONSTANT int kStepBytes = 64;                 // of a row in one step: 64 codes or 32 halves
CONCLAVE_CONSTANT int kStepStride = kStepBytes + 16;   // from row to row: eight rows' 16 bytes then lie in different banks

/// Shared memory of one step.
struct TileRoom {
  Shared<unsigned char> weights, columns;   // [kTileOutputs], [kTileColumns] rows of kStepStride
  Shared<float> scales, mins;               // [4][kTileOutputs]: of each 16 values, or of each 32 in the first two
  Shared<float> column_scales;              // [2][kTileColumns]
  Shared<float> column_sums;                // [4][kTileColumns]: scale * sum of codes, for formats with a min
};
CONCLAVE_CONSTANT int kTileSharedBytes = (kTileOutputs + kTileColumns) * kStepStride + (8 * kTileOutputs + 6 * kTileColumns) * 4;
static_assert(kTileSharedBytes <= 32 << 10, "Metal has no more");

CONCLAVE_DEVICE TileRoom tile_room(Shared<unsigned char> shared) {
  const Shared<unsigned char> columns = shared + kTileOutputs * kStepStride;
  const Shared<float> scales = as<float>(columns + kTileColumns * kStepStride), column_scales = scales + 8 * kTileOutputs;
  return {shared, columns, scales, scales + 4 * kTileOutputs, column_scales, column_scales + 2 * kTileColumns};
}

/// The weight row (index / 2) and the column (index / 4) that a thread fetches from.
struct TileSource {
  Global<const uint8_t> row;
  bool whole_words;             // of halves: the row begins at a multiple of 16 bytes
  Global<const int8_t> codes;   // the column's
  Global<const float> scales;
  Global<const float> f;
  int term;                     // of a column of halves: 0 the value, 1 what a half leaves out
};

/// Columns are rows in n_terms terms each; those beyond the last row are row 0's again, and nobody reads their sums.
CONCLAVE_DEVICE int row_of_column(int column, int n_terms) { return n_terms == 2 ? column / 2 : column; }

/// Terms that a row's columns come in: halves hold what a float has in two.
template <class Format>
CONCLAVE_DEVICE int column_terms(CONCLAVE_ARGS const Rows& x) { return kIsPlain<Format> ? 2 : x.n_terms; }

/// The source's column side: floats from f_at on, or term `term` of the codes' row.
template <class Format>
CONCLAVE_DEVICE void set_column(CONCLAVE_THREAD TileSource& from, CONCLAVE_ARGS const Rows& x, int d, int64_t f_at, int64_t code_row, int term) {
  from.term = term;
  if constexpr (kIsPlain<Format>) {
    from.f = Global<const float>(x.f) + f_at;
  } else {
    from.codes = Global<const int8_t>(x.codes) + (code_row + term) * d;
    from.scales = Global<const float>(x.scales) + (code_row + term) * (d / 32);
  }
}

/// sums[part][i]: value i of the tile of columns 8 * part to 8 * part + 7.
template <class Format, bool kPlain = kIsPlain<Format>>
struct TileStep;

/// Quantised weights: 64 values, two blocks of 32.
template <class Format>
struct TileStep<Format, false> {
  static CONCLAVE_CONSTANT int kValues = 64;
  static CONCLAVE_CONSTANT int kScales = 64 / Format::kScaled;

  /// What a thread holds of the next step while this one is multiplied.
  struct Carried {
    Unit unit;
    Words4 codes;
    float scale;
  };

  /// Q6_K's bytes hold values of blocks k and k + 2 of each 128, and a step takes two blocks so.
  static CONCLAVE_DEVICE int first_block(int step) { return Format::kApart == 1 ? 2 * step : step / 2 * 4 + step % 2; }

  static CONCLAVE_DEVICE void load(CONCLAVE_THREAD Carried& c, CONCLAVE_THREAD const TileSource& from, int d, int step, int index) {
    const int own = 2 * step + index % 2;
    if (own < d / 32) {
      Format::load(from.row, own, c.unit);
    } else {   // the last step of an odd number of blocks
      CONCLAVE_UNROLL
      for (int i = 0; i < 8; ++i) c.unit.codes[i] = 0;
      in_one_block(own, 0.f, c.unit);
      c.unit.min[0] = c.unit.min[1] = 0.f;
    }
    const int part = index % 4, block = first_block(step) + part / 2 * Format::kApart;
    const bool inside = block < d / 32;
    c.scale = inside ? from.scales[block] : 0.f;
    c.codes = load_as<Words4>(from.codes + ((inside ? block : 0) * 32 + part % 2 * 16));
  }

  static CONCLAVE_DEVICE void store(CONCLAVE_THREAD const Carried& c, CONCLAVE_THREAD const TileRoom& room, int step, int index) {
    const int row = index / 2;
    CONCLAVE_UNROLL
    for (int run = 0; run < 2; ++run) {
      const int at = (c.unit.at[run] / 32 - first_block(step)) / Format::kApart * 32 + c.unit.at[run] % 32;
      Words4 codes;
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) codes.w[i] = c.unit.codes[4 * run + i];
      store_as<Words4>(room.weights + (row * kStepStride + at), codes);
      if (at % Format::kScaled != 0) continue;
      room.scales[at / Format::kScaled * kTileOutputs + row] = c.unit.scale[run];
      if constexpr (Format::kHasMin) room.mins[at / Format::kScaled * kTileOutputs + row] = c.unit.min[run];
    }
    const int column = index / 4, part = index % 4;
    store_as<Words4>(room.columns + (column * kStepStride + part * 16), c.codes);
    if (part % 2 == 0) room.column_scales[part / 2 * kTileColumns + column] = c.scale;
    if constexpr (Format::kHasMin) {
      int sum = 0;
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) sum = dot4(0x01010101u, c.codes.w[i], sum);
      if (Format::kScaled == 32) sum += lane_xor(sum, 1);
      if (part * 16 % Format::kScaled == 0) room.column_sums[part * 16 / Format::kScaled * kTileColumns + column] = c.scale * static_cast<float>(sum);
    }
  }

  static CONCLAVE_DEVICE void add_products(CONCLAVE_THREAD float (&sums)[kTileParts][4], CONCLAVE_THREAD const TileRoom& room, int n_columns, int warp, int lane) {
    const int kEach = kScales / 2;   // scales in a block of 32
    const int row = 16 * warp + tile_row(lane, 0), column = tile_column(lane, 0);
    CONCLAVE_UNROLL
    for (int block = 0; block < 2; ++block) {
      Bytes16x32 weights;
      load_fragment(weights, room.weights + (16 * warp * kStepStride + 32 * block), kStepStride, lane);
      float scales[kEach][2], mins[kEach][2];
      CONCLAVE_UNROLL
      for (int s = 0; s < kEach; ++s)
        CONCLAVE_UNROLL
        for (int side = 0; side < 2; ++side) {
          scales[s][side] = room.scales[(block * kEach + s) * kTileOutputs + row + 8 * side];
          mins[s][side] = Format::kHasMin ? room.mins[(block * kEach + s) * kTileOutputs + row + 8 * side] : 0.f;
        }
      CONCLAVE_UNROLL
      for (int part = 0; part < kTileParts; ++part) {
        if (8 * part >= n_columns) continue;   // all of the block agree
        Bytes8x32 columns;
        load_fragment(columns, room.columns + (8 * part * kStepStride + 32 * block), kStepStride, lane);
        float column_scale[2];
        CONCLAVE_UNROLL
        for (int e = 0; e < 2; ++e) column_scale[e] = room.column_scales[block * kTileColumns + 8 * part + column + e];
        CONCLAVE_UNROLL
        for (int s = 0; s < kEach; ++s) {
          IntTile products;
          if (kEach == 2) multiply_half(products, weights, columns, s);
          else multiply(products, weights, columns);
          CONCLAVE_UNROLL
          for (int i = 0; i < 4; ++i) sums[part][i] = fmaf(tile_value(products, i) * scales[s][i / 2], column_scale[i % 2], sums[part][i]);
          if constexpr (Format::kHasMin) {
            CONCLAVE_UNROLL
            for (int i = 0; i < 4; ++i)
              sums[part][i] = fmaf(-mins[s][i / 2], room.column_sums[(block * kEach + s) * kTileColumns + 8 * part + column + i % 2], sums[part][i]);
          }
        }
      }
    }
  }
};

/// Plain weights as halves: 32 values, or 16 floats as what a half holds of them and what it leaves out. (bf16 loses digits below 2^-14,
/// which no sum of such weights shows.) A column is one of two such terms of a row. Floats are scaled so that the largest of each step is 2^14.
template <class Format>
struct TileStep<Format, true> {
  static CONCLAVE_CONSTANT bool kFloats = Format::kBytes == 4;
  static CONCLAVE_CONSTANT int kValues = kFloats ? 16 : 32, kEach = kValues / 4;   // of a column's, for a thread

  struct Carried {
    Words4 weights[2];   // a thread's eight values and their second terms, or its 16
    Words4 column;
    float row_scale, scale;
  };

  static CONCLAVE_DEVICE void load(CONCLAVE_THREAD Carried& c, CONCLAVE_THREAD const TileSource& from, int d, int step, int index) {
    if constexpr (kFloats) load_floats(c, from.row, d, step * kValues + index % 2 * 8);
    else load_halves(c, from, d, step * kValues + index % 2 * 16);
    const int begin = step * kValues + index % 4 * kEach;
    float x[kEach], largest = 0.f;
    CONCLAVE_UNROLL
    for (int i = 0; i < kEach; ++i) {
      x[i] = begin + i < d ? from.f[begin + i] : 0.f;
      largest = fmaxf(largest, fabsf(x[i]));
    }
    largest = fmaxf(largest, lane_xor(largest, 1));
    largest = fmaxf(largest, lane_xor(largest, 2));
    const float inverse = largest > 0.f ? 16384.f / largest : 0.f;
    c.scale = largest / 16384.f;
    CONCLAVE_UNROLL
    for (int i = 0; i < kEach / 2; ++i) c.column.w[i] = two_terms(x[2 * i] * inverse, x[2 * i + 1] * inverse, from.term);
  }

  static CONCLAVE_DEVICE void store(CONCLAVE_THREAD const Carried& c, CONCLAVE_THREAD const TileRoom& room, int, int index) {
    const Shared<unsigned char> row = room.weights + (index / 2 * kStepStride + index % 2 * (kFloats ? 16 : 32));
    store_as<Words4>(row, c.weights[0]);
    store_as<Words4>(row + (kFloats ? 32 : 16), c.weights[1]);
    const Shared<uint32_t> column = as<uint32_t>(room.columns + (index / 4 * kStepStride + index % 4 * kEach * 2));
    CONCLAVE_UNROLL
    for (int i = 0; i < kEach / 2; ++i) column[i] = c.column.w[i];
    if (index % 4 == 0) room.column_scales[index / 4] = c.scale;
    if (kFloats && index % 2 == 0) room.scales[index / 2] = c.row_scale;
  }

  static CONCLAVE_DEVICE void add_products(CONCLAVE_THREAD float (&sums)[kTileParts][4], CONCLAVE_THREAD const TileRoom& room, int n_columns, int warp, int lane) {
    Halves16x16 weights[2];
    CONCLAVE_UNROLL
    for (int k = 0; k < 2; ++k) load_fragment(weights[k], room.weights + (16 * warp * kStepStride + 32 * k), kStepStride, lane);
    float scales[2];
    CONCLAVE_UNROLL
    for (int side = 0; side < 2; ++side) scales[side] = kFloats ? room.scales[16 * warp + tile_row(lane, 2 * side)] : 1.f;
    CONCLAVE_UNROLL
    for (int part = 0; part < kTileParts; ++part) {
      if (8 * part >= n_columns) continue;
      FloatTile products;
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) products.v[i] = 0.f;
      CONCLAVE_UNROLL
      for (int k = 0; k < 2; ++k) {
        Halves8x16 columns;
        load_fragment(columns, room.columns + (8 * part * kStepStride + (kFloats ? 0 : 32 * k)), kStepStride, lane);
        multiply_add(products, weights[k], columns);
      }
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) sums[part][i] = fmaf(products.v[i] * scales[i / 2], room.column_scales[8 * part + tile_column(lane, i)], sums[part][i]);
    }
  }

 private:
  static CONCLAVE_DEVICE void load_halves(CONCLAVE_THREAD Carried& c, CONCLAVE_THREAD const TileSource& from, int d, int first) {
    CONCLAVE_UNROLL
    for (int run = 0; run < 2; ++run) {
      const int at = first + 8 * run;
      if (from.whole_words && at + 8 <= d) {
        c.weights[run] = load_as<Words4>(from.row + int64_t{2} * at);
      } else {
        CONCLAVE_UNROLL
        for (int i = 0; i < 4; ++i) {
          const uint32_t low = at + 2 * i < d ? load_as<uint16_t>(from.row + int64_t{2} * (at + 2 * i)) : 0u;
          const uint32_t high = at + 2 * i + 1 < d ? load_as<uint16_t>(from.row + int64_t{2} * (at + 2 * i + 1)) : 0u;
          c.weights[run].w[i] = low | high << 16;
        }
      }
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) c.weights[run].w[i] = Format::two_halves(c.weights[run].w[i]);
    }
  }

  static CONCLAVE_DEVICE void load_floats(CONCLAVE_THREAD Carried& c, Global<const uint8_t> row, int d, int first) {
    float w[8], largest = 0.f;
    CONCLAVE_UNROLL
    for (int i = 0; i < 8; ++i) {
      w[i] = first + i < d ? Format::value(row + int64_t{4} * (first + i)) : 0.f;
      largest = fmaxf(largest, fabsf(w[i]));
    }
    largest = fmaxf(largest, lane_xor(largest, 1));
    const float inverse = largest > 0.f ? 16384.f / largest : 0.f;
    c.row_scale = largest / 16384.f;
    CONCLAVE_UNROLL
    for (int term = 0; term < 2; ++term)
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) c.weights[term].w[i] = two_terms(w[2 * i] * inverse, w[2 * i + 1] * inverse, term);
  }

  /// Two values as halves, or what halves leave out of them.
  static CONCLAVE_DEVICE uint32_t two_terms(float low, float high, int term) {
    uint32_t first = f16_bits(low), second = f16_bits(high);
    if (term == 1) {
      first = f16_bits(low - f16_value(static_cast<uint16_t>(first)));
      second = f16_bits(high - f16_value(static_cast<uint16_t>(second)));
    }
    return first | second << 16;
  }
};

/// All steps. Called by the whole block; shared memory is free again on return.
template <class Format>
CONCLAVE_DEVICE void tile_sums(CONCLAVE_THREAD float (&sums)[kTileParts][4], CONCLAVE_THREAD const TileSource& from, int d, int n_columns, Shared<unsigned char> shared, int index) {
  using Step = TileStep<Format>;
  const TileRoom room = tile_room(shared);
  CONCLAVE_UNROLL
  for (int part = 0; part < kTileParts; ++part)
    CONCLAVE_UNROLL
    for (int i = 0; i < 4; ++i) sums[part][i] = 0.f;
  typename Step::Carried next;
  Step::load(next, from, d, 0, index);
  const int n_steps = (d + Step::kValues - 1) / Step::kValues;
  for (int step = 0; step < n_steps; ++step) {
    Step::store(next, room, step, index);
    block_barrier();
    if (step + 1 < n_steps) Step::load(next, from, d, step + 1, index);
    Step::add_products(sums, room, n_columns, index / kLanes, index % kLanes);
    block_barrier();
  }
}

/// The sum for column `e` (0, 1) of a lane's two and row `side` of its two; with two terms both columns are one row's, and e is 0.
CONCLAVE_DEVICE float tile_sum(CONCLAVE_THREAD const float (&sums)[4], int side, int e, int n_terms) {
  return n_terms == 2 ? sums[2 * side] + sums[2 * side + 1] : sums[2 * side + e];
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT
