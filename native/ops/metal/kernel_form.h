// What a Mac has to be told of a kernel that exists only as text: where its entry point is found and how it is launched.
#pragma once
#include <cstddef>
#include <optional>

#include "ops/gpu/kernel_id.h"

namespace conclave::metal {

/// The library that holds it is the text compiled with -D`macro`=`value`; see kernels.metal.
struct KernelForm {
  const char* macro;      // "CONCLAVE_WEIGHTS"
  const char* value;      // "Q4_K"
  const char* function;   // "product"
  int threads;            // of a block
  int shared_bytes;
  size_t args_bytes;
};

/// nullopt: there is no such kernel for the format with GGUF's number `format`.
std::optional<KernelForm> kernel_form(gpu::KernelId id, int format);

inline constexpr int kMostSharedBytes = 32 << 10;   // of threadgroup memory, in every family from Apple7 on
inline constexpr size_t kMostArgsBytes = 4 << 10;   // that a command may carry

}  // namespace conclave::metal
