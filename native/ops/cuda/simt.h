// The words that kernels are written in, in CUDA; see ops/gpu_host/simt.h for what each means.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#define CONCLAVE_DIALECT cuda
#define CONCLAVE_DEVICE __device__ __forceinline__
#define CONCLAVE_CONSTANT inline constexpr
#define CONCLAVE_UNROLL _Pragma("unroll")
#define CONCLAVE_THREAD
#define CONCLAVE_ARGS

namespace conclave::gpu::CONCLAVE_DIALECT {

template <class T>
using Global = T*;
template <class T>
using Shared = T*;

struct Place {
  int x, y, z;
  int index;
};

struct alignas(16) Words4 { uint32_t w[4]; };
struct alignas(16) Floats4 { float f[4]; };

template <class U, class T>
CONCLAVE_DEVICE U* as(T* p) { return reinterpret_cast<U*>(p); }
template <class T>
CONCLAVE_DEVICE uintptr_t address_of(T* p) { return reinterpret_cast<uintptr_t>(p); }
template <class U, class T>
CONCLAVE_DEVICE U load_as(T* p) { return *reinterpret_cast<const U*>(p); }
template <class U, class T>
CONCLAVE_DEVICE void store_as(T* p, const U& value) { *reinterpret_cast<U*>(p) = value; }

CONCLAVE_DEVICE void block_barrier() { __syncthreads(); }
CONCLAVE_DEVICE void warp_barrier() { __syncwarp(); }
CONCLAVE_DEVICE float lane_xor(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
CONCLAVE_DEVICE int lane_xor(int value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }

CONCLAVE_DEVICE int dot4(uint32_t a, uint32_t b, int c) { return __dp4a(static_cast<int>(a), static_cast<int>(b), c); }
CONCLAVE_DEVICE uint32_t byte_perm(uint32_t a, uint32_t b, uint32_t selector) { return __byte_perm(a, b, selector); }
CONCLAVE_DEVICE uint32_t funnel_right(uint32_t low, uint32_t high, int bits) { return __funnelshift_r(low, high, bits); }

CONCLAVE_DEVICE float float_of(uint32_t bits) { return __uint_as_float(bits); }
CONCLAVE_DEVICE float f16_value(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
CONCLAVE_DEVICE float bf16_value(uint16_t bits) { return __uint_as_float(static_cast<uint32_t>(bits) << 16); }
CONCLAVE_DEVICE uint16_t f16_bits(float value) { return __half_as_ushort(__float2half_rn(value)); }
CONCLAVE_DEVICE uint16_t bf16_bits(float value) { return __bfloat16_as_ushort(__float2bfloat16_rn(value)); }

CONCLAVE_DEVICE int atomic_add(int32_t* counter, int value) { return atomicAdd(counter, value); }

}  // namespace conclave::gpu::CONCLAVE_DIALECT

#include "ops/cuda/fragments.h"
