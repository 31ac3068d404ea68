// All kernels a second time, in the words of Metal that a host can have; see simt.h.
#define CONCLAVE_METAL_ON_HOST
#include "ops/gpu_host/run_kernel.h"

namespace conclave::gpu_host {

bool run_metal_kernel(gpu::KernelId kernel, int format, gpu::Grid grid, const void* args, size_t args_bytes) { return gpu::metal_on_host::run_kernel(kernel, format, grid, args, args_bytes); }

}  // namespace conclave::gpu_host
