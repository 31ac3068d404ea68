// A page of one key head on a device: 32 tokens, a lane for each. Keys lie so that a warp's loads are whole lines: runs of
// up to 16 bytes of one token side by side, [d / run][32 tokens][run]. Values are [32 tokens][d]. Q8_0 keeps the codes so,
// and the scales, halves, apart: keys [d / 32][32] before, values [32][d / 32] after the codes.
#pragma once
#include "ops/gpu/device.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kTokens = 32;   // ops.h, kPageTokens

struct KvF32 {
  static CONCLAVE_CONSTANT int kBytes = 4, kRun = 4;
  static CONCLAVE_DEVICE float get(Global<const uint8_t> p) { return load_as<float>(p); }
  static CONCLAVE_DEVICE void put(Global<uint8_t> p, float value) { *as<float>(p) = value; }
};
struct KvF16 {
  static CONCLAVE_CONSTANT int kBytes = 2, kRun = 8;
  static CONCLAVE_DEVICE float of(uint16_t bits) { return f16_value(bits); }
  static CONCLAVE_DEVICE float get(Global<const uint8_t> p) { return f16_value(load_as<uint16_t>(p)); }
  static CONCLAVE_DEVICE void put(Global<uint8_t> p, float value) { *as<uint16_t>(p) = f16_bits(value); }
};
struct KvBF16 {
  static CONCLAVE_CONSTANT int kBytes = 2, kRun = 8;
  static CONCLAVE_DEVICE float of(uint16_t bits) { return bf16_value(bits); }
  static CONCLAVE_DEVICE float get(Global<const uint8_t> p) { return bf16_value(load_as<uint16_t>(p)); }
  static CONCLAVE_DEVICE void put(Global<uint8_t> p, float value) { *as<uint16_t>(p) = bf16_bits(value); }
};
struct KvQ8_0 {
  static CONCLAVE_CONSTANT int kBytes = 1, kRun = 16;
  static CONCLAVE_DEVICE float get(Global<const uint8_t> p) { return static_cast<float>(static_cast<int8_t>(*p)); }
};
template <class Type>
CONCLAVE_CONSTANT bool kHasScales = Type::kBytes == 1;

template <class Type>
CONCLAVE_DEVICE int key_run(int d) { return d % Type::kRun == 0 ? Type::kRun : 1; }

/// Where element i of a token's key lies, past the scales.
CONCLAVE_DEVICE int key_element(int i, int token, int run) { return (i / run * kTokens + token) * run + i % run; }

template <class Type>
CONCLAVE_DEVICE int key_scales_bytes(int d) { return kHasScales<Type> ? d / 32 * kTokens * 2 : 0; }

/// Each warp the key and value of one token and head, 32 elements at a time.
template <class Type>
struct StoreKv {
  using Args = StoreKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = kLanes;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int slot = Global<const int32_t>(args.slots)[p.y], page = slot / kTokens, token = slot % kTokens;
    const int64_t at = int64_t{page} * args.pages.n_kv_heads + p.x;
    const Global<uint8_t> k = Global<uint8_t>(args.pages.k) + at * args.pages.k_page, v = Global<uint8_t>(args.pages.v) + at * args.pages.v_page;
    const Global<const float> key = Global<const float>(args.k) + (p.y * args.k_stride + int64_t{p.x} * args.pages.d_k);
    const Global<const float> value = Global<const float>(args.v) + (p.y * args.v_stride + int64_t{p.x} * args.pages.d_v);
    const int run = key_run<Type>(args.pages.d_k);
    for (int first = 0; first < args.pages.d_k; first += kLanes) store<true>(k, key, args.pages.d_k, first + p.index, token, run, p.index);
    for (int first = 0; first < args.pages.d_v; first += kLanes) store<false>(v, value, args.pages.d_v, first + p.index, token, run, p.index);
  }

 private:
  template <bool kKey>
  static CONCLAVE_DEVICE void store(Global<uint8_t> page, Global<const float> from, int d, int i, int token, int run, int lane) {
    const int element = kKey ? key_element(i, token, run) : token * d + i;
    if constexpr (kHasScales<Type>) {   // d is a multiple of 32
      const float x = from[i];
      const uint16_t bits = f16_bits(warp_max(fabsf(x)) / 127.f);
      const float scale = f16_value(bits), inverse = scale > 0.f && scale < 1e30f ? 1.f / scale : 0.f;
      const int code = static_cast<int>(fminf(fmaxf(rintf(x * inverse), -127.f), 127.f));
      page[(kKey ? key_scales_bytes<Type>(d) : 0) + element] = static_cast<uint8_t>(code);
      const int scale_at = kKey ? (i / 32 * kTokens + token) * 2 : kTokens * d + (token * (d / 32) + i / 32) * 2;
      if (lane == 0) *as<uint16_t>(page + scale_at) = bits;
    } else {
      if (i < d) Type::put(page + element * Type::kBytes, from[i]);
    }
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
