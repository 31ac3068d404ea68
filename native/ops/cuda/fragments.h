// Matrix fragments in CUDA: mma.sync, with the layouts of the PTX manual; see ops/gpu_host/fragments.h for what each word
// means. Turing (sm_75) has the same products in smaller pieces. Part of the words of simt.h, which includes this.
#pragma once

namespace conclave::gpu::CONCLAVE_DIALECT {

struct Bytes16x32 { uint32_t part[4]; };
struct Bytes8x32 { uint32_t part[2]; };
struct Halves16x16 { uint32_t part[4]; };
struct Halves8x16 { uint32_t part[2]; };

/// The bits of 1.5 * 2^23 + the sum, as a float: turning it into one is a subtraction, at four times the rate of a conversion.
struct IntTile { int v[4]; };
struct FloatTile { float v[4]; };

constexpr int kTileBias = 0x4b400000;
constexpr int kSameRowNear = 1, kSameRowFar = 2;
CONCLAVE_DEVICE int tile_row(int lane, int i) { return lane / 4 + 8 * (i / 2); }
CONCLAVE_DEVICE int tile_column(int lane, int i) { return lane % 4 * 2 + i % 2; }
CONCLAVE_DEVICE float tile_value(const IntTile& tile, int i) { return __int_as_float(tile.v[i]) - 12582912.f; }

namespace ptx {

CONCLAVE_DEVICE uint32_t shared_address(const unsigned char* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

/// 16 rows of 32 bytes as four matrices of 8 x 16: upper and lower rows of the first half, then of the second.
CONCLAVE_DEVICE void load_16_rows(uint32_t (&to)[4], const unsigned char* from, int row_bytes, int lane) {
  const uint32_t at = shared_address(from + (lane % 16) * row_bytes + lane / 16 * 16);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at) : "memory");
}
CONCLAVE_DEVICE void load_8_rows(uint32_t (&to)[2], const unsigned char* from, int row_bytes, int lane) {
  const uint32_t at = shared_address(from + (lane % 8) * row_bytes + lane / 8 % 2 * 16);
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(to[0]), "=r"(to[1]) : "r"(at) : "memory");
}

/// d = a * b + c
CONCLAVE_DEVICE void mma(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], int c0, int c1, int c2, int c3) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
      : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(c0), "r"(c1), "r"(c2), "r"(c3));
#else
  int c[4] = {c0, c1, c2, c3};
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) {
    CONCLAVE_UNROLL
    for (int half = 0; half < 2; ++half) {
      asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%4, %5};"
          : "=r"(d[2 * half]), "=r"(d[2 * half + 1])
          : "r"(a[2 * k + half]), "r"(b[k]), "r"(c[2 * half]), "r"(c[2 * half + 1]));
      c[2 * half] = d[2 * half];
      c[2 * half + 1] = d[2 * half + 1];
    }
  }
#endif
}

/// The same of 16 values: words k and k + 1 of a left side, one of a right one.
CONCLAVE_DEVICE void mma_half(int (&d)[4], uint32_t upper, uint32_t lower, uint32_t b, int c) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %7, %7, %7};"
      : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
      : "r"(upper), "r"(lower), "r"(b), "r"(c));
#else
  asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%4, %4};" : "=r"(d[0]), "=r"(d[1]) : "r"(upper), "r"(b), "r"(c));
  asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%4, %4};" : "=r"(d[2]), "=r"(d[3]) : "r"(lower), "r"(b), "r"(c));
#endif
}

CONCLAVE_DEVICE uint32_t two_halves(float low, float high) { return static_cast<uint32_t>(f16_bits(low)) | static_cast<uint32_t>(f16_bits(high)) << 16; }

}  // namespace ptx

CONCLAVE_DEVICE void load_fragment(Bytes16x32& to, const unsigned char* from, int row_bytes, int lane) { ptx::load_16_rows(to.part, from, row_bytes, lane); }
CONCLAVE_DEVICE void load_fragment(Bytes8x32& to, const unsigned char* from, int row_bytes, int lane) { ptx::load_8_rows(to.part, from, row_bytes, lane); }
CONCLAVE_DEVICE void load_fragment(Halves16x16& to, const unsigned char* from, int row_bytes, int lane) { ptx::load_16_rows(to.part, from, row_bytes, lane); }
CONCLAVE_DEVICE void load_fragment(Halves8x16& to, const unsigned char* from, int row_bytes, int lane) { ptx::load_8_rows(to.part, from, row_bytes, lane); }
CONCLAVE_DEVICE void load_transposed(Halves8x16& to, const unsigned char* from, int row_bytes, int lane) {
  const uint32_t at = ptx::shared_address(from + (lane % 16) * row_bytes);
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(to.part[0]), "=r"(to.part[1]) : "r"(at) : "memory");
}

CONCLAVE_DEVICE void multiply_add(IntTile& tile, const Bytes16x32& left, const Bytes8x32& right) {
  ptx::mma(tile.v, left.part, right.part, tile.v[0], tile.v[1], tile.v[2], tile.v[3]);
}
CONCLAVE_DEVICE void multiply(IntTile& tile, const Bytes16x32& left, const Bytes8x32& right) {
  ptx::mma(tile.v, left.part, right.part, kTileBias, kTileBias, kTileBias, kTileBias);
}
CONCLAVE_DEVICE void multiply_half(IntTile& tile, const Bytes16x32& left, const Bytes8x32& right, int half) {
  ptx::mma_half(tile.v, left.part[2 * half], left.part[2 * half + 1], right.part[half], kTileBias);
}
CONCLAVE_DEVICE void multiply_add(FloatTile& tile, const Halves16x16& left, const Halves8x16& right) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(tile.v[0]), "+f"(tile.v[1]), "+f"(tile.v[2]), "+f"(tile.v[3])
      : "r"(left.part[0]), "r"(left.part[1]), "r"(left.part[2]), "r"(left.part[3]), "r"(right.part[0]), "r"(right.part[1]));
#else
  CONCLAVE_UNROLL
  for (int k = 0; k < 2; ++k) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(tile.v[0]), "+f"(tile.v[1]), "+f"(tile.v[2]), "+f"(tile.v[3])
        : "r"(left.part[2 * k]), "r"(left.part[2 * k + 1]), "r"(right.part[k]));
  }
#endif
}

/// No lane needs another's values: a tile of sums and half a left side lie alike.
CONCLAVE_DEVICE void halves_of(const FloatTile& first, const FloatTile& second, Halves16x16& to) {
  to.part[0] = ptx::two_halves(first.v[0], first.v[1]);
  to.part[1] = ptx::two_halves(first.v[2], first.v[3]);
  to.part[2] = ptx::two_halves(second.v[0], second.v[1]);
  to.part[3] = ptx::two_halves(second.v[2], second.v[3]);
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT
