// GGUF's block formats on a device: 32 values at a time, as the bytes that an integer product wants. Layouts are those of
// formats/quant_blocks.h. A unit is what one lane decodes: two runs of 16 values whose codes lie together in the file,
// value = scale * code - min. Buffers are aligned and rows are whole blocks, so a block lies at a multiple of what its own
// size is a multiple of.
#pragma once
#include "ops/gpu/device.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

// Formats have a scale for each kScaled values, and a unit's runs lie in blocks of 32 that are kApart from one another.
struct Unit {
  uint32_t codes[8];   // signed bytes: of the first run in codes[0..3], of the second in codes[4..7]
  float scale[2];
  float min[2];        // only where the format has one
  int at[2];           // where the runs begin in the row; multiples of 16
};

/// 16 bytes from any address that is a multiple of kAlign.
template <int kAlign>
CONCLAVE_DEVICE Words4 load16(Global<const uint8_t> p) {
  Words4 out;
  if (kAlign == 16) return load_as<Words4>(p);
  if (kAlign == 4) {
    CONCLAVE_UNROLL
    for (int i = 0; i < 4; ++i) out.w[i] = load_as<uint32_t>(p + 4 * i);
    return out;
  }
  // Whole words around it, shifted together: buffers are rounded up to 16 bytes.
  const int over = static_cast<int>(address_of(p) & 3);
  const Global<const uint8_t> base = p + -over;
  uint32_t low = load_as<uint32_t>(base);
  CONCLAVE_UNROLL
  for (int i = 0; i < 4; ++i) {
    const uint32_t high = i < 3 || over != 0 ? load_as<uint32_t>(base + 4 * (i + 1)) : 0u;
    out.w[i] = funnel_right(low, high, 8 * over);
    low = high;
  }
  return out;
}

CONCLAVE_DEVICE uint32_t load2(Global<const uint8_t> p) { return load_as<uint16_t>(p); }
CONCLAVE_DEVICE uint32_t load4(Global<const uint8_t> p) { return load2(p) | load2(p + 2) << 16; }
CONCLAVE_DEVICE float load_half(Global<const uint8_t> p) { return f16_value(static_cast<uint16_t>(load2(p))); }

CONCLAVE_DEVICE uint32_t low_nibbles(uint32_t w) { return w & 0x0f0f0f0fu; }
CONCLAVE_DEVICE uint32_t high_nibbles(uint32_t w) { return w >> 4 & 0x0f0f0f0fu; }
/// byte - n in each byte, for bytes below 128 and n up to 128.
CONCLAVE_DEVICE uint32_t minus_each(uint32_t w, uint32_t n) { return ((w | 0x80808080u) - n * 0x01010101u) ^ 0x80808080u; }
/// Bit i of the low four becomes bit 4 of byte i.
CONCLAVE_DEVICE uint32_t fifth_bits(uint32_t bits) { return ((bits & 15u) * 0x00204081u & 0x01010101u) << 4; }

/// The two runs of a unit whose bytes hold one value in each nibble.
CONCLAVE_DEVICE void split_nibbles(CONCLAVE_THREAD const Words4& q, CONCLAVE_THREAD Unit& unit) {
  CONCLAVE_UNROLL
  for (int i = 0; i < 4; ++i) {
    unit.codes[i] = low_nibbles(q.w[i]);
    unit.codes[4 + i] = high_nibbles(q.w[i]);
  }
}

/// The same through a table of 16 signed bytes.
CONCLAVE_DEVICE void look_up_nibbles(CONCLAVE_THREAD const Words4& q, CONCLAVE_THREAD const uint32_t (&table)[4], CONCLAVE_THREAD Unit& unit) {
  CONCLAVE_UNROLL
  for (int i = 0; i < 4; ++i) {
    uint32_t found[2];   // of the low and of the high half word's nibbles, in their order
    CONCLAVE_UNROLL
    for (int part = 0; part < 2; ++part) {
      const uint32_t nibbles = q.w[i] >> 16 * part & 0xffffu;
      const uint32_t lower = byte_perm(table[0], table[1], nibbles & 0x7777u), upper = byte_perm(table[2], table[3], nibbles & 0x7777u);
      found[part] = byte_perm(lower, upper, 0x3210u + ((nibbles & 0x8888u) >> 1));
    }
    unit.codes[i] = byte_perm(found[0], found[1], 0x6420u);
    unit.codes[4 + i] = byte_perm(found[0], found[1], 0x7531u);
  }
}

