// The CUDA library: the kernels for every architecture that it was built for, and the runtime calls behind cuda_api.h.
// All work goes to one stream, in order; small uploads go through a ring of pinned memory, so that none waits for the device.
#include <cuda_runtime.h>

#include <cstring>
#include <new>

#include "ops/cuda/cuda_api.h"
#include "ops/gpu/kernels.h"

namespace conclave {
namespace {

constexpr size_t kRingBytes = size_t{4} << 20;
constexpr size_t kRingPiece = size_t{256} << 10;   // larger uploads are rare (weights) and may wait

struct Context {
  cudaStream_t stream = nullptr;
  cudaDeviceProp device{};
  unsigned char* ring = nullptr;
  size_t ring_at = 0;
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads) kernel(const __grid_constant__ typename Kernel::Args args) {
  __shared__ alignas(16) unsigned char shared[Kernel::kSharedBytes > 0 ? Kernel::kSharedBytes : 16];
  Kernel::run(args, {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z), static_cast<int>(threadIdx.x)}, shared);
}

struct Launch {
  cudaStream_t stream;
  dim3 grid;
  const void* args;
  size_t args_bytes;
  template <class Kernel>
  bool run() {
    typename Kernel::Args copy;
    if (args_bytes != sizeof(copy)) return false;
    std::memcpy(&copy, args, sizeof(copy));
    kernel<Kernel><<<grid, Kernel::kThreads, 0, stream>>>(copy);
    return true;
  }
};

Context& of(void* context) { return *static_cast<Context*>(context); }

void close_context(void* context) {
  if (!context) return;
  cudaStreamDestroy(of(context).stream);
  cudaFreeHost(of(context).ring);
  delete &of(context);
}

int32_t open_context(void** context) {
  *context = nullptr;
  auto* made = new (std::nothrow) Context;
  if (!made) return cudaErrorMemoryAllocation;
  cudaError_t error = cudaSetDevice(0);
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&made->device, 0);
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&made->stream, cudaStreamNonBlocking);
  if (error == cudaSuccess) error = cudaHostAlloc(reinterpret_cast<void**>(&made->ring), kRingBytes, cudaHostAllocDefault);
  if (error != cudaSuccess) {
    close_context(made);
    return error;
  }
  *context = made;
  return 0;
}

int32_t free_memory(void* context, size_t* free_bytes, size_t* total_bytes) {
  (void)context;
  return cudaMemGetInfo(free_bytes, total_bytes);
}

int32_t alloc_buffer(void* context, size_t bytes, void** buffer) {
  (void)context;
  const cudaError_t error = cudaMalloc(buffer, (bytes + 255) / 256 * 256 + (bytes == 0 ? 256 : 0));   // vector loads touch whole words
  if (error != cudaSuccess) cudaGetLastError();   // being out of memory is no lasting state
  return error;
}

int32_t free_buffer(void* context, void* buffer) {
  const cudaError_t error = cudaStreamSynchronize(of(context).stream);
  return error != cudaSuccess ? error : cudaFree(buffer);
}

int32_t upload(void* context, void* to, const void* from, size_t bytes) {
  Context& c = of(context);
  if (bytes > kRingPiece) {
    const cudaError_t error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, c.stream);
    return error != cudaSuccess ? error : cudaStreamSynchronize(c.stream);
  }
  if (c.ring_at + bytes > kRingBytes) {   // once around: what lies there must have left
    if (const cudaError_t error = cudaStreamSynchronize(c.stream); error != cudaSuccess) return error;
    c.ring_at = 0;
  }
  std::memcpy(c.ring + c.ring_at, from, bytes);
  const cudaError_t error = cudaMemcpyAsync(to, c.ring + c.ring_at, bytes, cudaMemcpyHostToDevice, c.stream);
  c.ring_at += (bytes + 255) / 256 * 256;
  return error;
}

int32_t download(void* context, void* to, const void* from, size_t bytes) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, of(context).stream);
  return error != cudaSuccess ? error : cudaStreamSynchronize(of(context).stream);
}

int32_t copy_on_device(void* context, void* to, const void* from, size_t bytes) { return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, of(context).stream); }

int32_t launch(void* context, int32_t id, int32_t format, int32_t x, int32_t y, int32_t z, const void* args, size_t args_bytes) {
  Launch call{of(context).stream, dim3(static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)), args, args_bytes};
  return gpu::dispatch(static_cast<gpu::KernelId>(id), format, call) ? static_cast<int32_t>(cudaGetLastError()) : -1;
}

constexpr ConclaveCudaApi kApi = {
    CONCLAVE_CUDA_VERSION,
    open_context,
    close_context,
    [](void* context) -> const char* { return of(context).device.name; },
    [](void* context) -> int32_t { return of(context).device.multiProcessorCount; },
    free_memory,
    alloc_buffer,
    free_buffer,
    upload,
    download,
    copy_on_device,
    launch,
    [](void* context) -> int32_t { return cudaStreamSynchronize(of(context).stream); },
    [](int32_t error) -> const char* { return error < 0 ? "the library has no such kernel" : cudaGetErrorString(static_cast<cudaError_t>(error)); },
};

}  // namespace
}  // namespace conclave

#if defined(_WIN32)
#define CONCLAVE_EXPORT __declspec(dllexport)
#else
#define CONCLAVE_EXPORT __attribute__((visibility("default")))
#endif
extern "C" CONCLAVE_EXPORT const ConclaveCudaApi* conclave_cuda_api() { return &conclave::kApi; }
