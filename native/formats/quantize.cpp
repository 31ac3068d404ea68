// Plain types and blocks of 32 values; the 256-value types are in quantize_k.cpp. See quantize.h.
#include "formats/quantize.h"

#include <array>
#include <cstring>
#include <string>

#include "base/error.h"
#include "formats/half.h"
#include "formats/quant_blocks.h"
#include "formats/quantize_blocks.h"
#include "formats/quantize_search.h"

namespace conclave {
namespace {

float inverse_or_zero(float d) { return d != 0 ? 1 / d : 0.f; }

void put_nibbles(uint8_t* qs, int j, int code) { qs[j % 16] |= static_cast<uint8_t>(j < 16 ? code : code << 4); }

void write_block(const float* x, BlockQ8_0& block) {
  block.d = f32_to_f16(std::abs(extreme<32>(x)) / 127);
  const float inverse = inverse_or_zero(f16_to_f32(block.d));
  for (int i = 0; i < 32; ++i) block.qs[i] = static_cast<int8_t>(clamped_code(x[i] * inverse, -127, 127));
}

void write_block(const float* x, BlockQ4_0& block) {
  float weight[32];
  importance<32>(x, weight);
  block = {.d = f32_to_f16(fit_scale<32>(x, weight, -8)), .qs = {}};
  const float inverse = inverse_or_zero(f16_to_f32(block.d));
  for (int i = 0; i < 32; ++i) put_nibbles(block.qs, i, static_cast<int>(clamped_code(x[i] * inverse, -8, 7)) + 8);
}

/// Index of the level nearest to each whole number from -128 to 127.
constexpr std::array<uint8_t, 256> kNearestIq4 = [] {
  std::array<uint8_t, 256> table{};
  for (int v = -128, index = 0; v < 128; ++v) {
    while (index < 15 && 2 * v > kIq4Values[index] + kIq4Values[index + 1]) ++index;
    table[static_cast<size_t>(v + 128)] = static_cast<uint8_t>(index);
  }
  return table;
}();

/// By way of the nearest whole number: a value within half a step of a midpoint may go to the other side, which costs
/// next to nothing there and saves fifteen comparisons.
int nearest_iq4(float v) { return kNearestIq4[static_cast<size_t>(static_cast<int>(clamped_code(v, -128, 127)) + 128)]; }

void write_block(const float* x, BlockIQ4_NL& block) {
  block = {};
  const float most = extreme<32>(x);
  if (std::abs(most) < 1e-30f) return;
  float weight[32];
  importance<32>(x, weight);
  // The levels are not symmetric, so the extreme value may belong at either end.
  float best_scale = 0, best_score = -1;
  for (const float end : {-127.f, 113.f}) {
    for (int step = -7; step <= 7; ++step) {
      const float inverse = (end + static_cast<float>(step)) / most;
      const CodeSums sums = code_sums<32>(x, weight, [=](float v) { return static_cast<float>(kIq4Values[nearest_iq4(v * inverse)]); });
      const float score = sums.qx * sums.qx / sums.qq;
      if (score > best_score) best_score = score, best_scale = sums.qx / sums.qq;
    }
  }
  block.d = f32_to_f16(best_scale);
  const float inverse = inverse_or_zero(f16_to_f32(block.d));
  for (int i = 0; i < 32; ++i) put_nibbles(block.qs, i, nearest_iq4(x[i] * inverse));
}

/// Code of the FP4 value nearest to `v`, given in halves (twice the value).
int nearest_fp4(float v) {
  const float magnitude = std::abs(v);
  int index = 0;
  for (int i = 0; i < 7; ++i) index += magnitude > 0.5f * static_cast<float>(kMxfp4Doubled[i] + kMxfp4Doubled[i + 1]) ? 1 : 0;
  return v < 0 && index > 0 ? index + 8 : index;
}

/// The scale is a bare power of two: the one that just holds the extreme value, or a neighbour that cuts it off but serves the rest better.
void write_block(const float* x, BlockMXFP4& block) {
  block = {};
  const float most = std::abs(extreme<32>(x));
  if (most < 1e-30f) return;
  float weight[32];
  std::fill_n(weight, 32, 1.f);
  const int natural = std::ilogb(most) - 2;   // FP4's largest value is 6 = 1.5 * 2^2
  float best_error = INFINITY;
  int best = natural;
  for (int exponent = natural - 1; exponent <= natural + 1; ++exponent) {
    const float half = std::ldexp(0.5f, exponent), inverse = 1 / half;
    const float error = run_error<32>(x, weight, [=](float v) { return half * static_cast<float>(kMxfp4Doubled[nearest_fp4(v * inverse)]); });
    if (error < best_error) best_error = error, best = exponent;
  }
  const int stored = std::clamp(best + 127, 1, 254);
  block.e = static_cast<uint8_t>(stored);
  const float inverse = std::ldexp(2.f, 127 - stored);
  for (int i = 0; i < 32; ++i) put_nibbles(block.qs, i, nearest_fp4(x[i] * inverse));
}

template <class Block>
void write_row(const float* src, void* dst, int64_t n, int64_t block_elements) {
  auto* out = static_cast<std::byte*>(dst);
  for (int64_t i = 0; i < n; i += block_elements, out += sizeof(Block)) {
    Block block;
    write_block(src + i, block);
    std::memcpy(out, &block, sizeof block);
  }
}

template <class Convert>
void write_halves(const float* src, void* dst, int64_t n, Convert convert) {
  auto* out = static_cast<std::byte*>(dst);
  for (int64_t i = 0; i < n; ++i, out += 2) {
    const uint16_t bits = convert(src[i]);
    std::memcpy(out, &bits, sizeof bits);
  }
}

}  // namespace

bool is_quantizable(DType type) {
  switch (type) {
    case DType::kF32: case DType::kF16: case DType::kBF16: case DType::kQ8_0: case DType::kQ4_0: case DType::kIQ4_NL: case DType::kMXFP4:
    case DType::kQ4_K: case DType::kQ5_K: case DType::kQ6_K:
      return true;
    default:
      return false;
  }
}

void quantize_row(DType type, const float* src, void* dst, int64_t n) {
  switch (type) {
    case DType::kF32:
      if (n > 0) std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
      return;
    case DType::kF16: return write_halves(src, dst, n, f32_to_f16);
    case DType::kBF16: return write_halves(src, dst, n, f32_to_bf16);
    case DType::kQ8_0: return write_row<BlockQ8_0>(src, dst, n, 32);
    case DType::kQ4_0: return write_row<BlockQ4_0>(src, dst, n, 32);
    case DType::kIQ4_NL: return write_row<BlockIQ4_NL>(src, dst, n, 32);
    case DType::kMXFP4: return write_row<BlockMXFP4>(src, dst, n, 32);
    case DType::kQ4_K: return write_row<BlockQ4_K>(src, dst, n, 256);
    case DType::kQ5_K: return write_row<BlockQ5_K>(src, dst, n, 256);
    case DType::kQ6_K: return write_row<BlockQ6_K>(src, dst, n, 256);
    default: break;
  }
  const DTypeTraits* traits = dtype_traits(type);
  throw Error(ErrorCode::kUnsupported, std::string("numbers of type ") + (traits != nullptr ? traits->name : "unknown") + " cannot be written");
}

}  // namespace conclave