CONCLAVE_DEVICE void in_one_block(int unit_index, float scale, CONCLAVE_THREAD Unit& unit) {
  unit.scale[0] = unit.scale[1] = scale;
  unit.at[0] = 32 * unit_index;
  unit.at[1] = unit.at[0] + 16;
}

struct Q4_0 {
  static CONCLAVE_CONSTANT int kValues = 32, kBytes = 18, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = row + int64_t{index} * kBytes;
    in_one_block(index, load_half(block), unit);
    split_nibbles(load16<1>(block + 2), unit);
    CONCLAVE_UNROLL
    for (int i = 0; i < 8; ++i) unit.codes[i] = minus_each(unit.codes[i], 8);
  }
};

struct Q4_1 {
  static CONCLAVE_CONSTANT int kValues = 32, kBytes = 20, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = true;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = row + int64_t{index} * kBytes;
    in_one_block(index, load_half(block), unit);
    unit.min[0] = unit.min[1] = -load_half(block + 2);
    split_nibbles(load16<4>(block + 4), unit);
  }
};

CONCLAVE_DEVICE void add_fifth_bits(uint32_t bits, CONCLAVE_THREAD Unit& unit) {
  CONCLAVE_UNROLL
  for (int i = 0; i < 8; ++i) unit.codes[i] |= fifth_bits(bits >> 4 * i);
}

struct Q5_0 {
  static CONCLAVE_CONSTANT int kValues = 32, kBytes = 22, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = row + int64_t{index} * kBytes;
    in_one_block(index, load_half(block), unit);
    split_nibbles(load16<1>(block + 6), unit);
    add_fifth_bits(load4(block + 2), unit);
    CONCLAVE_UNROLL
    for (int i = 0; i < 8; ++i) unit.codes[i] = minus_each(unit.codes[i], 16);
  }
};

struct Q5_1 {
  static CONCLAVE_CONSTANT int kValues = 32, kBytes = 24, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = true;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = row + int64_t{index} * kBytes;
    in_one_block(index, load_half(block), unit);
    unit.min[0] = unit.min[1] = -load_half(block + 2);
    split_nibbles(load16<4>(block + 8), unit);
    add_fifth_bits(load_as<uint32_t>(block + 4), unit);
  }
};

struct Q8_0 {
  static CONCLAVE_CONSTANT int kValues = 32, kBytes = 34, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = row + int64_t{index} * kBytes;
    in_one_block(index, load_half(block), unit);
    const Words4 first = load16<1>(block + 2), second = load16<1>(block + 18);
    CONCLAVE_UNROLL
    for (int i = 0; i < 4; ++i) {
      unit.codes[i] = first.w[i];
      unit.codes[4 + i] = second.w[i];
    }
  }
};

struct IQ4_NL {
  static CONCLAVE_CONSTANT int kValues = 32, kBytes = 18, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = row + int64_t{index} * kBytes;
    const uint32_t table[4] = {0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u};   // kIq4Values
    in_one_block(index, load_half(block), unit);
    look_up_nibbles(load16<1>(block + 2), table, unit);
  }
};

struct MXFP4 {
  static CONCLAVE_CONSTANT int kValues = 32, kBytes = 17, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = row + int64_t{index} * kBytes;
    const uint32_t table[4] = {0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu};   // kMxfp4Doubled
    in_one_block(index, ldexpf(1.f, static_cast<int>(block[0]) - 128), unit);
    look_up_nibbles(load16<1>(block + 1), table, unit);
  }
};

/// Where a unit lies in a row of super-blocks of 256 values.
template <int kBytes>
CONCLAVE_DEVICE Global<const uint8_t> super_block(Global<const uint8_t> row, int index) { return row + int64_t{index / 8} * kBytes; }

