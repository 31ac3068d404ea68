// The entry points: one library for each number format that a model needs, so that little is compiled at load. The compiler
// is told which by one macro: CONCLAVE_WEIGHTS=Q4_K, CONCLAVE_PAGES=KvF16, or CONCLAVE_SINGLE for the kernels without a format.
#include "ops/gpu/kernel_list.h"

using namespace conclave::gpu::as_metal;

/// A block; its place and index come from the grid, threadgroup memory from the launch.
template <class Kernel>
[[kernel, max_total_threads_per_threadgroup(Kernel::kThreads)]] void entry(constant typename Kernel::Args& args [[buffer(0)]], threadgroup uint4* shared [[threadgroup(0)]],
                                                                           uint3 block [[threadgroup_position_in_grid]], uint index [[thread_index_in_threadgroup]]) {
  const Place place = {static_cast<int>(block.x), static_cast<int>(block.y), static_cast<int>(block.z), static_cast<int>(index)};
  Kernel::run(args, place, as<unsigned char>(shared));
}

struct CopyArgs {
  device uchar* to;
  device const uchar* from;
  ulong bytes;
};

/// Sixteen bytes a thread; the two places do not overlap.
[[kernel]] void copy_bytes(constant CopyArgs& args [[buffer(0)]], uint index [[thread_position_in_grid]]) {
  const ulong first = static_cast<ulong>(index) * 16, last = first + 16 < args.bytes ? first + 16 : args.bytes;
  for (ulong i = first; i < last; ++i) args.to[i] = args.from[i];
}

#define CONCLAVE_ENTRY(name, ...) template [[host_name(name)]] [[kernel]] decltype(entry<__VA_ARGS__>) entry<__VA_ARGS__>;
#define CONCLAVE_NONE(id, name, Kernel)
#if defined(CONCLAVE_WEIGHTS)
#define CONCLAVE_OF_WEIGHTS(id, name, Kernel) CONCLAVE_ENTRY(name, Kernel<CONCLAVE_WEIGHTS>)
CONCLAVE_KERNELS(CONCLAVE_NONE, CONCLAVE_OF_WEIGHTS, CONCLAVE_NONE)
#elif defined(CONCLAVE_PAGES)
#define CONCLAVE_OF_PAGES(id, name, Kernel) CONCLAVE_ENTRY(name, Kernel<CONCLAVE_PAGES>)
CONCLAVE_KERNELS(CONCLAVE_NONE, CONCLAVE_NONE, CONCLAVE_OF_PAGES)
#elif defined(CONCLAVE_SINGLE)
#define CONCLAVE_OF_ONE(id, name, Kernel) CONCLAVE_ENTRY(name, Kernel)
CONCLAVE_KERNELS(CONCLAVE_OF_ONE, CONCLAVE_NONE, CONCLAVE_NONE)
#endif
