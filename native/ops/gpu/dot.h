// Products of one weight row with a few rows of activations: the inner loop of every matrix kernel. Sixteen lanes share a
// weight row, each decodes 32 values at a time once for all rows, and the sums are folded in one fixed order: a result's
// bits depend neither on the other rows of a tile nor on the kernel that asked.
#pragma once
#include "ops/gpu/blocks.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kRowLanes = 16;   // a row of 768 quantised values is two units for half of them; of 2048, four for each
CONCLAVE_CONSTANT int kTile = 4;        // rows of activations that meet a decoded unit

/// Rows with checked pointers, and where the tile's rows begin in them.
struct TileRows {
  Global<const float> f;
  Global<const int8_t> codes;
  Global<const float> scales;
  int n_terms;
  int64_t at[kTile];   // of floats: the element; of codes: the row
};

CONCLAVE_DEVICE TileRows tile_rows(CONCLAVE_ARGS const Rows& x) { return {x.f, x.codes, x.scales, x.n_terms, {0, 0, 0, 0}}; }

CONCLAVE_DEVICE float row_sum(float value) {
  CONCLAVE_UNROLL
  for (int mask = kRowLanes / 2; mask > 0; mask /= 2) value += lane_xor(value, mask);
  return value;
}

/// One unit against one term of a row: `sum` grows.
template <class Format>
CONCLAVE_DEVICE void dot_unit(CONCLAVE_THREAD const Unit& unit, CONCLAVE_THREAD const TileRows& x, int64_t term_row, int d, CONCLAVE_THREAD float& sum) {
  CONCLAVE_UNROLL
  for (int run = 0; run < 2; ++run) {
    const Words4 codes = load_as<Words4>(as<const uint8_t>(x.codes) + (term_row * d + unit.at[run]));
    const float scale = x.scales[term_row * (d / 32) + unit.at[run] / 32];
    int products = 0, values = 0;
    CONCLAVE_UNROLL
    for (int i = 0; i < 4; ++i) {
      products = dot4(unit.codes[4 * run + i], codes.w[i], products);
      if (Format::kHasMin) values = dot4(0x01010101u, codes.w[i], values);
    }
    sum = fmaf(unit.scale[run] * scale, static_cast<float>(products), sum);
    if (Format::kHasMin) sum = fmaf(-unit.min[run] * scale, static_cast<float>(values), sum);
  }
}

/// out[t] = row . x[t] for t < n (at least 1), the same in a row's lanes; called by whole warps. `lane` counts to kRowLanes.
template <class Format>
CONCLAVE_DEVICE void dot_rows(Global<const uint8_t> row, int d, CONCLAVE_THREAD const TileRows& x, int n, int lane, CONCLAVE_THREAD float (&out)[kTile]) {
  CONCLAVE_UNROLL
  for (int t = 0; t < kTile; ++t) out[t] = 0.f;
  if constexpr (kIsPlain<Format>) {
    for (int first = 4 * lane; first < d; first += 4 * kRowLanes) {
      float w[4];
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) w[i] = first + i < d ? Format::value(row + int64_t{first + i} * Format::kBytes) : 0.f;
      CONCLAVE_UNROLL
      for (int t = 0; t < kTile; ++t)
        if (t < n) {
          CONCLAVE_UNROLL
          for (int i = 0; i < 4; ++i)
            if (first + i < d) out[t] = fmaf(w[i], x.f[x.at[t] + first + i], out[t]);
        }
    }
  } else {
    const int n_units = d / 32;
    for (int index = lane; index < n_units; index += 2 * kRowLanes) {
      // Two are asked for before either is waited for; where there is no second, the first again.
      const bool both = index + kRowLanes < n_units;
      Unit units[2];
      Format::load(row, index, units[0]);
      Format::load(row, both ? index + kRowLanes : index, units[1]);
      CONCLAVE_UNROLL
      for (int t = 0; t < kTile; ++t) {
        if (t > 0 && t >= n) continue;
        CONCLAVE_UNROLL
        for (int u = 0; u < 2; ++u) {
          if (u == 1 && !both) continue;
          dot_unit<Format>(units[u], x, x.at[t] * x.n_terms, d, out[t]);
          if (x.n_terms == 2) dot_unit<Format>(units[u], x, x.at[t] * 2 + 1, d, out[t]);
        }
      }
    }
  }
  CONCLAVE_UNROLL
  for (int t = 0; t < kTile; ++t)
    if (t == 0 || t < n) out[t] = row_sum(out[t]);
}

