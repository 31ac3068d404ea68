// The table of number formats and the plain conversion of each to float; see block_types.h. Written for reading: one
// value at a time, in the order of the published layouts. Kernels are checked against these functions.
#include "formats/block_types.h"

#include <cassert>
#include <cmath>
#include <cstring>
#include <string>

#include "base/error.h"
#include "formats/half.h"
#include "formats/quant_blocks.h"

static_assert(std::endian::native == std::endian::little, "GGUF data are used in place and are little endian");

namespace conclave {
namespace {

constexpr DTypeTraits kTypes[] = {
    {DType::kF32, "F32", 1, 4, true},
    {DType::kF16, "F16", 1, 2, true},
    {DType::kBF16, "BF16", 1, 2, true},
    {DType::kQ4_0, "Q4_0", 32, sizeof(BlockQ4_0), true},
    {DType::kQ4_1, "Q4_1", 32, sizeof(BlockQ4_1), true},
    {DType::kQ5_0, "Q5_0", 32, sizeof(BlockQ5_0), true},
    {DType::kQ5_1, "Q5_1", 32, sizeof(BlockQ5_1), true},
    {DType::kQ8_0, "Q8_0", 32, sizeof(BlockQ8_0), true},
    {DType::kQ2_K, "Q2_K", 256, sizeof(BlockQ2_K), true},
    {DType::kQ3_K, "Q3_K", 256, sizeof(BlockQ3_K), true},
    {DType::kQ4_K, "Q4_K", 256, sizeof(BlockQ4_K), true},
    {DType::kQ5_K, "Q5_K", 256, sizeof(BlockQ5_K), true},
    {DType::kQ6_K, "Q6_K", 256, sizeof(BlockQ6_K), true},
    {DType::kIQ4_NL, "IQ4_NL", 32, sizeof(BlockIQ4_NL), true},
    {DType::kIQ4_XS, "IQ4_XS", 256, sizeof(BlockIQ4_XS), true},
    {DType::kMXFP4, "MXFP4", 32, sizeof(BlockMXFP4), true},
    {DType::kQ8_K, "Q8_K", 256, sizeof(BlockQ8_K), false},
    {DType::kIQ1_S, "IQ1_S", 256, 50, false},
    {DType::kIQ1_M, "IQ1_M", 256, 56, false},
    {DType::kIQ2_XXS, "IQ2_XXS", 256, 66, false},
    {DType::kIQ2_XS, "IQ2_XS", 256, 74, false},
    {DType::kIQ2_S, "IQ2_S", 256, 82, false},
    {DType::kIQ3_XXS, "IQ3_XXS", 256, 98, false},
    {DType::kIQ3_S, "IQ3_S", 256, 110, false},
    {DType::kI8, "I8", 1, 1, false},
    {DType::kI16, "I16", 1, 2, false},
    {DType::kI32, "I32", 1, 4, false},
    {DType::kI64, "I64", 1, 8, false},
    {DType::kF64, "F64", 1, 8, false},
};

void read_block(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>((block.qs[j] & 15) - 8);
    out[j + 16] = d * static_cast<float>((block.qs[j] >> 4) - 8);
  }
}

void read_block(const BlockQ4_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(block.qs[j] & 15) + m;
    out[j + 16] = d * static_cast<float>(block.qs[j] >> 4) + m;
  }
}

/// The five-bit value j of Q5_0 and Q5_1.
int five_bits(const uint8_t* qs, const uint8_t* qh, int j) {
  const int low = j < 16 ? qs[j] & 15 : qs[j - 16] >> 4;
  return low | ((qh[j / 8] >> (j % 8)) & 1) << 4;
}

void read_block(const BlockQ5_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(five_bits(block.qs, block.qh, j) - 16);
}

void read_block(const BlockQ5_1& block, float* out) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(five_bits(block.qs, block.qh, j)) + m;
}

void read_block(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(block.qs[j]);
}

void read_block(const BlockIQ4_NL& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(kIq4Values[block.qs[j] & 15]);
    out[j + 16] = d * static_cast<float>(kIq4Values[block.qs[j] >> 4]);
  }
}

void read_block(const BlockMXFP4& block, float* out) {
  const float d = std::ldexp(1.f, static_cast<int>(block.e) - 128);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(kMxfp4Doubled[block.qs[j] & 15]);
    out[j + 16] = d * static_cast<float>(kMxfp4Doubled[block.qs[j] >> 4]);
  }
}

// In Q2_K and Q3_K each half of 128 values uses 32 bytes of qs: bits 2k and 2k+1 of byte l hold value 32 k + l.

void read_block(const BlockQ2_K& block, float* out) {
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i / 32 % 4, l = i % 32;
    const uint8_t scale = block.scales[i / 16];
    const int q = (block.qs[half * 32 + l] >> (2 * k)) & 3;
    out[i] = d * static_cast<float>(scale & 15) * static_cast<float>(q) - dmin * static_cast<float>(scale >> 4);
  }
}

void read_block(const BlockQ3_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i / 32 % 4, l = i % 32;
    const bool high = ((block.hmask[l] >> (i / 32)) & 1) != 0;
    const int q = ((block.qs[half * 32 + l] >> (2 * k)) & 3) - (high ? 0 : 4);
    out[i] = d * static_cast<float>(q3_k_scale(block.scales, i / 16)) * static_cast<float>(q);
  }
}

// In Q4_K and Q5_K 64 values share 32 bytes of qs: low nibbles first, then high nibbles.

