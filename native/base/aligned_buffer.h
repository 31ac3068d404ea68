// Zeroed memory aligned for vector loads; large buffers ask for huge pages, because page walks cost a matrix product
// over gigabytes up to a tenth of its time.
#pragma once
#include <cstddef>
#include <utility>

namespace conclave {

/// 64-byte aligned (2 MiB when at least that large), zero-filled; what is large takes memory as it is touched. Throws Error(kOutOfMemory). Null for 0 bytes.
void* aligned_alloc_bytes(size_t bytes);
void aligned_free(void* buffer) noexcept;

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes) : data_(aligned_alloc_bytes(bytes)), bytes_(bytes) {}
  ~AlignedBuffer() { aligned_free(data_); }
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  template <class T>
  T* as() const { return static_cast<T*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace conclave
