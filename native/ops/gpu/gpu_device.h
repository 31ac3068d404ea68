// What the ops ask of a device: memory, copies to and from it, and lists of kernels, all in the order of the calls. CUDA, Metal and the host's
// stand-in each are one. Calls throw Error; kOutOfMemory says how much was asked for and is free, kDeviceLost that every call will
// fail from now on. free() never throws.
#pragma once
#include <cstddef>
#include <memory>

#include "ops/gpu/launch_list.h"
#include "ops/gpu/list_cache.h"
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
  /// `from` may change when this returns; done in the order of the lists around it.
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  /// Beside the lists, on a way of its own: see Ops. A device without one uploads at once.
  virtual uint64_t upload_beside(void* to, const void* from, size_t bytes) {
    upload(to, from, bytes);
    return 0;
  }
  virtual void await(uint64_t) {}   // by the device, not the caller
  virtual void download(std::span<const Download> downloads) = 0;   // waits for what was given before
  /// Each launch's arguments are the struct of that kernel (kernel_args.h), its format a DType's number where the kernel has a form for each.
  virtual void run(const LaunchList& list) = 0;
  virtual ListCounts list_counts() const { return {}; }
  virtual void wait() = 0;
};

/// What alloc() throws: how much was wanted and is free, and two ways out.
[[noreturn]] void throw_out_of_memory(size_t wanted, const DeviceMemory& memory);

/// What every call throws once a device is lost. `task`: what it was at; `why`: in the driver's words.
[[noreturn]] void throw_device_lost(const char* task, const char* why);

/// The ops on that device.
std::unique_ptr<Ops> make_gpu_ops(std::unique_ptr<GpuDevice> device);

}  // namespace conclave::gpu
