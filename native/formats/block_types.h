// Number formats of tensors on disk and in memory: names, block geometry, conversion of whole rows to float.
// Layouts are those of GGUF (little endian). Fast arithmetic on blocks lives in ops/<backend>; this file is the
// plain reading of the format that those kernels are checked against.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace conclave {

/// Values are GGUF's own type ids, so a file's number casts directly after `dtype_from_gguf` accepted it.
enum class DType : uint32_t {
  kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ4_1 = 3, kQ5_0 = 6, kQ5_1 = 7, kQ8_0 = 8,
  kQ2_K = 10, kQ3_K = 11, kQ4_K = 12, kQ5_K = 13, kQ6_K = 14, kQ8_K = 15,
  kIQ2_XXS = 16, kIQ2_XS = 17, kIQ3_XXS = 18, kIQ1_S = 19, kIQ4_NL = 20, kIQ3_S = 21, kIQ2_S = 22, kIQ4_XS = 23,
  kI8 = 24, kI16 = 25, kI32 = 26, kI64 = 27, kF64 = 28, kIQ1_M = 29, kBF16 = 30, kMXFP4 = 39,
};

struct DTypeTraits {
  DType type;
  const char* name;        // "Q4_K"
  uint32_t block_elements; // values per block (1 for plain types)
  uint32_t block_bytes;    // bytes per block
  bool computable;         // the ops can multiply with it; otherwise it can only be listed
};

/// nullptr for a number that GGUF does not define or we do not know the geometry of.
const DTypeTraits* dtype_traits(DType type);
std::optional<DType> dtype_from_gguf(uint32_t id);
std::optional<DType> dtype_from_name(std::string_view name);

/// Bytes of a row of `n` values. Requires n % block_elements == 0 (checked by the loaders).
size_t row_bytes(DType type, int64_t n);

/// Converts one row of `n` values to float. `src` need not be aligned. Throws Error(kUnsupported) when not computable.
void dequantize_row(DType type, const void* src, float* dst, int64_t n);

}  // namespace conclave
