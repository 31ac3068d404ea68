// What kernels are written in: the words of the device that they are compiled for, and what follows from them. A kernel
// includes this and nothing of a device, so that the same source runs on CUDA, on Metal and on the host. What is valid in all
// of C++20, CUDA and MSL (C++14 with address spaces), checked by build/metal.test.ts:
//   - in namespace conclave::gpu::CONCLAVE_DIALECT, so that two languages can meet in one program; listed in kernel_table.h
//   - references say where their object lies: CONCLAVE_THREAD T& (also to arrays), CONCLAVE_ARGS const Args&; pointers are
//     Global<T>, Shared<T> and, in arguments, Pointer<T>; a struct in memory is read by load_as, never copied from a reference
//   - constants, of namespaces and of structs (static), are CONCLAVE_CONSTANT; variable templates are never specialised
//   - no lambdas, no double, no std::, and no name that is a word of MSL: thread, half, device, constant, kernel, fragment, vertex
#pragma once
#if defined(__CUDACC__)
#include "ops/cuda/simt.h"
#elif defined(__METAL_VERSION__)
#include "ops/metal/simt.h"
#else
#include "ops/gpu_host/simt.h"
#endif

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kLanes = 32;

CONCLAVE_DEVICE float warp_sum(float value) {
  CONCLAVE_UNROLL
  for (int mask = kLanes / 2; mask > 0; mask /= 2) value += lane_xor(value, mask);
  return value;
}
CONCLAVE_DEVICE float warp_max(float value) {
  CONCLAVE_UNROLL
  for (int mask = kLanes / 2; mask > 0; mask /= 2) value = fmaxf(value, lane_xor(value, mask));
  return value;
}

/// Sum over a block of kThreads, the same in every thread. `room`: a float for each warp; free again on return.
template <int kThreads>
CONCLAVE_DEVICE float block_sum(float value, int index, Shared<float> room) {
  value = warp_sum(value);
  if (index % kLanes == 0) room[index / kLanes] = value;
  block_barrier();
  float sum = 0.f;
  CONCLAVE_UNROLL
  for (int i = 0; i < kThreads / kLanes; ++i) sum += room[i];
  block_barrier();
  return sum;
}

/// Sum of the values of a block's threads, up to and with each one's own. `sums`: an int for each thread.
template <int kThreads>
CONCLAVE_DEVICE int block_running_sum(int value, int index, Shared<int32_t> sums) {
  sums[index] = value;
  block_barrier();
  for (int step = 1; step < kThreads; step *= 2) {
    const int before = index >= step ? sums[index - step] : 0;
    block_barrier();
    sums[index] = sums[index] + before;
    block_barrier();
  }
  return sums[index];
}

/// Over the row of a tile of sums, from one value a lane: what the four lanes that share the row gave.
CONCLAVE_DEVICE float tile_row_sum(float value) {
  value += lane_xor(value, kSameRowNear);
  return value + lane_xor(value, kSameRowFar);
}
CONCLAVE_DEVICE float tile_row_max(float value) {
  value = fmaxf(value, lane_xor(value, kSameRowNear));
  return fmaxf(value, lane_xor(value, kSameRowFar));
}

CONCLAVE_DEVICE float logistic(float x) { return 1.f / (1.f + expf(-x)); }

}  // namespace conclave::gpu::CONCLAVE_DIALECT
