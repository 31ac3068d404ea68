// Sixteen lanes of float or 32-bit integer, written once per instruction set: VecF and VecU. Included only by the
// kernels_<level>.cpp files, inside the level's own namespace (CONCLAVE_LEVEL), so that code compiled for a wide
// instruction set can never be picked by the linker for a narrow machine. No standard templates for the same reason.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <math.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(_MSC_VER)
#define CONCLAVE_INLINE __forceinline
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONCLAVE_INLINE inline   // checks on every lane, inlined everywhere, take the compiler minutes
#else
#define CONCLAVE_INLINE inline __attribute__((always_inline))
#endif

namespace conclave::CONCLAVE_LEVEL {

#if defined(__AVX512F__)

struct VecU { __m512i v; };
struct VecF { __m512 v; };

CONCLAVE_INLINE VecU load_u(const void* p) { return {_mm512_loadu_si512(p)}; }
CONCLAVE_INLINE void store(void* p, VecU a) { _mm512_storeu_si512(p, a.v); }
CONCLAVE_INLINE VecU set_u(uint32_t a) { return {_mm512_set1_epi32(static_cast<int>(a))}; }
CONCLAVE_INLINE VecU operator&(VecU a, VecU b) { return {_mm512_and_si512(a.v, b.v)}; }
CONCLAVE_INLINE VecU operator|(VecU a, VecU b) { return {_mm512_or_si512(a.v, b.v)}; }
CONCLAVE_INLINE VecU operator^(VecU a, VecU b) { return {_mm512_xor_si512(a.v, b.v)}; }
CONCLAVE_INLINE VecU operator+(VecU a, VecU b) { return {_mm512_add_epi32(a.v, b.v)}; }
CONCLAVE_INLINE VecU operator-(VecU a, VecU b) { return {_mm512_sub_epi32(a.v, b.v)}; }
CONCLAVE_INLINE VecU operator<<(VecU a, int n) { return {_mm512_slli_epi32(a.v, static_cast<unsigned>(n))}; }
CONCLAVE_INLINE VecU operator>>(VecU a, int n) { return {_mm512_srli_epi32(a.v, static_cast<unsigned>(n))}; }
CONCLAVE_INLINE VecU shift_right_signed(VecU a, int n) { return {_mm512_srai_epi32(a.v, static_cast<unsigned>(n))}; }
/// Each byte of `index` (0..15) picks a byte of `table`.
CONCLAVE_INLINE VecU lookup(VecU index, const uint8_t* table) {
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))), index.v)};
}
/// Per lane, `value` in byte j where bit first + j is set (first a multiple of 4), else 0.
CONCLAVE_INLINE VecU bytes_of_bits(VecU bits, int first, int8_t value) {
  const __m512i own_byte = _mm512_add_epi32(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0), _mm512_set1_epi32(0x01010101 * (first / 8)));
  const __mmask64 set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(bits.v, own_byte), _mm512_set1_epi32(first % 8 == 0 ? 0x08040201 : static_cast<int>(0x80402010)));
  return {_mm512_maskz_mov_epi8(set, _mm512_set1_epi8(value))};
}
/// acc + the dot product of four unsigned bytes per lane with the four signed bytes at x.
CONCLAVE_INLINE VecU dot4(VecU acc, VecU codes, const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, 4);
  return {_mm512_dpbusd_epi32(acc.v, codes.v, _mm512_set1_epi32(four))};
}

/// acc + the dot product of two signed 16-bit integers per lane.
CONCLAVE_INLINE VecU dot2(VecU acc, VecU a, VecU b) { return {_mm512_dpwssd_epi32(acc.v, a.v, b.v)}; }

CONCLAVE_INLINE VecF load_f(const float* p) { return {_mm512_loadu_ps(p)}; }
CONCLAVE_INLINE void store(float* p, VecF a) { _mm512_storeu_ps(p, a.v); }
CONCLAVE_INLINE VecF set_f(float a) { return {_mm512_set1_ps(a)}; }
CONCLAVE_INLINE VecF operator+(VecF a, VecF b) { return {_mm512_add_ps(a.v, b.v)}; }
CONCLAVE_INLINE VecF operator-(VecF a, VecF b) { return {_mm512_sub_ps(a.v, b.v)}; }
CONCLAVE_INLINE VecF operator*(VecF a, VecF b) { return {_mm512_mul_ps(a.v, b.v)}; }
CONCLAVE_INLINE VecF operator/(VecF a, VecF b) { return {_mm512_div_ps(a.v, b.v)}; }
CONCLAVE_INLINE VecF fma(VecF a, VecF b, VecF c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
CONCLAVE_INLINE VecF square_root(VecF a) { return {_mm512_sqrt_ps(a.v)}; }
/// The second where either is no number; min alike.
CONCLAVE_INLINE VecF max(VecF a, VecF b) { return {_mm512_max_ps(a.v, b.v)}; }
CONCLAVE_INLINE VecF min(VecF a, VecF b) { return {_mm512_min_ps(a.v, b.v)}; }
CONCLAVE_INLINE VecF to_float(VecU a) { return {_mm512_cvtepi32_ps(a.v)}; }
CONCLAVE_INLINE VecU round_to_int(VecF a) { return {_mm512_cvtps_epi32(a.v)}; }
CONCLAVE_INLINE VecF as_float(VecU a) { return {_mm512_castsi512_ps(a.v)}; }
CONCLAVE_INLINE VecU as_bits(VecF a) { return {_mm512_castps_si512(a.v)}; }
/// The low 16 bits of each lane as IEEE half.
CONCLAVE_INLINE VecF low_half_to_float(VecU a) { return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(a.v))}; }
CONCLAVE_INLINE VecF load_f16(const void* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))}; }
CONCLAVE_INLINE VecF load_bf16(const void* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p))), 16))};
}
CONCLAVE_INLINE VecU load_i8(const void* p) { return {_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)))}; }
CONCLAVE_INLINE void store_i8(int8_t* p, VecU a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v)); }
CONCLAVE_INLINE void store_i16(int16_t* p, VecU a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(a.v)); }

/// One 32-bit word from each of 16 rows.
CONCLAVE_INLINE VecU words_of_rows(const std::byte* p, size_t stride) {
  const __m512i rows = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(static_cast<int>(stride)));
  return {_mm512_i32gather_epi32(rows, p, 1)};
}

/// Sixteen bytes from each of 16 rows: out[i] holds the i-th word of every row.
CONCLAVE_INLINE void transpose_pieces(const std::byte* p, size_t stride, VecU out[4]) {
  const auto quad = [&](int first) {   // rows first, first + 4, first + 8, first + 12, one to each 128-bit lane
    const auto at = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + static_cast<size_t>(row) * stride)); };
    __m512i rows = _mm512_castsi128_si512(at(first));
    rows = _mm512_mask_broadcast_i32x4(rows, 0x00f0, at(first + 4));
    rows = _mm512_mask_broadcast_i32x4(rows, 0x0f00, at(first + 8));
    return _mm512_mask_broadcast_i32x4(rows, 0xf000, at(first + 12));
  };
  const __m512i a = quad(0), b = quad(1), c = quad(2), d = quad(3);
  const __m512i ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
  out[0].v = _mm512_unpacklo_epi64(ab_low, cd_low);
  out[1].v = _mm512_unpackhi_epi64(ab_low, cd_low);
  out[2].v = _mm512_unpacklo_epi64(ab_high, cd_high);
  out[3].v = _mm512_unpackhi_epi64(ab_high, cd_high);
}

#elif defined(__AVX2__)

struct VecU { __m256i a, b; };
struct VecF { __m256 a, b; };

CONCLAVE_INLINE VecU load_u(const void* p) {
  const __m256i* at = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
CONCLAVE_INLINE void store(void* p, VecU x) {
  __m256i* at = static_cast<__m256i*>(p);
  _mm256_storeu_si256(at, x.a);
  _mm256_storeu_si256(at + 1, x.b);
}
CONCLAVE_INLINE VecU set_u(uint32_t x) { const __m256i all = _mm256_set1_epi32(static_cast<int>(x)); return {all, all}; }
CONCLAVE_INLINE VecU operator&(VecU x, VecU y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
CONCLAVE_INLINE VecU operator|(VecU x, VecU y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
CONCLAVE_INLINE VecU operator^(VecU x, VecU y) { return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)}; }
CONCLAVE_INLINE VecU operator+(VecU x, VecU y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
CONCLAVE_INLINE VecU operator-(VecU x, VecU y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
CONCLAVE_INLINE VecU operator<<(VecU x, int n) { return {_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)}; }
CONCLAVE_INLINE VecU operator>>(VecU x, int n) { return {_mm256_srli_epi32(x.a, n), _mm256_srli_epi32(x.b, n)}; }
CONCLAVE_INLINE VecU shift_right_signed(VecU x, int n) { return {_mm256_srai_epi32(x.a, n), _mm256_srai_epi32(x.b, n)}; }
CONCLAVE_INLINE VecU lookup(VecU index, const uint8_t* table) {
  const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm256_shuffle_epi8(both, index.a), _mm256_shuffle_epi8(both, index.b)};
}
CONCLAVE_INLINE VecU bytes_of_bits(VecU bits, int first, int8_t value) {
  const __m256i own_byte = _mm256_add_epi32(_mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c), _mm256_set1_epi32(0x01010101 * (first / 8)));
  const __m256i own_bit = _mm256_set1_epi32(first % 8 == 0 ? 0x08040201 : static_cast<int>(0x80402010));
  const auto half = [&](__m256i x) {
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(x, own_byte), own_bit), own_bit), _mm256_set1_epi8(value));
  };
  return {half(bits.a), half(bits.b)};
}
/// Codes up to 255 overflow the 16-bit pairs of maddubs, so they are split: code = (code & 127) + (code & 128).
CONCLAVE_INLINE __m256i dot4_half(__m256i acc, __m256i codes, __m256i x) {
  const __m256i low = _mm256_and_si256(codes, _mm256_set1_epi8(0x7f)), high = _mm256_andnot_si256(_mm256_set1_epi8(0x7f), codes);
  const __m256i ones = _mm256_set1_epi16(1);
  // 127 * 127 * 2 and 128 * 127 * 2 both fit 16 bits.
  const __m256i pairs_low = _mm256_madd_epi16(_mm256_maddubs_epi16(low, x), ones);
  const __m256i pairs_high = _mm256_madd_epi16(_mm256_maddubs_epi16(high, x), ones);
  return _mm256_add_epi32(acc, _mm256_add_epi32(pairs_low, pairs_high));
}
CONCLAVE_INLINE VecU dot4(VecU acc, VecU codes, const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, 4);
  const __m256i all = _mm256_set1_epi32(four);
  return {dot4_half(acc.a, codes.a, all), dot4_half(acc.b, codes.b, all)};
}

CONCLAVE_INLINE VecU dot2(VecU acc, VecU x, VecU y) { return {_mm256_add_epi32(acc.a, _mm256_madd_epi16(x.a, y.a)), _mm256_add_epi32(acc.b, _mm256_madd_epi16(x.b, y.b))}; }

CONCLAVE_INLINE VecF load_f(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
CONCLAVE_INLINE void store(float* p, VecF x) { _mm256_storeu_ps(p, x.a); _mm256_storeu_ps(p + 8, x.b); }
CONCLAVE_INLINE VecF set_f(float x) { const __m256 all = _mm256_set1_ps(x); return {all, all}; }
CONCLAVE_INLINE VecF operator+(VecF x, VecF y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
CONCLAVE_INLINE VecF operator-(VecF x, VecF y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
CONCLAVE_INLINE VecF operator*(VecF x, VecF y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
CONCLAVE_INLINE VecF operator/(VecF x, VecF y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
CONCLAVE_INLINE VecF fma(VecF x, VecF y, VecF z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
CONCLAVE_INLINE VecF square_root(VecF x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
CONCLAVE_INLINE VecF max(VecF x, VecF y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
CONCLAVE_INLINE VecF min(VecF x, VecF y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
CONCLAVE_INLINE VecF to_float(VecU x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
CONCLAVE_INLINE VecU round_to_int(VecF x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
CONCLAVE_INLINE VecF as_float(VecU x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
CONCLAVE_INLINE VecU as_bits(VecF x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
CONCLAVE_INLINE __m128i low_words(__m256i x) {
  const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0xffff)), _mm256_setzero_si256());
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
}
CONCLAVE_INLINE VecF low_half_to_float(VecU x) { return {_mm256_cvtph_ps(low_words(x.a)), _mm256_cvtph_ps(low_words(x.b))}; }
CONCLAVE_INLINE VecF load_f16(const void* p) {
  const __m128i* at = static_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(at)), _mm256_cvtph_ps(_mm_loadu_si128(at + 1))};
}
CONCLAVE_INLINE VecF load_bf16(const void* p) {
  const __m128i* at = static_cast<const __m128i*>(p);
  const auto widen = [](__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); };
  return {widen(_mm_loadu_si128(at)), widen(_mm_loadu_si128(at + 1))};
}
CONCLAVE_INLINE VecU load_i8(const void* p) {
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
  return {_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))};
}
CONCLAVE_INLINE void store_i8(int8_t* p, VecU x) {
  alignas(32) int32_t lanes[16];
  store(lanes, x);
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(lanes[i]);
}
CONCLAVE_INLINE void store_i16(int16_t* p, VecU x) {   // values that 16 bits hold
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8));
}
CONCLAVE_INLINE VecU words_of_rows(const std::byte* p, size_t stride) {
  const __m256i rows = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(static_cast<int>(stride)));
  return {_mm256_i32gather_epi32(reinterpret_cast<const int*>(p), rows, 1), _mm256_i32gather_epi32(reinterpret_cast<const int*>(p + 8 * stride), rows, 1)};
}
CONCLAVE_INLINE void transpose_half(const std::byte* p, size_t stride, __m256i out[4]) {
  const auto pair = [&](int first) {   // rows first and first + 4, one to each 128-bit lane
    const auto at = [&](int row) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + static_cast<size_t>(row) * stride)); };
    return _mm256_inserti128_si256(_mm256_castsi128_si256(at(first)), at(first + 4), 1);
  };
  const __m256i a = pair(0), b = pair(1), c = pair(2), d = pair(3);
  const __m256i ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
  const __m256i cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
  out[0] = _mm256_unpacklo_epi64(ab_low, cd_low);
  out[1] = _mm256_unpackhi_epi64(ab_low, cd_low);
  out[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
  out[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
}
CONCLAVE_INLINE void transpose_pieces(const std::byte* p, size_t stride, VecU out[4]) {
  __m256i low[4], high[4];
  transpose_half(p, stride, low);
  transpose_half(p + 8 * stride, stride, high);
  for (int i = 0; i < 4; ++i) out[i] = {low[i], high[i]};
}

#else

#define CONCLAVE_LANES for (int i = 0; i < 16; ++i)
struct VecU { uint32_t v[16]; };
struct VecF { float v[16]; };

CONCLAVE_INLINE VecU load_u(const void* p) { VecU r; std::memcpy(r.v, p, 64); return r; }
CONCLAVE_INLINE void store(void* p, VecU a) { std::memcpy(p, a.v, 64); }
CONCLAVE_INLINE VecU set_u(uint32_t a) { VecU r; CONCLAVE_LANES r.v[i] = a; return r; }
CONCLAVE_INLINE VecU operator&(VecU a, VecU b) { CONCLAVE_LANES a.v[i] &= b.v[i]; return a; }
CONCLAVE_INLINE VecU operator|(VecU a, VecU b) { CONCLAVE_LANES a.v[i] |= b.v[i]; return a; }
CONCLAVE_INLINE VecU operator^(VecU a, VecU b) { CONCLAVE_LANES a.v[i] ^= b.v[i]; return a; }
CONCLAVE_INLINE VecU operator+(VecU a, VecU b) { CONCLAVE_LANES a.v[i] += b.v[i]; return a; }
CONCLAVE_INLINE VecU operator-(VecU a, VecU b) { CONCLAVE_LANES a.v[i] -= b.v[i]; return a; }
CONCLAVE_INLINE VecU operator<<(VecU a, int n) { CONCLAVE_LANES a.v[i] <<= n; return a; }
CONCLAVE_INLINE VecU operator>>(VecU a, int n) { CONCLAVE_LANES a.v[i] >>= n; return a; }
CONCLAVE_INLINE VecU shift_right_signed(VecU a, int n) { CONCLAVE_LANES a.v[i] = static_cast<uint32_t>(static_cast<int32_t>(a.v[i]) >> n); return a; }
CONCLAVE_INLINE VecU lookup(VecU index, const uint8_t* table) {
  CONCLAVE_LANES {
    const uint32_t x = index.v[i];
    index.v[i] = table[x & 15] | static_cast<uint32_t>(table[x >> 8 & 15]) << 8 | static_cast<uint32_t>(table[x >> 16 & 15]) << 16 | static_cast<uint32_t>(table[x >> 24 & 15]) << 24;
  }
  return index;
}
CONCLAVE_INLINE VecU bytes_of_bits(VecU bits, int first, int8_t value) {
  CONCLAVE_LANES {
    const uint32_t four = bits.v[i] >> first & 15u;
    bits.v[i] = ((four * 0x00204081u) & 0x01010101u) * static_cast<uint8_t>(value);   // a copy of the four for each byte
  }
  return bits;
}
CONCLAVE_INLINE VecU dot4(VecU acc, VecU codes, const int8_t* x) {
  CONCLAVE_LANES {
    const uint32_t c = codes.v[i];
    const int32_t sum = static_cast<int32_t>(c & 255) * x[0] + static_cast<int32_t>(c >> 8 & 255) * x[1] + static_cast<int32_t>(c >> 16 & 255) * x[2] + static_cast<int32_t>(c >> 24) * x[3];
    acc.v[i] += static_cast<uint32_t>(sum);
  }
  return acc;
}

CONCLAVE_INLINE VecU dot2(VecU acc, VecU a, VecU b) {
  CONCLAVE_LANES acc.v[i] += static_cast<uint32_t>(static_cast<int16_t>(a.v[i]) * static_cast<int16_t>(b.v[i]) + static_cast<int16_t>(a.v[i] >> 16) * static_cast<int16_t>(b.v[i] >> 16));
  return acc;
}

CONCLAVE_INLINE VecF load_f(const float* p) { VecF r; std::memcpy(r.v, p, 64); return r; }
CONCLAVE_INLINE void store(float* p, VecF a) { std::memcpy(p, a.v, 64); }
CONCLAVE_INLINE VecF set_f(float a) { VecF r; CONCLAVE_LANES r.v[i] = a; return r; }
CONCLAVE_INLINE VecF operator+(VecF a, VecF b) { CONCLAVE_LANES a.v[i] += b.v[i]; return a; }
CONCLAVE_INLINE VecF operator-(VecF a, VecF b) { CONCLAVE_LANES a.v[i] -= b.v[i]; return a; }
CONCLAVE_INLINE VecF operator*(VecF a, VecF b) { CONCLAVE_LANES a.v[i] *= b.v[i]; return a; }
CONCLAVE_INLINE VecF operator/(VecF a, VecF b) { CONCLAVE_LANES a.v[i] /= b.v[i]; return a; }
CONCLAVE_INLINE VecF fma(VecF a, VecF b, VecF c) { CONCLAVE_LANES c.v[i] += a.v[i] * b.v[i]; return c; }
CONCLAVE_INLINE VecF square_root(VecF a) { CONCLAVE_LANES a.v[i] = sqrtf(a.v[i]); return a; }
CONCLAVE_INLINE VecF max(VecF a, VecF b) { CONCLAVE_LANES a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]; return a; }
CONCLAVE_INLINE VecF min(VecF a, VecF b) { CONCLAVE_LANES a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i]; return a; }
CONCLAVE_INLINE VecF to_float(VecU a) { VecF r; CONCLAVE_LANES r.v[i] = static_cast<float>(static_cast<int32_t>(a.v[i])); return r; }
CONCLAVE_INLINE VecF as_float(VecU a) { VecF r; std::memcpy(&r, &a, 64); return r; }
CONCLAVE_INLINE VecU as_bits(VecF a) { VecU r; std::memcpy(&r, &a, 64); return r; }
/// For |a| < 2^22: adding 1.5 * 2^23 leaves the nearest integer (ties to even) in the low bits.
CONCLAVE_INLINE VecU round_to_int(VecF a) { return as_bits(a + set_f(12582912.f)) - set_u(0x4b400000u); }
CONCLAVE_INLINE float half_to_float(uint32_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7fffu;
  // Placing exponent and mantissa at float's places and multiplying by 2^112 also makes subnormals right.
  uint32_t bits = magnitude << 13;
  float value;
  std::memcpy(&value, &bits, 4);
  value *= 5.192296858534828e+33f;
  std::memcpy(&bits, &value, 4);
  if (magnitude >= 0x7c00u) bits = 0x7f800000u | (magnitude & 0x3ffu) << 13;
  bits |= sign;
  std::memcpy(&value, &bits, 4);
  return value;
}
CONCLAVE_INLINE VecF low_half_to_float(VecU a) { VecF r; CONCLAVE_LANES r.v[i] = half_to_float(a.v[i] & 0xffffu); return r; }
CONCLAVE_INLINE VecF load_f16(const void* p) {
  uint16_t halves[16];
  std::memcpy(halves, p, 32);
  VecF r;
  CONCLAVE_LANES r.v[i] = half_to_float(halves[i]);
  return r;
}
CONCLAVE_INLINE VecF load_bf16(const void* p) {
  uint16_t halves[16];
  std::memcpy(halves, p, 32);
  VecU r;
  CONCLAVE_LANES r.v[i] = static_cast<uint32_t>(halves[i]) << 16;
  return as_float(r);
}
CONCLAVE_INLINE VecU load_i8(const void* p) {
  VecU r;
  CONCLAVE_LANES r.v[i] = static_cast<uint32_t>(static_cast<int32_t>(static_cast<const int8_t*>(p)[i]));
  return r;
}
CONCLAVE_INLINE void store_i8(int8_t* p, VecU a) { CONCLAVE_LANES p[i] = static_cast<int8_t>(a.v[i]); }
CONCLAVE_INLINE void store_i16(int16_t* p, VecU a) { CONCLAVE_LANES p[i] = static_cast<int16_t>(a.v[i]); }
CONCLAVE_INLINE VecU words_of_rows(const std::byte* p, size_t stride) {
  VecU r;
  CONCLAVE_LANES std::memcpy(&r.v[i], p + static_cast<size_t>(i) * stride, 4);
  return r;
}
CONCLAVE_INLINE void transpose_pieces(const std::byte* p, size_t stride, VecU out[4]) {
  for (int row = 0; row < 16; ++row)
    for (int word = 0; word < 4; ++word) std::memcpy(&out[word].v[row], p + static_cast<size_t>(row) * stride + 4 * word, 4);
}

#endif

/// Asks for the cache line at p, for soon. Never faults.
CONCLAVE_INLINE void prefetch(const std::byte* p) {
#if defined(_MSC_VER) && defined(__AVX2__)
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
#elif !defined(_MSC_VER)
  __builtin_prefetch(p, 0, 2);
#else
  (void)p;
#endif
}

/// words_of_rows, and a prefetch of the line at `ahead`, which moves on by as many bytes as were read.
CONCLAVE_INLINE VecU gather_words(const std::byte* p, size_t stride, const std::byte*& ahead) {
  prefetch(ahead);
  ahead += 64;
  return words_of_rows(p, stride);
}

/// transpose_pieces, and a prefetch of as many bytes at `ahead`, which moves on: spread out like this, the prefetches
/// never fill the line buffers that the loads here need (all at once before each chunk, they cost a third of the rate).
CONCLAVE_INLINE void gather_pieces(const std::byte* p, size_t stride, VecU out[4], const std::byte*& ahead) {
  for (int line = 0; line < 4; ++line) prefetch(ahead + 64 * line);
  ahead += 256;
  transpose_pieces(p, stride, out);
}

CONCLAVE_INLINE VecU operator&(VecU a, uint32_t b) { return a & set_u(b); }
CONCLAVE_INLINE VecU operator^(VecU a, uint32_t b) { return a ^ set_u(b); }

/// Sum of the lanes, always in the same order: halves onto each other.
CONCLAVE_INLINE float sum_lanes(VecF a) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(a.v);   // the same order
#else
  float lanes[16];
  store(lanes, a);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
#endif
}
CONCLAVE_INLINE float max_lane(VecF a) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(a.v);
#else
  float lanes[16];
  store(lanes, a);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
  return lanes[0];
#endif
}

/// e^x to 2 ulp for x <= 88; 0 below -87. Range reduction by ln 2, then a polynomial (Cephes' coefficients).
CONCLAVE_INLINE VecF exponential(VecF x) {
  x = min(max(x, set_f(-87.3f)), set_f(88.f));
  const VecU n = round_to_int(x * set_f(1.44269504f));
  const VecF nf = to_float(n);
  VecF r = fma(nf, set_f(-0.693359375f), x);
  r = fma(nf, set_f(2.12194440e-4f), r);
  VecF y = set_f(1.9875691500e-4f);
  y = fma(y, r, set_f(1.3981999507e-3f));
  y = fma(y, r, set_f(8.3334519073e-3f));
  y = fma(y, r, set_f(4.1665795894e-2f));
  y = fma(y, r, set_f(1.6666665459e-1f));
  y = fma(y, r, set_f(5.0000001201e-1f));
  y = fma(y, r * r, r + set_f(1.f));
  return y * as_float((n + set_u(127)) << 23);
}

}  // namespace conclave::CONCLAVE_LEVEL
