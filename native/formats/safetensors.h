// Safetensors reader over read-only mappings: a JSON header with names, types, shapes and byte ranges, then the data.
// Everything is checked here, once: after opening, every tensor lies inside its file and its bytes are what shape and type
// say. Nothing is copied but the header.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/block_types.h"

namespace conclave {

struct SafeTensor {
  std::string name;
  std::string type_name;           // "BF16", as the file says
  const DTypeTraits* type;         // nullptr for a type that has no GGUF counterpart
  std::vector<int64_t> shape;      // outer to inner
  std::span<const std::byte> bytes;
};

class Safetensors {
 public:
  /// One file, or a folder: `model.safetensors.index.json` and the files it names, else `model.safetensors`.
  /// Throws Error (kIo, kBadFile).
  static std::unique_ptr<Safetensors> open(const std::string& path);
  /// The same checks over bytes in memory, which must outlive the result.
  static std::unique_ptr<Safetensors> open_memory(std::span<const std::byte> bytes, const std::string& name);
  virtual ~Safetensors() = default;

  virtual std::span<const SafeTensor> tensors() const = 0;   // sorted by name
  virtual const SafeTensor* find(std::string_view name) const = 0;
};

}  // namespace conclave