/// Two bits of each byte from `shift` on, 16 bytes for each run: value 32 k + l of each half lies at bit 2 k of byte l.
CONCLAVE_DEVICE void two_bits(CONCLAVE_THREAD const Words4& first, CONCLAVE_THREAD const Words4& second, int shift, CONCLAVE_THREAD Unit& unit) {
  CONCLAVE_UNROLL
  for (int i = 0; i < 4; ++i) {
    unit.codes[i] = first.w[i] >> shift & 0x03030303u;
    unit.codes[4 + i] = second.w[i] >> shift & 0x03030303u;
  }
}

struct Q2_K {
  static CONCLAVE_CONSTANT int kValues = 256, kBytes = 84, kScaled = 16, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = true;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = super_block<kBytes>(row, index);
    const int sub = index % 8;
    const float d = load_half(block + 80), dmin = load_half(block + 82);
    two_bits(load16<4>(block + (16 + sub / 4 * 32)), load16<4>(block + (32 + sub / 4 * 32)), sub % 4 * 2, unit);
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int scale = block[2 * sub + i];
      unit.scale[i] = d * static_cast<float>(scale & 15);
      unit.min[i] = dmin * static_cast<float>(scale >> 4);
      unit.at[i] = 32 * index + 16 * i;
    }
  }
};

struct Q3_K {
  static CONCLAVE_CONSTANT int kValues = 256, kBytes = 110, kScaled = 16, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = super_block<kBytes>(row, index);
    const int sub = index % 8;
    const float d = load_half(block + 108);
    two_bits(load16<1>(block + (32 + sub / 4 * 32)), load16<1>(block + (48 + sub / 4 * 32)), sub % 4 * 2, unit);
    const Words4 high[2] = {load16<1>(block), load16<1>(block + 16)};
    CONCLAVE_UNROLL
    for (int i = 0; i < 8; ++i) unit.codes[i] = minus_each(unit.codes[i] | (high[i / 4].w[i % 4] >> sub & 0x01010101u) << 2, 4);
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int s = 2 * sub + i;
      const int low = s < 8 ? block[96 + s] & 15 : block[96 + s - 8] >> 4, top = block[104 + s % 4] >> 2 * (s / 4) & 3;
      unit.scale[i] = d * static_cast<float>((low | top << 4) - 32);
      unit.at[i] = 32 * index + 16 * i;
    }
  }
};

/// Scale and min of a sub-block of Q4_K and Q5_K, six bits each.
CONCLAVE_DEVICE void k_scale_and_min(Global<const uint8_t> scales, int sub, float d, float dmin, CONCLAVE_THREAD float& scale, CONCLAVE_THREAD float& min) {
  int s, m;
  if (sub < 4) {
    s = scales[sub] & 63;
    m = scales[sub + 4] & 63;
  } else {
    s = (scales[sub + 4] & 15) | scales[sub - 4] >> 6 << 4;
    m = scales[sub + 4] >> 4 | scales[sub] >> 6 << 4;
  }
  scale = d * static_cast<float>(s);
  min = dmin * static_cast<float>(m);
}

/// Scales and places of a unit of Q4_K and Q5_K: 16 of the 32 bytes that hold two sub-blocks, one in each nibble.
CONCLAVE_DEVICE void k_runs(Global<const uint8_t> block, int index, CONCLAVE_THREAD Unit& unit) {
  const int pair = index % 8 / 2;
  const float d = load_half(block), dmin = load_half(block + 2);
  CONCLAVE_UNROLL
  for (int i = 0; i < 2; ++i) {
    k_scale_and_min(block + 4, 2 * pair + i, d, dmin, unit.scale[i], unit.min[i]);
    unit.at[i] = index / 8 * 256 + 64 * pair + 32 * i + 16 * (index % 2);
  }
}

struct Q4_K {
  static CONCLAVE_CONSTANT int kValues = 256, kBytes = 144, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = true;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = super_block<kBytes>(row, index);
    k_runs(block, index, unit);
    split_nibbles(load16<16>(block + (16 + index % 8 * 16)), unit);
  }
};

