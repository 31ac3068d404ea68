// The words that Metal has no instruction for, spelt out. Compiled as Metal and, for tests, on the host, in the dialect of
// the simt.h that includes this; ops/gpu_host/simt.h says what each means.
#pragma once

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_DEVICE int signed_byte(uint32_t word, int i) { return static_cast<int>(word << (24 - 8 * i)) >> 24; }

CONCLAVE_DEVICE int dot4(uint32_t a, uint32_t b, int c) {
  return c + signed_byte(a, 0) * signed_byte(b, 0) + signed_byte(a, 1) * signed_byte(b, 1) + signed_byte(a, 2) * signed_byte(b, 2) + signed_byte(a, 3) * signed_byte(b, 3);
}

CONCLAVE_DEVICE uint32_t byte_of_two(uint32_t a, uint32_t b, uint32_t nibble) { return ((nibble & 4u) != 0u ? b : a) >> 8u * (nibble & 3u) & 255u; }

CONCLAVE_DEVICE uint32_t byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
  return byte_of_two(a, b, selector) | byte_of_two(a, b, selector >> 4) << 8 | byte_of_two(a, b, selector >> 8) << 16 | byte_of_two(a, b, selector >> 12) << 24;
}

CONCLAVE_DEVICE uint32_t funnel_right(uint32_t low, uint32_t high, int bits) { return low >> bits | high << 1 << (31 - bits); }

CONCLAVE_DEVICE float bf16_value(uint16_t bits) { return float_of(static_cast<uint32_t>(bits) << 16); }

/// Round to nearest even; NaN stays NaN.
CONCLAVE_DEVICE uint16_t bf16_bits(float value) {
  const uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/// ln(1 + x) of a finite x, corrected by what rounding 1 + x leaves out (Goldberg 1991, theorem 4).
CONCLAVE_DEVICE float log1pf(float x) {
  const float u = 1.f + x;
  return u == 1.f ? x : logf(u) * (x / (u - 1.f));
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT
