// The words that kernels are written in, in the Metal Shading Language; see ops/gpu_host/simt.h for what each means. This
// and all that kernels include becomes one text (embed.cmake), compiled on the Mac by its driver. MSL is C++14 with a few
// things of its own: every pointer and reference names its address space, and constants live in one.
#pragma once
#include <metal_simdgroup_matrix>
#include <metal_stdlib>

#pragma clang diagnostic ignored "-Wc++17-extensions"   // if constexpr, namespaces written a::b

#define CONCLAVE_DIALECT as_metal
#define CONCLAVE_DEVICE inline __attribute__((always_inline))
#define CONCLAVE_CONSTANT constant constexpr
#define CONCLAVE_UNROLL _Pragma("clang loop unroll(full)")
#define CONCLAVE_THREAD thread
#define CONCLAVE_ARGS constant

namespace conclave::gpu::CONCLAVE_DIALECT {

template <class T>
using Global = device T*;
template <class T>
using Shared = threadgroup T*;

struct Place {
  int x, y, z;
  int index;
};

struct alignas(16) Words4 { uint32_t w[4]; };
struct alignas(16) Floats4 { float f[4]; };

template <class U, class T>
CONCLAVE_DEVICE device U* as(device T* p) { return reinterpret_cast<device U*>(p); }
template <class U, class T>
CONCLAVE_DEVICE threadgroup U* as(threadgroup T* p) { return reinterpret_cast<threadgroup U*>(p); }
template <class T>
CONCLAVE_DEVICE ulong address_of(device T* p) { return reinterpret_cast<ulong>(p); }

/// How a whole vector is loaded: as one of Metal's own where there is one, else by words.
template <class U>
struct Load {
  static CONCLAVE_DEVICE U from(device const uint32_t* p) {
    static_assert(sizeof(U) % 4 == 0, "whole words");
    U value;
    CONCLAVE_UNROLL
    for (uint i = 0; i < sizeof(U) / 4; ++i) reinterpret_cast<thread uint32_t*>(&value)[i] = p[i];
    return value;
  }
  static CONCLAVE_DEVICE U from(threadgroup const uint32_t* p) {
    U value;
    CONCLAVE_UNROLL
    for (uint i = 0; i < sizeof(U) / 4; ++i) reinterpret_cast<thread uint32_t*>(&value)[i] = p[i];
    return value;
  }
  using Word = uint32_t;
};
template <class U>
struct LoadWhole {
  using Word = U;
  static CONCLAVE_DEVICE U from(device const U* p) { return *p; }
  static CONCLAVE_DEVICE U from(threadgroup const U* p) { return *p; }
};
template <>
struct Load<float> : LoadWhole<float> {};
template <>
struct Load<uint32_t> : LoadWhole<uint32_t> {};
template <>
struct Load<uint16_t> : LoadWhole<uint16_t> {};
template <>
struct Load<Words4> {
  using Word = uint4;
  static CONCLAVE_DEVICE Words4 of(uint4 v) { return {{v.x, v.y, v.z, v.w}}; }
  static CONCLAVE_DEVICE Words4 from(device const uint4* p) { return of(*p); }
  static CONCLAVE_DEVICE Words4 from(threadgroup const uint4* p) { return of(*p); }
};
template <>
struct Load<Floats4> {
  using Word = float4;
  static CONCLAVE_DEVICE Floats4 of(float4 v) { return {{v.x, v.y, v.z, v.w}}; }
  static CONCLAVE_DEVICE Floats4 from(device const float4* p) { return of(*p); }
  static CONCLAVE_DEVICE Floats4 from(threadgroup const float4* p) { return of(*p); }
};
template <class U, class T>
CONCLAVE_DEVICE U load_as(device T* p) { return Load<U>::from(reinterpret_cast<device const typename Load<U>::Word*>(p)); }
template <class U, class T>
CONCLAVE_DEVICE U load_as(threadgroup T* p) { return Load<U>::from(reinterpret_cast<threadgroup const typename Load<U>::Word*>(p)); }
template <class U, class T>
CONCLAVE_DEVICE void store_as(threadgroup T* p, thread const U& value) {
  static_assert(sizeof(U) == 16, "the one whole vector that kernels store");
  uint4 words;
  words.x = value.w[0];
  words.y = value.w[1];
  words.z = value.w[2];
  words.w = value.w[3];
  *reinterpret_cast<threadgroup uint4*>(p) = words;
}

// Both kinds of memory: kernels hand each other's threads values through either.
CONCLAVE_DEVICE void block_barrier() { metal::threadgroup_barrier(metal::mem_flags::mem_device | metal::mem_flags::mem_threadgroup); }
CONCLAVE_DEVICE void warp_barrier() { metal::simdgroup_barrier(metal::mem_flags::mem_device | metal::mem_flags::mem_threadgroup); }
CONCLAVE_DEVICE float lane_xor(float value, int mask) { return metal::simd_shuffle_xor(value, static_cast<ushort>(mask)); }
CONCLAVE_DEVICE int lane_xor(int value, int mask) { return metal::simd_shuffle_xor(value, static_cast<ushort>(mask)); }

CONCLAVE_DEVICE float float_of(uint32_t bits) { return as_type<float>(bits); }
CONCLAVE_DEVICE uint32_t bits_of(float value) { return as_type<uint32_t>(value); }
CONCLAVE_DEVICE float f16_value(uint16_t bits) { return static_cast<float>(as_type<half>(bits)); }
CONCLAVE_DEVICE uint16_t f16_bits(float value) { return as_type<uint16_t>(static_cast<half>(value)); }

// C's names, which kernels use. MSL overloads without the f; the precise ones, whatever the compiler's mode of mathematics.
CONCLAVE_DEVICE float expf(float x) { return metal::precise::exp(x); }
CONCLAVE_DEVICE float logf(float x) { return metal::precise::log(x); }
CONCLAVE_DEVICE float sinf(float x) { return metal::precise::sin(x); }
CONCLAVE_DEVICE float cosf(float x) { return metal::precise::cos(x); }
CONCLAVE_DEVICE float tanhf(float x) { return metal::precise::tanh(x); }
CONCLAVE_DEVICE float sqrtf(float x) { return metal::precise::sqrt(x); }
CONCLAVE_DEVICE float rintf(float x) { return metal::rint(x); }
CONCLAVE_DEVICE float fabsf(float x) { return metal::fabs(x); }
CONCLAVE_DEVICE float fmaxf(float x, float y) { return metal::fmax(x, y); }
CONCLAVE_DEVICE float fminf(float x, float y) { return metal::fmin(x, y); }
CONCLAVE_DEVICE float fmaf(float x, float y, float z) { return metal::fma(x, y, z); }
CONCLAVE_DEVICE float ldexpf(float x, int exponent) { return metal::ldexp(x, exponent); }

/// A whole simdgroup's product of 8 x 8: (d0, d1) += a . b, each lane's two neighbours as halves.
CONCLAVE_DEVICE void multiply_8x8(thread float& d0, thread float& d1, uint32_t a, uint32_t b) {
  metal::simdgroup_half8x8 left, right;
  metal::simdgroup_float8x8 sum;
  reinterpret_cast<thread half2&>(left.thread_elements()) = as_type<half2>(a);
  reinterpret_cast<thread half2&>(right.thread_elements()) = as_type<half2>(b);
  float2 both;
  both.x = d0;
  both.y = d1;
  reinterpret_cast<thread float2&>(sum.thread_elements()) = both;
  metal::simdgroup_multiply_accumulate(sum, left, right, sum);
  both = reinterpret_cast<thread float2&>(sum.thread_elements());
  d0 = both.x;
  d1 = both.y;
}

CONCLAVE_DEVICE int atomic_add(threadgroup int32_t* counter, int value) {
  return metal::atomic_fetch_add_explicit(reinterpret_cast<threadgroup metal::atomic_int*>(counter), value, metal::memory_order_relaxed);
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT

#include "ops/metal/words.h"
#include "ops/metal/fragments.h"
