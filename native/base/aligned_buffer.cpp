// See aligned_buffer.h.
#include "base/aligned_buffer.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/debug_switches.h"
#include "base/error.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace conclave {
namespace {

constexpr size_t kVectorBytes = 64;
constexpr size_t kHugePageBytes = size_t{2} << 20;

}  // namespace

// calloc hands large memory out as the system gives it: zero, and not there before it is touched. So a long context costs
// neither time nor memory until it is used. The block's own address lies before the aligned one.
void* aligned_alloc_bytes(size_t bytes) {
  if (bytes == 0) return nullptr;
  const size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kVectorBytes;
  const size_t extra = alignment + sizeof(void*);
  const size_t rounded = bytes <= SIZE_MAX - alignment - extra ? (bytes + alignment - 1) / alignment * alignment : 0;
  void* const block = rounded > 0 ? std::calloc(rounded + extra, 1) : nullptr;
  if (block == nullptr) {
    throw Error(ErrorCode::kOutOfMemory, "could not allocate " + std::to_string(bytes) + " bytes; close other programs or choose a smaller model or context");
  }
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(block) + extra - 1) / alignment * alignment;
  void* const buffer = reinterpret_cast<void*>(begin);
  std::memcpy(static_cast<std::byte*>(buffer) - sizeof(void*), &block, sizeof(void*));
#ifdef __linux__
  if (alignment == kHugePageBytes && debug_switch_int("CONCLAVE_HUGE_PAGES", 0, 1) == 1) {
    madvise(buffer, rounded, MADV_HUGEPAGE);   // advice only: a refusal changes nothing but speed
  }
#endif
  return buffer;
}

void aligned_free(void* buffer) noexcept {
  if (buffer == nullptr) return;
  void* block;
  std::memcpy(&block, static_cast<std::byte*>(buffer) - sizeof(void*), sizeof(void*));
  std::free(block);
}

}  // namespace conclave
