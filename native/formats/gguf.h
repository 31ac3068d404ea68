// GGUF v2/v3 reader over a read-only mapping. Everything is bounded and checked here, once: after `open` returns,
// every tensor lies inside the file, is aligned, has a known type and a dimension product that fits, and names are
// unique UTF-8. Nothing is copied but metadata; tensor data are views into the mapping.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/block_types.h"

namespace conclave {

/// Value types with GGUF's own ids.
enum class GgufType : uint32_t {
  kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10, kI64 = 11, kF64 = 12,
};

/// An array keeps its elements typed: integers widen to int64 (u64 above int64's range is a bad file), floats to double.
using GgufArray = std::variant<std::vector<int64_t>, std::vector<double>, std::vector<bool>, std::vector<std::string>>;
using GgufValue = std::variant<int64_t, double, bool, std::string, GgufArray>;

const char* gguf_type_name(GgufType type);   // "u32", "array"

struct GgufEntry {
  std::string key;
  GgufType type;
  GgufValue value;
};

struct GgufTensor {
  std::string name;
  DType type;
  int n_dims;
  int64_t dims[4];         // GGUF order: dims[0] is contiguous; unused dims are 1
  const std::byte* data;   // into the mapping of the shard that holds it
  size_t bytes;
};

class GgufFile {
 public:
  /// Maps and checks `path`; a first shard `-00001-of-0000N` opens all N as one. Throws Error (kIo, kBadFile, kUnsupported).
  static std::unique_ptr<GgufFile> open(const std::string& path);
  /// The same checks over bytes in memory, which must outlive the result; `name` stands for the path in messages.
  static std::unique_ptr<GgufFile> open_memory(std::span<const std::byte> bytes, const std::string& name);
  virtual ~GgufFile() = default;

  virtual std::span<const GgufEntry> metadata() const = 0;
  virtual std::span<const GgufTensor> tensors() const = 0;
  virtual const GgufTensor* find_tensor(std::string_view name) const = 0;  // nullptr if absent
  virtual const GgufValue* find(std::string_view key) const = 0;           // nullptr if absent
  virtual uint64_t file_bytes() const = 0;                                 // of all shards
};

/// Typed look-ups: throw Error(kBadFile) naming key, expected and actual type; the `_or` forms only when present with a wrong type.
int64_t gguf_int(const GgufFile& file, std::string_view key);
int64_t gguf_int_or(const GgufFile& file, std::string_view key, int64_t fallback);
double gguf_float(const GgufFile& file, std::string_view key);
double gguf_float_or(const GgufFile& file, std::string_view key, double fallback);
bool gguf_bool_or(const GgufFile& file, std::string_view key, bool fallback);
std::string gguf_string(const GgufFile& file, std::string_view key);
std::string gguf_string_or(const GgufFile& file, std::string_view key, std::string_view fallback);
/// A scalar is repeated `n` times; an array must have exactly `n` entries.
std::vector<int64_t> gguf_ints_per_layer(const GgufFile& file, std::string_view key, int64_t n, int64_t fallback);

}  // namespace conclave