struct Q5_K {
  static CONCLAVE_CONSTANT int kValues = 256, kBytes = 176, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = true;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = super_block<kBytes>(row, index);
    const int pair = index % 8 / 2;
    k_runs(block, index, unit);
    split_nibbles(load16<16>(block + (48 + index % 8 * 16)), unit);
    const Words4 high = load16<16>(block + (16 + index % 2 * 16));
    CONCLAVE_UNROLL
    for (int i = 0; i < 8; ++i) unit.codes[i] |= (high.w[i % 4] >> (2 * pair + i / 4) & 0x01010101u) << 4;
  }
};

struct Q6_K {
  static CONCLAVE_CONSTANT int kValues = 256, kBytes = 210, kScaled = 16, kApart = 2;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = super_block<kBytes>(row, index);
    // Of each half of 128 values: 32 k + l has its low bits in a nibble of byte 32 (k % 2) + l, its top two at bit 2 k of byte l.
    const int part = index % 8 / 4, k = index % 4 / 2, run = index % 2;
    const float d = load_half(block + 208);
    split_nibbles(load16<1>(block + (part * 64 + k * 32 + run * 16)), unit);
    const Words4 high = load16<1>(block + (128 + part * 32 + run * 16));
    CONCLAVE_UNROLL
    for (int i = 0; i < 8; ++i) unit.codes[i] = minus_each(unit.codes[i] | (high.w[i % 4] >> 2 * (k + i / 4 * 2) & 0x03030303u) << 4, 32);
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int at = part * 128 + (k + 2 * i) * 32 + run * 16;
      unit.scale[i] = d * static_cast<float>(static_cast<int8_t>(block[192 + at / 16]));
      unit.at[i] = index / 8 * 256 + at;
    }
  }
};

struct IQ4_XS {
  static CONCLAVE_CONSTANT int kValues = 256, kBytes = 136, kScaled = 32, kApart = 1;
  static CONCLAVE_CONSTANT bool kHasMin = false;
  static CONCLAVE_DEVICE void load(Global<const uint8_t> row, int index, CONCLAVE_THREAD Unit& unit) {
    const Global<const uint8_t> block = super_block<kBytes>(row, index);
    const uint32_t table[4] = {0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u};   // kIq4Values
    const int sub = index % 8;
    const int low = block[4 + sub / 2] >> 4 * (sub % 2) & 15, high = static_cast<int>(load2(block + 2) >> 2 * sub & 3u);
    in_one_block(index, load_half(block) * static_cast<float>((low | high << 4) - 32), unit);
    look_up_nibbles(load16<4>(block + (8 + sub * 16)), table, unit);
  }
};

// Plain numbers: one value from its bytes.
struct F32 {
  static CONCLAVE_CONSTANT int kValues = 1, kBytes = 4;
  static CONCLAVE_DEVICE float value(Global<const uint8_t> p) { return load_as<float>(p); }
};
struct F16 {
  static CONCLAVE_CONSTANT int kValues = 1, kBytes = 2;
  static CONCLAVE_DEVICE float value(Global<const uint8_t> p) { return f16_value(load_as<uint16_t>(p)); }
  static CONCLAVE_DEVICE uint32_t two_halves(uint32_t two) { return two; }
};
struct BF16 {
  static CONCLAVE_CONSTANT int kValues = 1, kBytes = 2;
  static CONCLAVE_DEVICE float value(Global<const uint8_t> p) { return bf16_value(load_as<uint16_t>(p)); }
  static CONCLAVE_DEVICE uint32_t two_halves(uint32_t two) {
    const uint32_t low = f16_bits(bf16_value(static_cast<uint16_t>(two))), high = f16_bits(bf16_value(static_cast<uint16_t>(two >> 16)));
    return low | high << 16;
  }
};

template <class Format>
CONCLAVE_CONSTANT bool kIsPlain = Format::kValues == 1;

}  // namespace conclave::gpu::CONCLAVE_DIALECT
