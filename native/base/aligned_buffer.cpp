// See aligned_buffer.h.
#include "base/aligned_buffer.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/debug_switches.h"
#include "base/error.h"

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef _WIN32
#include <malloc.h>
#endif

namespace conclave {
namespace {

constexpr size_t kVectorBytes = 64;
constexpr size_t kHugePageBytes = size_t{2} << 20;

}  // namespace

void* aligned_alloc_bytes(size_t bytes) {
  if (bytes == 0) return nullptr;
  const size_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kVectorBytes;
  void* buffer = nullptr;
  if (bytes <= SIZE_MAX - alignment) {
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
#ifdef _WIN32
    buffer = _aligned_malloc(rounded, alignment);
#else
    buffer = std::aligned_alloc(alignment, rounded);
#endif
#ifdef __linux__
    if (buffer != nullptr && alignment == kHugePageBytes && debug_switch_int("CONCLAVE_HUGE_PAGES", 0, 1) == 1) {
      madvise(buffer, rounded, MADV_HUGEPAGE);   // advice only: a refusal changes nothing but speed
    }
#endif
  }
  if (buffer == nullptr) {
    throw Error(ErrorCode::kOutOfMemory, "could not allocate " + std::to_string(bytes) + " bytes; close other programs or choose a smaller model or context");
  }
  std::memset(buffer, 0, bytes);
  return buffer;
}

void aligned_free(void* buffer) noexcept {
#ifdef _WIN32
  _aligned_free(buffer);
#else
  std::free(buffer);
#endif
}

}  // namespace conclave
