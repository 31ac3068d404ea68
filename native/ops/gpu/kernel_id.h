// The kernels by name, for those who launch them without knowing how they are written.
#pragma once
#include <cstdint>

#include "ops/gpu/kernel_table.h"

namespace conclave::gpu {

#define CONCLAVE_ID(id, name, type) id,
enum class KernelId : int32_t { CONCLAVE_KERNELS(CONCLAVE_ID, CONCLAVE_ID, CONCLAVE_ID) };
#undef CONCLAVE_ID

inline const char* kernel_name(KernelId id) {
#define CONCLAVE_NAME(id, name, type) name,
  constexpr const char* kNames[] = {CONCLAVE_KERNELS(CONCLAVE_NAME, CONCLAVE_NAME, CONCLAVE_NAME)};
#undef CONCLAVE_NAME
  return kNames[static_cast<int32_t>(id)];
}

/// Blocks in each direction.
struct Grid { int32_t x = 1, y = 1, z = 1; };

}  // namespace conclave::gpu
