// Lists of launches as graphs: a list that comes again is instantiated once and from then on launched whole. A graph that the
// device has no room for is no failure: its list is launched step by step, as all lists are the first time.
#pragma once
#include <cuda_runtime.h>

#include <cstring>
#include <utility>

#include "ops/gpu/kernels.h"
#include "ops/gpu/launch_list.h"
#include "ops/gpu/list_cache.h"

namespace conclave {

/// Blocks that are to share a processor; 0: as many as the compiler thinks best, which for Blackwell means three of these kernels,
/// with their sums spilled.
template <class Kernel>
constexpr int kLeastBlocks = 0;
template <class Format>
constexpr int kLeastBlocks<gpu::cuda::TileProduct<Format>> = 2;
template <class Format>
constexpr int kLeastBlocks<gpu::cuda::TileGateUp<Format>> = 2;

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, kLeastBlocks<Kernel>) kernel(const __grid_constant__ typename Kernel::Args args) {
  __shared__ alignas(16) unsigned char shared[Kernel::kSharedBytes > 0 ? Kernel::kSharedBytes : 16];
  Kernel::run(args, {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z), static_cast<int>(threadIdx.x)}, shared);
}

/// An instantiated graph, or none.
class GraphExec {
 public:
  GraphExec() = default;
  GraphExec(GraphExec&& other) noexcept : exec_(std::exchange(other.exec_, nullptr)) {}
  GraphExec& operator=(GraphExec&& other) noexcept {
    std::swap(exec_, other.exec_);
    return *this;
  }
  ~GraphExec() {
    if (exec_) cudaGraphExecDestroy(exec_);   // one that is under way ends first
  }

  /// Becomes an instance of `graph`; in place where only arguments differ.
  cudaError_t make(cudaGraph_t graph) {
    if (exec_) {
      cudaGraphExecUpdateResultInfo result{};
      if (cudaGraphExecUpdate(exec_, graph, &result) == cudaSuccess) return cudaSuccess;
      cudaGetLastError();   // another shape: no lasting state
      cudaGraphExecDestroy(std::exchange(exec_, nullptr));
    }
    return cudaGraphInstantiate(&exec_, graph, 0);
  }
  cudaError_t launch(cudaStream_t stream) const { return cudaGraphLaunch(exec_, stream); }

 private:
  cudaGraphExec_t exec_ = nullptr;
};

class Graphs {
 public:
  /// 0, the runtime's error, or -1: there is no such kernel, or its arguments have another size.
  int32_t run(cudaStream_t stream, std::span<const std::byte> list) {
    using Verdict = gpu::ListCache<GraphExec>::Verdict;
    const auto [verdict, form] = cache_.look_up(list);
    if (verdict == Verdict::kMake) {
      if (const int32_t error = make(stream, list, *form); error == 0) {
        ++counts_.made;
        return form->launch(stream);
      }
      cache_.refuse();
      cudaGetLastError();   // what lasts is met again by the launches below
    }
    if (verdict == Verdict::kReplay) {
      ++counts_.replayed;
      return form->launch(stream);
    }
    ++counts_.plain;
    return launch_all(stream, list);
  }
  const gpu::ListCounts& counts() const { return counts_; }

 private:
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

  static int32_t launch_all(cudaStream_t stream, std::span<const std::byte> list) {
    return gpu::run_steps(
        list,
        [stream](gpu::KernelId id, int format, gpu::Grid grid, const void* args, size_t args_bytes) -> int32_t {
          Launch call{stream, dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)), args, args_bytes};
          return gpu::cuda::dispatch(id, format, call) ? static_cast<int32_t>(cudaGetLastError()) : -1;
        },
        [stream](const gpu::LaunchList::CopyArgs& args) -> int32_t { return cudaMemcpyAsync(args.to, args.from, args.bytes, cudaMemcpyDeviceToDevice, stream); });
  }

  static int32_t make(cudaStream_t stream, std::span<const std::byte> list, GraphExec& form) {
    if (const cudaError_t error = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal); error != cudaSuccess) return error;
    const int32_t launched = launch_all(stream, list);
    cudaGraph_t graph = nullptr;
    const cudaError_t captured = cudaStreamEndCapture(stream, &graph);
    const int32_t error = launched != 0 ? launched : captured != cudaSuccess ? captured : form.make(graph);
    if (graph) cudaGraphDestroy(graph);
    return error;
  }

  gpu::ListCache<GraphExec> cache_{gpu::kKeptListBytes};
  gpu::ListCounts counts_;
};

}  // namespace conclave
