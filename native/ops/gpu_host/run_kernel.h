// Runs one launch to its end, block by block, with the kernels of the dialect that this is compiled in.
#pragma once
#include <string>

#include "base/error.h"
#include "ops/gpu/kernels.h"
#include "ops/gpu_host/block.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

/// Runs every block of the grid with the arguments of that kernel.
struct HostLaunch {
  const char* name;
  Grid grid;
  const void* args;
  size_t args_bytes;

  template <class Kernel>
  struct Call {
    const typename Kernel::Args* args;
    gpu_host::BlockIndex index;
    static void body(const void* context, int thread, gpu_host::Checked<unsigned char> shared) {
      const Call& call = *static_cast<const Call*>(context);
      Kernel::run(*call.args, {call.index.x, call.index.y, call.index.z, thread}, {shared.raw(), shared.range()});
    }
  };

  template <class Kernel>
  bool run() {
    static_assert(Kernel::kSharedBytes <= 32 << 10, "Metal has 32 KB of threadgroup memory");
    if (args_bytes != sizeof(typename Kernel::Args)) throw Error(ErrorCode::kInternal, std::string("kernel ") + name + " was launched with the arguments of another");
    for (gpu_host::BlockIndex at; at.z < grid.z; ++at.z)
      for (at.y = 0; at.y < grid.y; ++at.y)
        for (at.x = 0; at.x < grid.x; ++at.x) {
          const Call<Kernel> call{static_cast<const typename Kernel::Args*>(args), at};
          gpu_host::run_block(name, at, Kernel::kThreads, Kernel::kSharedBytes, &Call<Kernel>::body, &call);
        }
    return true;
  }
};

/// False: there is no such kernel.
inline bool run_kernel(KernelId kernel, int format, Grid grid, const void* args, size_t args_bytes) {
  HostLaunch launch{kernel_name(kernel), grid, args, args_bytes};
  return dispatch(kernel, format, launch);
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT

namespace conclave::gpu_host {

using RunKernel = bool (*)(gpu::KernelId kernel, int format, gpu::Grid grid, const void* args, size_t args_bytes);
/// The kernels that a Mac would run; in a file of its own, for a file has one dialect.
bool run_metal_kernel(gpu::KernelId kernel, int format, gpu::Grid grid, const void* args, size_t args_bytes);

}  // namespace conclave::gpu_host