CONCLAVE_DEVICE Global<const uint8_t> weight_row(CONCLAVE_ARGS const Matrix& m, Global<const uint8_t> data, int expert, int row) { return data + (expert * m.expert_bytes + row * m.row_bytes); }

/// Writes the code of one value of a block of 32, one a lane, and returns what it leaves out.
CONCLAVE_DEVICE float quantize_value(float x, int lane, Global<int8_t> code, Global<float> scale) {
  const float largest = warp_max(fabsf(x)), inverse = largest > 0.f ? 127.f / largest : 0.f, step = largest / 127.f;
  const float q = rintf(x * inverse);
  *code = static_cast<int8_t>(q);
  if (lane == 0) *scale = step;
  return x - q * step;
}

/// Each warp one block of 32 of a row.
struct Quantize {
  using Args = QuantizeArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int lane = p.index % kLanes, block = p.x * (kThreads / kLanes) + p.index / kLanes;
    if (block >= args.d / 32) return;
    const Global<const float> x = args.x;
    const Global<int8_t> codes = args.codes;
    const Global<float> scales = args.scales;
    const int64_t from = args.rows ? Global<const int32_t>(args.rows)[p.y] : p.y;
    float value = x[from * args.stride + p.z * args.set_stride + block * 32 + lane];
    for (int term = 0; term < args.n_terms; ++term) {
      const int64_t row = (int64_t{p.y} * args.n_sets + p.z) * args.n_terms + term;
      value = quantize_value(value, lane, codes + (row * args.d + block * 32 + lane), scales + (row * (args.d / 32) + block));
    }
  }
};

/// Output `which` of a launch.
CONCLAVE_DEVICE CONCLAVE_ARGS const ProductOutput& output_at(CONCLAVE_ARGS const ProductOutputs& outputs, int which) {
  if (which < 2) return which == 0 ? outputs.first : outputs.second;
  return which == 2 ? outputs.third : outputs.fourth;
}
/// Which of them block `block` is of; `block` becomes its number there.
CONCLAVE_DEVICE int output_of(CONCLAVE_ARGS const ProductOutputs& outputs, CONCLAVE_THREAD int& block) {
  int which = 0;
  while (which + 1 < outputs.n && block >= output_at(outputs, which).n_blocks) {
    block -= output_at(outputs, which).n_blocks;
    ++which;
  }
  return which;
}

/// Eight weight rows a block.
template <class Format>
struct Product {
  using Args = ProductArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_CONSTANT int kOutputs = kThreads / kRowLanes, kRowsABlock = 16;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    int block = p.x;
    CONCLAVE_ARGS const ProductOutput& to = output_at(args.outputs, output_of(args.outputs, block));
    const int lane = p.index % kRowLanes, o = block * kOutputs + p.index / kRowLanes, d = to.weight.d_in;
    const bool inside = o < to.weight.d_out;
    const Global<const uint8_t> row = weight_row(to.weight, to.weight.data, p.z, inside ? o : 0);
    const Global<const int32_t> rows = args.rows;
    const Global<float> out = to.out;
    const float bias = to.bias && inside ? Global<const float>(to.bias)[o] : 0.f;
    const int set = args.x.n_sets > 1 ? p.z : 0, first = p.y * kRowsABlock;
    TileRows x = tile_rows(args.x);
    for (int t = first; t < args.n && t < first + kRowsABlock; t += kTile) {
      const int n = args.n - t < kTile ? args.n - t : kTile;
      CONCLAVE_UNROLL
      for (int i = 0; i < kTile; ++i) {
        if (i >= n) continue;
        const int64_t from = kIsPlain<Format> && rows ? rows[t + i] : t + i;
        x.at[i] = kIsPlain<Format> ? from * args.x.f_stride + set * args.x.f_set : from * args.x.n_sets + set;
      }
      float sums[kTile];
      dot_rows<Format>(row, d, x, n, lane, sums);
      CONCLAVE_UNROLL
      for (int i = 0; i < kTile; ++i) {
        if (i >= n || i != lane || !inside) continue;
        float value = (sums[i] + bias) * to.scale;
        if (args.softcap != 0.f) value = args.softcap * tanhf(value / args.softcap);
        const Global<float> at = out + ((t + i) * to.stride + p.z * args.out_head + o);
        *at = to.accumulate ? *at + value : value;
      }
    }
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
