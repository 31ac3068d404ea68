// Matrix fragments on the host: what a warp's 32 lanes hold together, each lane its part, with every load checked and every
// word waited for by all lanes. Part of the words of simt.h, which includes this.
//
// A fragment is opaque but for its tiles of sums: a lane sees four values of a 16 x 8 tile, value i at (tile_row(lane, i),
// tile_column(lane, i)). The row depends on i / 2 only and the column on i % 2 only; which lane has which differs from device
// to device (here it is not CUDA's, so that a kernel that assumes one is found out). The four lanes that share a row differ
// in the bits kSameRowNear and kSameRowFar of their numbers.
#pragma once
#include <array>

#include "ops/gpu_host/block.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

// Left and right sides of a product; the right side is held by its columns, so that both run along k.
struct Bytes16x32 { std::array<uint32_t, 4> part; };    // row lane / 2, 16 bytes
struct Bytes8x32 { std::array<uint32_t, 2> part; };     // row lane / 4, 8 bytes
struct Halves16x16 { std::array<float, 8> part; };      // row lane / 2, 8 values
struct Halves8x16 { std::array<float, 4> part; };       // row lane / 4, 4 values

struct IntTile { int v[4]; };      // read by tile_value
struct FloatTile { float v[4]; };

inline constexpr int kSameRowNear = 1, kSameRowFar = 8;
inline int tile_row(int lane, int i) { return lane / 16 * 4 + lane / 2 % 4 + 8 * (i / 2); }
inline int tile_column(int lane, int i) { return lane / 8 % 2 * 4 + lane % 2 * 2 + i % 2; }
/// The sum so far; whole numbers below 2^22 are exact.
inline float tile_value(const IntTile& tile, int i) { return static_cast<float>(tile.v[i]); }

/// This lane's `n` bytes of a row; all rows of a fragment are 32 bytes, at multiples of 16.
template <class T>
inline void load_part(T* to, gpu_host::Checked<const unsigned char> from, int row_bytes, int row, int at, gpu_host::Site site) {
  const gpu_host::Checked<const unsigned char> begin = from + int64_t{row} * row_bytes;
  begin.check_holds<Words4>();
  (begin + 16).check_holds<Words4>();
  std::memcpy(to, (begin + at).raw(), sizeof(T));
  gpu_host::gather(nullptr, 0, site);
}

template <size_t n>
inline void widen(std::array<float, n>& to, const std::array<uint16_t, n>& from) {
  for (size_t i = 0; i < n; ++i) to[i] = f16_to_f32(from[i]);
}

// Whole warps come to all of the following. `from`: the first of the rows, row_bytes apart.
inline void load_fragment(Bytes16x32& to, Shared<const unsigned char> from, int row_bytes, int lane, gpu_host::Site site = gpu_host::Site::current()) {
  load_part(&to.part, from, row_bytes, lane / 2, lane % 2 * 16, site);
}
inline void load_fragment(Bytes8x32& to, Shared<const unsigned char> from, int row_bytes, int lane, gpu_host::Site site = gpu_host::Site::current()) {
  load_part(&to.part, from, row_bytes, lane / 4, lane % 4 * 8, site);
}
inline void load_fragment(Halves16x16& to, Shared<const unsigned char> from, int row_bytes, int lane, gpu_host::Site site = gpu_host::Site::current()) {
  std::array<uint16_t, 8> halves;
  load_part(&halves, from, row_bytes, lane / 2, lane % 2 * 16, site);
  widen(to.part, halves);
}
inline void load_fragment(Halves8x16& to, Shared<const unsigned char> from, int row_bytes, int lane, gpu_host::Site site = gpu_host::Site::current()) {
  std::array<uint16_t, 4> halves;
  load_part(&halves, from, row_bytes, lane / 4, lane % 4 * 8, site);
  widen(to.part, halves);
}
/// The right side from rows that run across k: 16 rows of 8 halves, row k giving value k of each column.
inline void load_transposed(Halves8x16& to, Shared<const unsigned char> from, int row_bytes, int lane, gpu_host::Site site = gpu_host::Site::current()) {
  for (int i = 0; i < 4; ++i) {
    const Shared<const unsigned char> row = from + int64_t{lane % 4 * 4 + i} * row_bytes;
    row.check_holds<Words4>();
    to.part[static_cast<size_t>(i)] = f16_to_f32(row.as<const uint16_t>()[lane / 4]);
  }
  gpu_host::gather(nullptr, 0, site);
}

