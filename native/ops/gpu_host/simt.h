// The words that kernels are written in, as the host has them: checked pointers, barriers and shuffles of fibers, the
// integer instructions spelt out. ops/cuda/simt.h says the same in CUDA, ops/metal/simt.h in Metal's language; a word belongs
// in all or in none. With CONCLAVE_METAL_ON_HOST the kernels are those that a Mac would run, as far as a host can have them:
// what Metal spells out is taken from its files, and its two kinds of memory do not mix.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include "formats/half.h"
#include "ops/gpu_host/block.h"

#if defined(CONCLAVE_METAL_ON_HOST)
#define CONCLAVE_DIALECT metal_on_host
#else
#define CONCLAVE_DIALECT host
#endif
#define CONCLAVE_DEVICE inline
#define CONCLAVE_CONSTANT inline constexpr
#define CONCLAVE_UNROLL
// Where a reference's object lies, for languages that want it said: in the thread, in the kernel's arguments.
#define CONCLAVE_THREAD
#define CONCLAVE_ARGS

namespace conclave::gpu::CONCLAVE_DIALECT {

template <class T>
using Global = gpu_host::Checked<T>;
template <class T>
#if defined(CONCLAVE_METAL_ON_HOST)
using Shared = gpu_host::Checked<T, gpu_host::InThreadgroup>;
#else
using Shared = gpu_host::Checked<T>;
#endif

/// Where a thread is: its block in the grid, itself in the block.
struct Place {
  int x, y, z;
  int index;
};

struct alignas(16) Words4 { uint32_t w[4]; };
struct alignas(16) Floats4 { float f[4]; };

/// A pointer to the same bytes as another type.
template <class U, class T, class Space>
inline gpu_host::Checked<U, Space> as(gpu_host::Checked<T, Space> p) { return p.template as<U>(); }
template <class T>
inline uintptr_t address_of(Global<T> p) { return reinterpret_cast<uintptr_t>(p.raw()); }
/// A whole vector at once; aligned to its size.
template <class U, class T, class Space>
inline U load_as(gpu_host::Checked<T, Space> p) {
  p.template check_holds<U>();
  U value;
  std::memcpy(&value, p.raw(), sizeof(U));
  return value;
}
template <class U, class T>
inline void store_as(Shared<T> p, const U& value) {
  p.template check_holds<U>();
  std::memcpy(p.raw(), &value, sizeof(U));
}

// Every thread of the block, or of the warp, comes here before one goes on; what they wrote before is seen after.
inline void block_barrier(gpu_host::Site site = gpu_host::Site::current()) { gpu_host::wait_block(site); }
inline void warp_barrier(gpu_host::Site site = gpu_host::Site::current()) { gpu_host::exchange(0, 0, site); }

/// The value of the lane whose number differs in the bits of `mask`.
inline float lane_xor(float value, int mask, gpu_host::Site site = gpu_host::Site::current()) {
  return std::bit_cast<float>(gpu_host::exchange(std::bit_cast<uint32_t>(value), (gpu_host::thread_now() % gpu_host::kWarp) ^ mask, site));
}
inline int lane_xor(int value, int mask, gpu_host::Site site = gpu_host::Site::current()) {
  return static_cast<int>(gpu_host::exchange(static_cast<uint32_t>(value), (gpu_host::thread_now() % gpu_host::kWarp) ^ mask, site));
}

inline float float_of(uint32_t bits) { return std::bit_cast<float>(bits); }
inline uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }
inline float f16_value(uint16_t bits) { return f16_to_f32(bits); }
inline uint16_t f16_bits(float value) { return f32_to_f16(value); }

/// Returns what was there before.
inline int atomic_add(Shared<int32_t> counter, int value) {
  const int before = *counter;
  *counter += value;
  return before;
}

#if defined(CONCLAVE_METAL_ON_HOST)
/// A whole warp's product of 8 x 8: (d0, d1) += a . b, each lane's two neighbours as halves, where ops/metal/fragments.h says.
inline void multiply_8x8(float& d0, float& d1, uint32_t a, uint32_t b, gpu_host::Site site = gpu_host::Site::current()) {
  const uint32_t own[2] = {a, b};
  const gpu_host::LaneWords* all = gpu_host::gather(own, 2, site);
  const auto at = [all](size_t side, int row, int column) {
    const int lane = row / 4 * 16 + column / 4 * 8 + row % 4 * 2 + column % 4 / 2;
    return f16_value(static_cast<uint16_t>(all[lane][side] >> 16 * (column % 2)));
  };
  const int lane = gpu_host::thread_now() % gpu_host::kWarp, row = lane / 16 * 4 + lane / 2 % 4, column = lane / 8 % 2 * 4 + lane % 2 * 2;
  for (int k = 0; k < 8; ++k) {
    d0 += at(0, row, k) * at(1, k, column);
    d1 += at(0, row, k) * at(1, k, column + 1);
  }
}
#else
/// c + the four products of signed bytes.
inline int dot4(uint32_t a, uint32_t b, int c) {
  for (int i = 0; i < 32; i += 8) c += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
  return c;
}
/// Four of the eight bytes b:a, one for each nibble of `selector` (at most 7).
inline uint32_t byte_perm(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
  uint32_t out = 0;
  for (int i = 0; i < 4; ++i) out |= static_cast<uint32_t>((bytes >> (8 * ((selector >> (4 * i)) & 7))) & 255) << (8 * i);
  return out;
}
/// The low word of high:low shifted right by `bits`, at most 31.
inline uint32_t funnel_right(uint32_t low, uint32_t high, int bits) { return static_cast<uint32_t>((static_cast<uint64_t>(high) << 32 | low) >> bits); }
inline float bf16_value(uint16_t bits) { return bf16_to_f32(bits); }
inline uint16_t bf16_bits(float value) { return f32_to_bf16(value); }
#endif

}  // namespace conclave::gpu::CONCLAVE_DIALECT

#if defined(CONCLAVE_METAL_ON_HOST)
#include "ops/metal/words.h"
#include "ops/metal/fragments.h"
#else
#include "ops/gpu_host/fragments.h"
#endif
