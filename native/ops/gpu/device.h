// What kernels are written in: the words of the device that they are compiled for, and what follows from them. A kernel
// includes this and nothing of a device, so that the same source runs on CUDA and on the host.
#pragma once
#if defined(__CUDACC__)
#include "ops/cuda/simt.h"
#else
#include "ops/gpu_host/simt.h"
#endif

namespace conclave {

inline constexpr int kLanes = 32;

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
CONCLAVE_DEVICE float block_sum(float value, int thread, Shared<float> room) {
  value = warp_sum(value);
  if (thread % kLanes == 0) room[thread / kLanes] = value;
  block_barrier();
  float sum = 0.f;
  CONCLAVE_UNROLL
  for (int i = 0; i < kThreads / kLanes; ++i) sum += room[i];
  block_barrier();
  return sum;
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

}  // namespace conclave