/// tile[r][c] += left row r . right row c.
inline void multiply_add(IntTile& tile, const Bytes16x32& left, const Bytes8x32& right, gpu_host::Site site = gpu_host::Site::current()) {
  const std::array<uint32_t, 6> own{left.part[0], left.part[1], left.part[2], left.part[3], right.part[0], right.part[1]};
  const gpu_host::LaneWords* all = gpu_host::gather(own.data(), own.size(), site);
  const int lane = gpu_host::thread_now() % gpu_host::kWarp;
  for (int i = 0; i < 4; ++i)
    for (int word = 0; word < 8; ++word) {
      const uint32_t a = all[tile_row(lane, i) * 2 + word / 4][static_cast<size_t>(word % 4)], b = all[tile_column(lane, i) * 4 + word / 2][static_cast<size_t>(4 + word % 2)];
      tile.v[i] = dot4(a, b, tile.v[i]);
    }
}
/// The same from nothing: tile[r][c] = left row r . right row c.
inline void multiply(IntTile& tile, const Bytes16x32& left, const Bytes8x32& right, gpu_host::Site site = gpu_host::Site::current()) {
  tile = {};
  multiply_add(tile, left, right, site);
}
/// Of values 16 * half to 16 * half + 15 only, from nothing: for blocks whose scales are that narrow.
inline void multiply_half(IntTile& tile, const Bytes16x32& left, const Bytes8x32& right, int half, gpu_host::Site site = gpu_host::Site::current()) {
  const int lane = gpu_host::thread_now() % gpu_host::kWarp;   // each part of a left row is one half
  Bytes16x32 own = left;
  if (lane % 2 != half) own.part = {};
  multiply(tile, own, right, site);
}
/// Halves, summed as floats.
inline void multiply_add(FloatTile& tile, const Halves16x16& left, const Halves8x16& right, gpu_host::Site site = gpu_host::Site::current()) {
  std::array<uint32_t, 12> own;
  std::memcpy(own.data(), left.part.data(), 32);
  std::memcpy(own.data() + 8, right.part.data(), 16);
  const gpu_host::LaneWords* all = gpu_host::gather(own.data(), own.size(), site);
  const int lane = gpu_host::thread_now() % gpu_host::kWarp;
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < 16; ++k) {
      const uint32_t a = all[tile_row(lane, i) * 2 + k / 8][static_cast<size_t>(k % 8)], b = all[tile_column(lane, i) * 4 + k / 4][static_cast<size_t>(8 + k % 4)];
      tile.v[i] += std::bit_cast<float>(a) * std::bit_cast<float>(b);
    }
}

/// Two tiles side by side, rounded to halves, as the left side of the next product.
inline void halves_of(const FloatTile& first, const FloatTile& second, Halves16x16& to, gpu_host::Site site = gpu_host::Site::current()) {
  std::array<uint32_t, 8> own;
  std::memcpy(own.data(), first.v, 16);
  std::memcpy(own.data() + 4, second.v, 16);
  const gpu_host::LaneWords* all = gpu_host::gather(own.data(), own.size(), site);
  const int lane = gpu_host::thread_now() % gpu_host::kWarp;
  for (int from = 0; from < gpu_host::kWarp; ++from)
    for (int i = 0; i < 4; ++i)   // lane / 2 is the row, lane % 2 the tile: a part is one row of one tile
      if (tile_row(from, i) == lane / 2) {
        const float value = std::bit_cast<float>(all[from][static_cast<size_t>(lane % 2 * 4 + i)]);
        to.part[static_cast<size_t>(tile_column(from, i))] = f16_to_f32(f32_to_f16(value));
      }
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT
