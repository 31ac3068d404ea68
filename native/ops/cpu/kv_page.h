// Inside one page of one key/value head (kPageTokens tokens). Keys are stored transposed, so that the scores of all
// tokens of a page are one multiply-add per dimension: [d][kPageTokens] of the type; for Q8_0 first the scales
// [d / 32][kPageTokens] as halves, then int8 [d][kPageTokens]. Values are [kPageTokens] rows of the type.
#pragma once
#include <cstddef>
#include <cstdint>

#include "formats/block_types.h"
#include "ops/ops.h"

namespace conclave {

inline size_t kv_page_bytes(DType type, int d) { return row_bytes(type, d) * kPageTokens; }

inline const std::byte* kv_page_at(const void* base, DType type, int n_kv_heads, int d, int64_t page, int head) {
  return static_cast<const std::byte*>(base) + static_cast<size_t>(page * n_kv_heads + head) * kv_page_bytes(type, d);
}

/// Writes the d values of one token. `page` is the head's page.
void store_key(std::byte* page, DType type, int offset, const float* key, int d);
void store_value(std::byte* page, DType type, int offset, const float* value, int d);
/// Reads them back: the plain twin of what the attention kernels do in registers.
void load_key(const std::byte* page, DType type, int offset, float* key, int d);
void load_value(const std::byte* page, DType type, int offset, float* value, int d);

}  // namespace conclave
