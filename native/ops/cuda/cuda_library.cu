// The CUDA library: the kernels for every architecture that it was built for (graphs.h launches them), and the runtime calls
// behind cuda_api.h.
// Passes go to one stream, in order; small uploads go through a ring of pinned memory, so that none waits for the device.
#include <cuda_runtime.h>

#include <cstring>
#include <new>

#include "ops/cuda/cuda_api.h"
#include "ops/cuda/graphs.h"
#include "ops/cuda/uploads.h"

namespace conclave {
namespace {

constexpr size_t kRingBytes = size_t{4} << 20, kAnswerBytes = size_t{1} << 20;
constexpr size_t kRingPiece = size_t{256} << 10;   // larger uploads are rare (weights) and may wait

struct Context {
  cudaStream_t stream = nullptr;
  cudaDeviceProp device{};
  unsigned char* ring = nullptr;
  size_t ring_at = 0;
  unsigned char* answers = nullptr;   // downloads on their way
  Graphs graphs;
  Uploads uploads;
};

Context& of(void* context) { return *static_cast<Context*>(context); }

void close_context(void* context) {
  if (!context) return;
  cudaStreamDestroy(of(context).stream);
  cudaFreeHost(of(context).ring);
  cudaFreeHost(of(context).answers);
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
  if (error == cudaSuccess) error = cudaHostAlloc(reinterpret_cast<void**>(&made->answers), kAnswerBytes, cudaHostAllocDefault);
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
  cudaError_t error = of(context).uploads.drain();
  if (error == cudaSuccess) error = cudaStreamSynchronize(of(context).stream);
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

int32_t upload_beside(void* context, void* to, const void* from, size_t bytes, uint64_t* number) {
  const cudaError_t error = of(context).uploads.start(of(context).stream, to, from, bytes, number);
  if (error != cudaErrorMemoryAllocation) return error;
  cudaGetLastError();   // the system pins no more pages: then in the pass's own way
  *number = 0;
  return upload(context, to, from, bytes);
}

/// What fits goes through pinned memory: a copy into ordinary pages would wait for the device by itself, each its own time.
int32_t download(void* context, const ConclaveDownload* downloads, size_t n) {
  Context& c = of(context);
  size_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += downloads[i].bytes;
  unsigned char* pinned = sum <= kAnswerBytes ? c.answers : nullptr;
  size_t at = 0;
  for (size_t i = 0; i < n; ++i) {
    if (downloads[i].bytes == 0) continue;
    const cudaError_t error = cudaMemcpyAsync(pinned ? pinned + at : downloads[i].to, downloads[i].from, downloads[i].bytes, cudaMemcpyDeviceToHost, c.stream);
    if (error != cudaSuccess) return error;
    at += downloads[i].bytes;
  }
  const cudaError_t error = cudaStreamSynchronize(c.stream);
  for (size_t i = 0; pinned && error == cudaSuccess && i < n; ++i) {
    if (downloads[i].bytes > 0) std::memcpy(downloads[i].to, pinned, downloads[i].bytes);
    pinned += downloads[i].bytes;
  }
  return error;
}

int32_t run_list(void* context, const void* list, size_t bytes) { return of(context).graphs.run(of(context).stream, {static_cast<const std::byte*>(list), bytes}); }

void list_counts(void* context, uint64_t counts[3]) {
  const gpu::ListCounts& own = of(context).graphs.counts();
  counts[0] = own.plain;
  counts[1] = own.made;
  counts[2] = own.replayed;
}

/// Errors that leave the device usable are told once; those of a lost one come back with every call.
int32_t is_lost(void* context) {
  cudaGetLastError();
  return cudaStreamSynchronize(of(context).stream) != cudaSuccess && cudaStreamSynchronize(of(context).stream) != cudaSuccess;
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
    upload_beside,
    [](void* context, uint64_t number) -> int32_t { return of(context).uploads.await(of(context).stream, number); },
    download,
    run_list,
    list_counts,
    [](void* context) -> int32_t { return cudaStreamSynchronize(of(context).stream); },
    is_lost,
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