void read_block(const BlockQ4_K& block, float* out) {
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int i = 0; i < 256; ++i) {
    const ScaleMin s = k_scale_min(block.scales, i / 32);
    const uint8_t byte = block.qs[i / 64 * 32 + i % 32];
    const int q = i / 32 % 2 == 0 ? byte & 15 : byte >> 4;
    out[i] = d * static_cast<float>(s.scale) * static_cast<float>(q) - dmin * static_cast<float>(s.min);
  }
}

void read_block(const BlockQ5_K& block, float* out) {
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int i = 0; i < 256; ++i) {
    const ScaleMin s = k_scale_min(block.scales, i / 32);
    const uint8_t byte = block.qs[i / 64 * 32 + i % 32];
    const int low = i / 32 % 2 == 0 ? byte & 15 : byte >> 4;
    const int q = low | ((block.qh[i % 32] >> (i / 32)) & 1) << 4;
    out[i] = d * static_cast<float>(s.scale) * static_cast<float>(q) - dmin * static_cast<float>(s.min);
  }
}

void read_block(const BlockQ6_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i / 32 % 4, l = i % 32;
    const uint8_t byte = block.ql[half * 64 + k % 2 * 32 + l];
    const int low = k < 2 ? byte & 15 : byte >> 4;
    const int high = (block.qh[half * 32 + l] >> (2 * k)) & 3;
    out[i] = d * static_cast<float>(block.scales[i / 16]) * static_cast<float>((low | high << 4) - 32);
  }
}

void read_block(const BlockIQ4_XS& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 256; ++i) {
    const int sub = i / 32, j = i % 32;
    const int low = (block.scales_l[sub / 2] >> (4 * (sub % 2))) & 15;
    const int high = (block.scales_h >> (2 * sub)) & 3;
    const uint8_t byte = block.qs[sub * 16 + j % 16];
    const int q = j < 16 ? byte & 15 : byte >> 4;
    out[i] = d * static_cast<float>((low | high << 4) - 32) * static_cast<float>(kIq4Values[q]);
  }
}

template <class Block>
void read_row(const void* src, float* dst, int64_t n, int64_t block_elements) {
  const auto* bytes = static_cast<const std::byte*>(src);
  for (int64_t i = 0; i < n; i += block_elements, bytes += sizeof(Block)) {
    Block block;
    std::memcpy(&block, bytes, sizeof block);
    read_block(block, dst + i);
  }
}

template <class Convert>
void read_halves(const void* src, float* dst, int64_t n, Convert convert) {
  const auto* bytes = static_cast<const std::byte*>(src);
  for (int64_t i = 0; i < n; ++i, bytes += 2) {
    uint16_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    dst[i] = convert(bits);
  }
}

}  // namespace

const DTypeTraits* dtype_traits(DType type) {
  for (const DTypeTraits& traits : kTypes) {
    if (traits.type == type) return &traits;
  }
  return nullptr;
}

std::optional<DType> dtype_from_gguf(uint32_t id) {
  const DTypeTraits* traits = dtype_traits(static_cast<DType>(id));
  return traits != nullptr ? std::optional(traits->type) : std::nullopt;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeTraits& traits : kTypes) {
    if (traits.name == name) return traits.type;
  }
  return std::nullopt;
}

size_t row_bytes(DType type, int64_t n) {
  const DTypeTraits* traits = dtype_traits(type);
  assert(traits != nullptr && n >= 0 && n % traits->block_elements == 0);
  return static_cast<size_t>(n) / traits->block_elements * traits->block_bytes;
}

void dequantize_row(DType type, const void* src, float* dst, int64_t n) {
  switch (type) {
    case DType::kF32:
      if (n > 0) std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
      return;
    case DType::kF16: return read_halves(src, dst, n, f16_to_f32);
    case DType::kBF16: return read_halves(src, dst, n, bf16_to_f32);
    case DType::kQ4_0: return read_row<BlockQ4_0>(src, dst, n, 32);
    case DType::kQ4_1: return read_row<BlockQ4_1>(src, dst, n, 32);
    case DType::kQ5_0: return read_row<BlockQ5_0>(src, dst, n, 32);
    case DType::kQ5_1: return read_row<BlockQ5_1>(src, dst, n, 32);
    case DType::kQ8_0: return read_row<BlockQ8_0>(src, dst, n, 32);
    case DType::kIQ4_NL: return read_row<BlockIQ4_NL>(src, dst, n, 32);
    case DType::kMXFP4: return read_row<BlockMXFP4>(src, dst, n, 32);
    case DType::kQ2_K: return read_row<BlockQ2_K>(src, dst, n, 256);
    case DType::kQ3_K: return read_row<BlockQ3_K>(src, dst, n, 256);
    case DType::kQ4_K: return read_row<BlockQ4_K>(src, dst, n, 256);
    case DType::kQ5_K: return read_row<BlockQ5_K>(src, dst, n, 256);
    case DType::kQ6_K: return read_row<BlockQ6_K>(src, dst, n, 256);
    case DType::kIQ4_XS: return read_row<BlockIQ4_XS>(src, dst, n, 256);
    default: break;
  }
  const DTypeTraits* traits = dtype_traits(type);
  throw Error(ErrorCode::kUnsupported, std::string("numbers of type ") + (traits != nullptr ? traits->name : "unknown") + " are not supported yet");
}

}  // namespace conclave
