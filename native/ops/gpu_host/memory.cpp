// The list of buffers; see memory.h.
#include "ops/gpu_host/memory.h"

#include <map>
#include <new>

#include "ops/gpu_host/block.h"

namespace conclave::gpu_host {

namespace {

constexpr std::align_val_t kAlignment{256};

std::map<const std::byte*, size_t>& buffers() {
  static auto& all = *new std::map<const std::byte*, size_t>;   // outlives every device, whatever the order of the end
  return all;
}

}  // namespace

void* alloc(size_t bytes) {
  const size_t rounded = (bytes + 15) / 16 * 16 + (bytes == 0 ? 16 : 0);
  auto* buffer = static_cast<std::byte*>(::operator new(rounded, kAlignment));
  std::memset(buffer, 0xff, rounded);
  buffers()[buffer] = rounded;
  return buffer;
}

void free(void* buffer) {
  if (!buffer) return;
  if (buffers().erase(static_cast<std::byte*>(buffer)) == 0) throw Fault("memory was freed that is no buffer of the device");
  ::operator delete(buffer, kAlignment);
}

Range range_of(const void* pointer) {
  const auto* p = static_cast<const std::byte*>(pointer);
  auto next = buffers().upper_bound(p);
  if (next == buffers().begin()) return {};
  --next;
  const std::byte* end = next->first + next->second;
  return p <= end ? Range{next->first, end} : Range{};
}

size_t n_buffers() { return buffers().size(); }

void report_access(const void* at, size_t bytes, Range range) {
  const auto* p = static_cast<const std::byte*>(at);
  std::string what = where_now() + " touches " + std::to_string(bytes) + " bytes ";
  if (!at) throw Fault(what + "at a null pointer");
  if (!range.begin) throw Fault(what + "outside device memory");
  what += p < range.begin ? std::to_string(range.begin - p) + " bytes before" : "at byte " + std::to_string(p - range.begin) + " of";
  throw Fault(what + " a buffer of " + std::to_string(range.end - range.begin) + " bytes");
}

void report_alignment(const void* at, size_t bytes) {
  throw Fault(where_now() + " loads or stores a vector at an address that is no multiple of " + std::to_string(bytes) + " (" + std::to_string(reinterpret_cast<uintptr_t>(at) % bytes) + " over)");
}

}  // namespace conclave::gpu_host
