// Writes a GGUF v3 file in one pass: metadata and the list of tensors first, then the tensors' bytes in that order, as
// they come. The file appears under its name only when it is whole; until then it is `PATH.partial`.
#pragma once
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"

namespace conclave {

struct GgufTensorPlan {
  std::string name;
  DType type;
  std::vector<int64_t> dims;   // GGUF order: dims[0] is contiguous; 1 to 4 of them

  size_t bytes() const;
};

class GgufWriter {
 public:
  /// Creates `path`.partial and writes everything before the data. Throws Error(kIo).
  GgufWriter(const std::string& path, std::span<const GgufEntry> metadata, std::span<const GgufTensorPlan> tensors);
  /// Removes the partial file unless finish() was reached.
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  /// Appends to the current tensor; a tensor ends when its bytes are complete, and the next begins (asserted).
  void write(std::span<const std::byte> bytes);
  /// All tensors are complete (asserted): closes the file and gives it its name. Throws Error(kIo).
  void finish();

 private:
  void put(std::span<const std::byte> bytes);
  [[noreturn]] void fail(const char* verb) const;

  std::string path_, partial_;
  std::FILE* file_ = nullptr;
  std::vector<size_t> sizes_;   // of the tensors, in order
  size_t index_ = 0, written_ = 0;
};

/// Bytes of a header as above, padded to where the data begin: for tests and for the writer.
std::vector<std::byte> gguf_header(std::span<const GgufEntry> metadata, std::span<const GgufTensorPlan> tensors);

}  // namespace conclave
