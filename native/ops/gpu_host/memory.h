// Device memory as the host sees it: every buffer's bounds are known, and a pointer into one carries them along, so that
// each access of a kernel is checked. New memory is poisoned (all bits set: NaN as a float) where zero would hide a fault.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace conclave::gpu_host {

/// What a kernel did wrong, in one sentence.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Range {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
};

/// 256-byte aligned; the size is rounded up to 16, as vector loads may touch that much.
void* alloc(size_t bytes);
/// Throws Fault for what is no buffer.
void free(void* buffer);
/// The buffer that holds `pointer` (its end included, for empty views); an empty range for any other address.
Range range_of(const void* pointer);
size_t n_buffers();

[[noreturn]] void report_access(const void* at, size_t bytes, Range range);
[[noreturn]] void report_alignment(const void* at, size_t bytes);

// Where a language knows of address spaces, pointers into different ones are different types.
struct InDevice {};
struct InThreadgroup {};

/// T* that knows its buffer.
template <class T, class Space = InDevice>
class Checked {
 public:
  Checked() = default;
  Checked(T* pointer)   // NOLINT: kernels read their arguments' raw pointers through it
    requires std::is_same_v<Space, InDevice>
      : pointer_(pointer), range_(range_of(pointer)) {}
  Checked(T* pointer, Range range) : pointer_(pointer), range_(range) {}
  template <class U>
    requires std::is_same_v<T, const U>
  Checked(const Checked<U, Space>& other) : pointer_(other.raw()), range_(other.range()) {}   // NOLINT: as T* becomes const T*

  T& operator[](int64_t i) const { return *at(i); }
  T& operator*() const { return *at(0); }
  Checked operator+(int64_t n) const { return {pointer_ + n, range_}; }
  explicit operator bool() const { return pointer_ != nullptr; }
  template <class U>
  Checked<U, Space> as() const { return {reinterpret_cast<U*>(pointer_), range_}; }

  T* raw() const { return pointer_; }
  Range range() const { return range_; }
  /// All of a U lies here, aligned as it wants.
  template <class U>
  void check_holds() const {
    check(pointer_, sizeof(U));
    if (reinterpret_cast<uintptr_t>(pointer_) % alignof(U) != 0) report_alignment(pointer_, alignof(U));
  }

 private:
  T* at(int64_t i) const {
    T* const p = pointer_ + i;
    check(p, sizeof(T));
    return p;
  }
  void check(const void* p, size_t bytes) const {
    const auto* first = static_cast<const std::byte*>(p);
    if (first < range_.begin || first + bytes > range_.end) report_access(p, bytes, range_);
  }

  T* pointer_ = nullptr;
  Range range_;
};

}  // namespace conclave::gpu_host
