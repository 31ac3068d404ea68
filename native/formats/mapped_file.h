// A file mapped read-only. Owns the mapping. A file that another process shortens while it is mapped raises a bus
// error when the missing pages are touched; models are opened from folders whose files are replaced, never rewritten.
#pragma once
#include <cstddef>
#include <span>
#include <string>

namespace conclave {

class MappedFile {
 public:
  /// `path` is UTF-8 on every system. Throws Error(kIo) with the system's reason; folders and devices are refused. An empty file maps to an empty span.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), bytes_}; }
  const std::string& path() const { return path_; }

  /// Tells the system that these bytes of some mapping will not be read again soon, so that a pass over a file larger
  /// than memory does not count as memory in use. Reading them again is right, only slower.
  static void forget(std::span<const std::byte> bytes);

  /// The share of `n_samples` pages, evenly spread over these bytes of some mapping, that reading would not wait for the disk for.
  /// On Linux of a file that this user neither owns nor may write, every page counts as in memory: the system does not tell more.
  static double resident_share(std::span<const std::byte> bytes, int n_samples);

 private:
  std::string path_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace conclave
