// The kernels by name, for those who launch them without knowing how they are written.
#pragma once
#include <cstddef>
#include <cstdint>

namespace conclave::gpu {

enum class KernelId : int32_t {
  kQuantize, kProduct, kSortPairs, kDensePairs, kGateUp, kDownFew, kDownMany, kNorm, kAdd, kGate, kSplit, kTails, kEmbed,
  kRowScales, kRope, kStoreKv, kAttend, kMergeRuns, kChoose, kConvolve, kKeepInputs, kDeltaSteps,
};

inline const char* kernel_name(KernelId id) {
  constexpr const char* kNames[] = {"quantize", "product", "sort_pairs", "dense_pairs", "gate_up", "down_few", "down_many", "norm", "add", "gate", "split", "tails", "embed",
                                    "row_scales", "rope", "store_kv", "attend", "merge_runs", "choose", "convolve", "keep_inputs", "delta_steps"};
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == static_cast<size_t>(KernelId::kDeltaSteps) + 1);
  return kNames[static_cast<int32_t>(id)];
}

/// Blocks in each direction.
struct Grid { int32_t x = 1, y = 1, z = 1; };

}  // namespace conclave::gpu
