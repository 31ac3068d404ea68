// Matrix fragments for Metal, of matrices of 8 x 8 halves with sums of floats, which is what simdgroups multiply; see
// ops/gpu_host/fragments.h for what each word means. Bytes become halves, which hold them exactly, and their sums are whole
// floats. Part of the words of simt.h, which brings multiply_8x8 and includes this; compiled for the host too.
#pragma once

namespace conclave::gpu::CONCLAVE_DIALECT {

// A lane holds two neighbours of each matrix of 8 x 8: row matrix_row(lane), columns from matrix_column(lane) on. Apple
// documents no layout; this is the one that programs for its devices have long built upon.
CONCLAVE_DEVICE int matrix_row(int lane) { return lane / 16 * 4 + lane / 2 % 4; }
CONCLAVE_DEVICE int matrix_column(int lane) { return lane / 8 % 2 * 4 + lane % 2 * 2; }

struct Bytes16x32 { uint32_t part[4]; };    // [k / 8]: two bytes of the upper matrix, two of the lower
struct Bytes8x32 { uint32_t part[2]; };     // [k / 16]: two bytes of each of two matrices
struct Halves16x16 { uint32_t part[4]; };   // [k / 8][upper, lower]
struct Halves8x16 { uint32_t part[2]; };    // [k / 8]

struct IntTile { float v[4]; };
struct FloatTile { float v[4]; };

CONCLAVE_CONSTANT int kSameRowNear = 1, kSameRowFar = 8;
CONCLAVE_DEVICE int tile_row(int lane, int i) { return matrix_row(lane) + 8 * (i / 2); }
CONCLAVE_DEVICE int tile_column(int lane, int i) { return matrix_column(lane) + i % 2; }
CONCLAVE_DEVICE float tile_value(CONCLAVE_THREAD const IntTile& tile, int i) { return tile.v[i]; }

CONCLAVE_DEVICE uint32_t two_halves(float low, float high) { return static_cast<uint32_t>(f16_bits(low)) | static_cast<uint32_t>(f16_bits(high)) << 16; }
CONCLAVE_DEVICE uint32_t halves_of_bytes(uint32_t two) { return two_halves(static_cast<float>(signed_byte(two, 0)), static_cast<float>(signed_byte(two, 1))); }

CONCLAVE_DEVICE void load_fragment(CONCLAVE_THREAD Bytes16x32& to, Shared<const unsigned char> from, int row_bytes, int lane) {
  const Shared<const unsigned char> upper = from + (matrix_row(lane) * row_bytes + matrix_column(lane)), lower = upper + 8 * row_bytes;
  CONCLAVE_UNROLL
  for (int k = 0; k < 4; ++k) to.part[k] = load_as<uint16_t>(upper + 8 * k) | static_cast<uint32_t>(load_as<uint16_t>(lower + 8 * k)) << 16;
}
CONCLAVE_DEVICE void load_fragment(CONCLAVE_THREAD Bytes8x32& to, Shared<const unsigned char> from, int row_bytes, int lane) {
  const Shared<const unsigned char> first = from + (matrix_column(lane) * row_bytes + matrix_row(lane)), second = first + row_bytes;
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) {
    const uint32_t low = first[16 * k] | static_cast<uint32_t>(second[16 * k]) << 8, high = first[16 * k + 8] | static_cast<uint32_t>(second[16 * k + 8]) << 8;
    to.part[k] = low | high << 16;
  }
}
CONCLAVE_DEVICE void load_fragment(CONCLAVE_THREAD Halves16x16& to, Shared<const unsigned char> from, int row_bytes, int lane) {
  const Shared<const unsigned char> upper = from + (matrix_row(lane) * row_bytes + 2 * matrix_column(lane)), lower = upper + 8 * row_bytes;
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) {
    to.part[2 * k] = load_as<uint32_t>(upper + 16 * k);
    to.part[2 * k + 1] = load_as<uint32_t>(lower + 16 * k);
  }
}
CONCLAVE_DEVICE void load_fragment(CONCLAVE_THREAD Halves8x16& to, Shared<const unsigned char> from, int row_bytes, int lane) {
  const Shared<const unsigned char> first = from + (matrix_column(lane) * row_bytes + 2 * matrix_row(lane)), second = first + row_bytes;
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) to.part[k] = load_as<uint16_t>(first + 16 * k) | static_cast<uint32_t>(load_as<uint16_t>(second + 16 * k)) << 16;
}
CONCLAVE_DEVICE void load_transposed(CONCLAVE_THREAD Halves8x16& to, Shared<const unsigned char> from, int row_bytes, int lane) {
  const Shared<const unsigned char> row = from + (matrix_row(lane) * row_bytes + 2 * matrix_column(lane));
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) to.part[k] = load_as<uint32_t>(row + 8 * k * row_bytes);
}

CONCLAVE_DEVICE void multiply_add(CONCLAVE_THREAD IntTile& tile, CONCLAVE_THREAD const Bytes16x32& left, CONCLAVE_THREAD const Bytes8x32& right) {
  CONCLAVE_UNROLL
  for (int k = 0; k < 4; ++k) {
    const uint32_t columns = halves_of_bytes(right.part[k / 2] >> 16 * (k % 2));
    multiply_8x8(tile.v[0], tile.v[1], halves_of_bytes(left.part[k]), columns);
    multiply_8x8(tile.v[2], tile.v[3], halves_of_bytes(left.part[k] >> 16), columns);
  }
}
CONCLAVE_DEVICE void multiply(CONCLAVE_THREAD IntTile& tile, CONCLAVE_THREAD const Bytes16x32& left, CONCLAVE_THREAD const Bytes8x32& right) {
  tile.v[0] = tile.v[1] = tile.v[2] = tile.v[3] = 0.f;
  multiply_add(tile, left, right);
}
CONCLAVE_DEVICE void multiply_half(CONCLAVE_THREAD IntTile& tile, CONCLAVE_THREAD const Bytes16x32& left, CONCLAVE_THREAD const Bytes8x32& right, int which) {
  tile.v[0] = tile.v[1] = tile.v[2] = tile.v[3] = 0.f;
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) {
    const uint32_t columns = halves_of_bytes(right.part[which] >> 16 * k), rows = left.part[2 * which + k];
    multiply_8x8(tile.v[0], tile.v[1], halves_of_bytes(rows), columns);
    multiply_8x8(tile.v[2], tile.v[3], halves_of_bytes(rows >> 16), columns);
  }
}
CONCLAVE_DEVICE void multiply_add(CONCLAVE_THREAD FloatTile& tile, CONCLAVE_THREAD const Halves16x16& left, CONCLAVE_THREAD const Halves8x16& right) {
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) {
    multiply_8x8(tile.v[0], tile.v[1], left.part[2 * k], right.part[k]);
    multiply_8x8(tile.v[2], tile.v[3], left.part[2 * k + 1], right.part[k]);
  }
}

/// No lane needs another's values: a tile of sums and half a left side lie alike.
CONCLAVE_DEVICE void halves_of(CONCLAVE_THREAD const FloatTile& first, CONCLAVE_THREAD const FloatTile& second, CONCLAVE_THREAD Halves16x16& to) {
  to.part[0] = two_halves(first.v[0], first.v[1]);
  to.part[1] = two_halves(first.v[2], first.v[3]);
  to.part[2] = two_halves(second.v[0], second.v[1]);
  to.part[3] = two_halves(second.v[2], second.v[3]);
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT
