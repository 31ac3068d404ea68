// The bytes of one quantised block of each GGUF type, as packed structs (source: the GGUF block layouts of ggml).
// Scales are 16-bit floats kept as bits. Blocks have no alignment beyond one byte. `q[j]` notes say how values lie.
#pragma once
#include <cstdint>

namespace conclave {

#pragma pack(push, 1)

// 32 values a block.
struct BlockQ4_0 { uint16_t d; uint8_t qs[16]; };                       // x = d (q - 8); byte j: low nibble value j, high nibble value j + 16
struct BlockQ4_1 { uint16_t d, m; uint8_t qs[16]; };                    // x = d q + m
struct BlockQ5_0 { uint16_t d; uint8_t qh[4]; uint8_t qs[16]; };        // fifth bit of value j is bit j of qh; x = d (q - 16)
struct BlockQ5_1 { uint16_t d, m; uint8_t qh[4]; uint8_t qs[16]; };     // x = d q + m
struct BlockQ8_0 { uint16_t d; int8_t qs[32]; };                        // x = d q
struct BlockIQ4_NL { uint16_t d; uint8_t qs[16]; };                     // x = d kIq4Values[q]; nibbles as in Q4_0
struct BlockMXFP4 { uint8_t e; uint8_t qs[16]; };                       // x = 2^(e - 128) kMxfp4Doubled[q]; nibbles as in Q4_0

// 256 values a block ("K" types): sub-blocks of 16 or 32 values with their own small scales.
struct BlockQ2_K { uint8_t scales[16]; uint8_t qs[64]; uint16_t d, dmin; };                  // low nibble scale, high nibble min
struct BlockQ3_K { uint8_t hmask[32]; uint8_t qs[64]; uint8_t scales[12]; uint16_t d; };     // 16 six-bit scales, biased by 32
struct BlockQ4_K { uint16_t d, dmin; uint8_t scales[12]; uint8_t qs[128]; };                 // 8 six-bit (scale, min) pairs
struct BlockQ5_K { uint16_t d, dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; };
struct BlockQ6_K { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; uint16_t d; };        // 16 values a scale; q biased by 32
struct BlockQ8_K { float d; int8_t qs[256]; int16_t bsums[16]; };
struct BlockIQ4_XS { uint16_t d; uint16_t scales_h; uint8_t scales_l[4]; uint8_t qs[128]; }; // 8 six-bit scales, biased by 32

#pragma pack(pop)

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockIQ4_NL) == 18 && sizeof(BlockMXFP4) == 17);
static_assert(sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210 && sizeof(BlockQ8_K) == 292 && sizeof(BlockIQ4_XS) == 136);

/// The 16 levels of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/// FP4 (E2M1) values times two, so that they are whole; MXFP4's scale is halved in turn (OCP Microscaling formats v1.0).
inline constexpr int8_t kMxfp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Six-bit scale and min of sub-block i in [0, 8) of Q4_K and Q5_K: four pairs lie in the low six bits of bytes 0-7, the
/// others in bytes 8-11 with their top two bits above the first four pairs.
struct ScaleMin { uint8_t scale, min; };
inline ScaleMin k_scale_min(const uint8_t* scales, int i) {
  if (i < 4) return {static_cast<uint8_t>(scales[i] & 63), static_cast<uint8_t>(scales[i + 4] & 63)};
  return {static_cast<uint8_t>((scales[i + 4] & 15) | ((scales[i - 4] >> 6) << 4)), static_cast<uint8_t>((scales[i + 4] >> 4) | ((scales[i] >> 6) << 4))};
}

/// Signed scale of sub-block i in [0, 16) of Q3_K.
inline int q3_k_scale(const uint8_t* scales, int i) {
  const int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
  const int high = (scales[8 + i % 4] >> (2 * (i / 4))) & 3;
  return (low | high << 4) - 32;
}

}  // namespace conclave
