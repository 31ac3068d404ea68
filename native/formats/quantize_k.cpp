// Blocks of 256 values with scales in two stages: each sub-block is fitted alone, then its scale (and minimum) must
// become a small whole number times one 16-bit float of the whole block. That second rounding costs more than the codes
// do, so the whole numbers are searched for among neighbours, and the block's floats are fitted again to what was chosen.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "formats/block_types.h"
#include "formats/half.h"
#include "formats/quantize_blocks.h"
#include "formats/quantize_search.h"

namespace conclave {
namespace {

constexpr int kSubBlocks = 8, kSubBlock = 32;

/// A block of 8 x 32 values as x ~ d scale[j] q - dmin min[j].
struct AffineBlock {
  uint16_t d = 0, dmin = 0;               // 16-bit floats
  int scale[kSubBlocks] = {}, min[kSubBlocks] = {};   // 0 to 63
  float error = INFINITY;
};

/// Nearest codes for the sub-block's own scale and minimum.
struct SubBlockCode {
  float inverse, min, high;
  float operator()(float x) const { return clamped_code((x + min) * inverse, 0, high); }
};

SubBlockCode sub_block_code(float d, float dmin, int scale, int min, float high) {
  const float step = d * static_cast<float>(scale);
  return {step > 0 ? 1 / step : 0.f, dmin * static_cast<float>(min), high};
}

float sub_block_error(const float* x, const float* weight, float d, float dmin, int scale, int min, float high) {
  const SubBlockCode code = sub_block_code(d, dmin, scale, min, high);
  const float step = d * static_cast<float>(scale);
  return run_error<kSubBlock>(x, weight, [=](float v) { return step * code(v) - code.min; });
}

/// The whole numbers next to the wanted scale and minimum that leave the least error, for each sub-block.
AffineBlock round_scales(const float* x, const float* weight, const ScaleOffset* wanted, float d, float dmin, float high) {
  AffineBlock block{.d = f32_to_f16(d), .dmin = f32_to_f16(dmin), .error = 0};
  d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int j = 0; j < kSubBlocks; ++j) {
    const int scale = d > 0 ? static_cast<int>(std::min(wanted[j].scale / d, 63.f) + 0.5f) : 0, min = dmin > 0 ? static_cast<int>(std::min(wanted[j].min / dmin, 63.f) + 0.5f) : 0;
    float best = INFINITY;
    for (int s = std::max(scale - 1, 0); s <= std::min(scale + 1, 63); ++s) {
      for (int m = std::max(min - 1, 0); m <= std::min(min + 1, 63); ++m) {
        const float error = sub_block_error(x + j * kSubBlock, weight + j * kSubBlock, d, dmin, s, m, high);
        if (error < best) best = error, block.scale[j] = s, block.min[j] = m;
      }
    }
    block.error += best;
  }
  return block;
}

/// d and dmin by least squares over the whole block, for the codes that `block` gives. False when they are not determined.
bool refit(const float* x, const float* weight, const AffineBlock& block, float high, float& d, float& dmin) {
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
  for (int j = 0; j < kSubBlocks; ++j) {
    const SubBlockCode code = sub_block_code(f16_to_f32(block.d), f16_to_f32(block.dmin), block.scale[j], block.min[j], high);
    const double b = -block.min[j];
    for (int i = j * kSubBlock; i < (j + 1) * kSubBlock; ++i) {
      const double a = double{code(x[i])} * block.scale[j], w = weight[i];
      aa += w * a * a, ab += w * a * b, bb += w * b * b, ax += w * a * x[i], bx += w * b * x[i];
    }
  }
  const double determinant = aa * bb - ab * ab;
  if (!(determinant > 1e-9 * aa * bb)) {
    if (!(aa > 0)) return false;
    d = static_cast<float>(ax / aa), dmin = 0;
    return d > 0 && bb == 0;
  }
  d = static_cast<float>((ax * bb - bx * ab) / determinant);
  dmin = static_cast<float>((bx * aa - ax * ab) / determinant);
  return d > 0 && dmin >= 0;
}

AffineBlock fit_affine_block(const float* x, float high) {
  float weight[256];
  ScaleOffset wanted[kSubBlocks];
  float most_scale = 0, most_min = 0;
  for (int j = 0; j < kSubBlocks; ++j) {
    importance<kSubBlock>(x + j * kSubBlock, weight + j * kSubBlock);
    wanted[j] = fit_scale_and_min<kSubBlock>(x + j * kSubBlock, weight + j * kSubBlock, high);
    most_scale = std::max(most_scale, wanted[j].scale);
    most_min = std::max(most_min, wanted[j].min);
  }
  AffineBlock best = round_scales(x, weight, wanted, most_scale / 63, most_min / 63, high);
  for (int pass = 0; pass < 2; ++pass) {
    float d, dmin;
    if (!refit(x, weight, best, high, d, dmin)) break;
    const AffineBlock next = round_scales(x, weight, wanted, d, dmin, high);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return best;
}

/// The inverse of k_scale_min: sub-block j's six-bit pair into the twelve bytes, which start as zeros.
void put_scale_min(uint8_t* bytes, int j, int scale, int min) {
  if (j < 4) {
    bytes[j] |= static_cast<uint8_t>(scale);
    bytes[j + 4] |= static_cast<uint8_t>(min);
  } else {
    bytes[j + 4] = static_cast<uint8_t>((scale & 15) | (min & 15) << 4);
    bytes[j - 4] |= static_cast<uint8_t>((scale >> 4) << 6);
    bytes[j] |= static_cast<uint8_t>((min >> 4) << 6);
  }
}

/// Header of a Q4_K or Q5_K block, and its 256 codes.
template <class Block>
void write_affine(const float* x, float high, Block& block, uint8_t* codes) {
  const AffineBlock fitted = fit_affine_block(x, high);
  block = {};
  block.d = fitted.d;
  block.dmin = fitted.dmin;
  for (int j = 0; j < kSubBlocks; ++j) {
    put_scale_min(block.scales, j, fitted.scale[j], fitted.min[j]);
    const SubBlockCode code = sub_block_code(f16_to_f32(fitted.d), f16_to_f32(fitted.dmin), fitted.scale[j], fitted.min[j], high);
    for (int i = j * kSubBlock; i < (j + 1) * kSubBlock; ++i) codes[i] = static_cast<uint8_t>(code(x[i]));
  }
}

}  // namespace

void write_block(const float* x, BlockQ4_K& block) {
  uint8_t codes[256];
  write_affine(x, 15, block, codes);
  for (int i = 0; i < 128; ++i) {
    const int first = i / 32 * 64 + i % 32;   // a byte holds values 32 apart
    block.qs[i] = static_cast<uint8_t>(codes[first] | codes[first + 32] << 4);
  }
}

void write_block(const float* x, BlockQ5_K& block) {
  uint8_t codes[256];
  write_affine(x, 31, block, codes);
  for (int i = 0; i < 128; ++i) {
    const int first = i / 32 * 64 + i % 32;
    block.qs[i] = static_cast<uint8_t>((codes[first] & 15) | (codes[first + 32] & 15) << 4);
  }
  for (int i = 0; i < 256; ++i) block.qh[i % 32] |= static_cast<uint8_t>((codes[i] >> 4) << (i / 32));
}

void write_block(const float* x, BlockQ6_K& block) {
  block = {};
  float weight[256], wanted[16], most = 0;
  for (int j = 0; j < 16; ++j) {
    importance<16>(x + j * 16, weight + j * 16);
    wanted[j] = fit_scale<16>(x + j * 16, weight + j * 16, -32);
    if (std::abs(wanted[j]) > std::abs(most)) most = wanted[j];
  }
  block.d = f32_to_f16(most / -128);
  const float d = f16_to_f32(block.d);
  if (d == 0) return block = {}, void();
  uint8_t codes[256];
  for (int j = 0; j < 16; ++j) {
    const int near = static_cast<int>(clamped_code(wanted[j] / d, -128, 127));
    float best = INFINITY;
    for (int scale = std::max(near - 1, -128); scale <= std::min(near + 1, 127); ++scale) {
      const float step = d * static_cast<float>(scale), inverse = step != 0 ? 1 / step : 0.f;
      const float error = run_error<16>(x + j * 16, weight + j * 16, [=](float v) { return step * clamped_code(v * inverse, -32, 31); });
      if (error < best) best = error, block.scales[j] = static_cast<int8_t>(scale);
    }
    const float step = d * static_cast<float>(block.scales[j]), inverse = step != 0 ? 1 / step : 0.f;
    for (int i = j * 16; i < (j + 1) * 16; ++i) codes[i] = static_cast<uint8_t>(clamped_code(x[i] * inverse, -32, 31) + 32);
  }
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i / 32 % 4, l = i % 32;
    block.ql[half * 64 + k % 2 * 32 + l] |= static_cast<uint8_t>((codes[i] & 15) << (k < 2 ? 0 : 4));
    block.qh[half * 32 + l] |= static_cast<uint8_t>((codes[i] >> 4) << (2 * k));
  }
}

}  // namespace conclave
