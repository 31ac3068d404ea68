// One block of threads at a time, each thread a fiber. Threads run until they wait for others: for all of the block at a
// barrier, for the 32 of their warp at a shuffle. When nobody can go on, some thread did not come where others wait for
// it, and that is reported instead of hung upon.
#pragma once
#include <array>
#include <cstdint>
#include <source_location>
#include <string>

#include "ops/gpu_host/memory.h"

namespace conclave::gpu_host {

inline constexpr int kWarp = 32;
using Site = std::source_location;

/// Which block of the grid.
struct BlockIndex { int x = 0, y = 0, z = 0; };

/// Runs body(context, thread, shared memory) for each of n_threads (a multiple of 32, at most 1024). Throws Fault.
using Body = void (*)(const void* context, int thread, Checked<unsigned char> shared);
void run_block(const char* kernel, BlockIndex index, int n_threads, size_t shared_bytes, Body body, const void* context);

// For kernels, within run_block:
void wait_block(Site site);
/// Each lane gives a value and gets lane `source`'s.
uint32_t exchange(uint32_t value, int source, Site site);
/// Each lane gives n words and may read every lane's, until it next waits.
using LaneWords = std::array<uint32_t, 12>;
const LaneWords* gather(const uint32_t* words, size_t n, Site site);
/// Index of the calling thread.
int thread_now();
/// "kernel norm, block (0, 1, 0), thread 3"
std::string where_now();

}  // namespace conclave::gpu_host
