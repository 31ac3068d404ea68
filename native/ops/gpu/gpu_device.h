// What the ops ask of a device: memory, copies, and kernels in the order of their launches. CUDA, Metal and the host's
// stand-in each are one. Calls throw Error; kOutOfMemory says how much was asked for and is free.
#pragma once
#include <cstddef>
#include <memory>

#include "ops/gpu/kernel_id.h"
#include "ops/ops.h"

namespace conclave::gpu {

class GpuDevice {
 public:
  virtual ~GpuDevice() = default;
  virtual const char* name() const = 0;             // "cuda"
  virtual int n_processors() const = 0;             // that run blocks side by side
  virtual DeviceMemory memory() const = 0;
  virtual void* alloc(size_t bytes) = 0;            // 256-byte aligned
  virtual void free(void* buffer) = 0;
  /// `from` may change when this returns; done in the order of the launches around it.
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, const void* from, size_t bytes) = 0;   // waits for what was launched before
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  /// `args` is the struct of that kernel (kernel_args.h); `format` is a DType's number where the kernel has a form for each.
  virtual void launch(KernelId kernel, int format, Grid grid, const void* args, size_t args_bytes) = 0;
  virtual void wait() = 0;
};

/// What alloc() throws: how much was wanted and is free, and two ways out.
[[noreturn]] void throw_out_of_memory(size_t wanted, const DeviceMemory& memory);

/// The ops on that device.
std::unique_ptr<Ops> make_gpu_ops(std::unique_ptr<GpuDevice> device);

}  // namespace conclave::gpu
