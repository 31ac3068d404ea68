// A GPU for tests: the same kernels, compiled for the host, every access and barrier checked. A faulty kernel is an
// Error(kInternal) with a sentence that names kernel, block and thread. One device, one thread at a time.
#pragma once
#include <memory>

#include "ops/gpu/gpu_device.h"

namespace conclave::gpu_host {

/// `name` is what its ops call themselves: "cuda-on-host". It has `memory_bytes` of memory, of which buffers take whole 256 bytes.
std::unique_ptr<gpu::GpuDevice> make_host_device(const char* name, size_t memory_bytes = size_t{1} << 40);
/// The same with the kernels in Metal's words: "metal-on-host".
std::unique_ptr<gpu::GpuDevice> make_metal_host_device(const char* name, size_t memory_bytes = size_t{1} << 40);

}  // namespace conclave::gpu_host
