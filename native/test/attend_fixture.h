// What the tests of attention are made of: a pool of pages with random keys and values behind any page tables, and the
// double-precision reference of one row.
#pragma once
#include "ops_fixture.h"

namespace conclave::test {

/// Rows whose stored form the reference must share: what the KV type rounds is not the kernel's error.
inline std::vector<double> through_type(DType type, const float* x, int n) {
  std::vector<double> out(x, x + n);
  for (int i = 0; i < n; ++i) {
    if (type == DType::kF16) out[static_cast<size_t>(i)] = f16_to_f32(f32_to_f16(x[i]));
    if (type == DType::kBF16) out[static_cast<size_t>(i)] = bf16_to_f32(f32_to_bf16(x[i]));
  }
  return out;
}

struct AttentionShape { int n_heads, n_kv_heads, d_k, d_v; DType type; int window; bool sinks; float softcap; };

/// Keys and values of every slot of a pool; those named by `slots` are stored, the others stay NaN.
struct KeyPool {
  std::vector<std::byte> k, v;
  KvLayer layer;
  OwnedTensor keys, values;   // [slot]
  KeyPool(const Level& level, const AttentionShape& shape, int n_pages, std::span<const int32_t> slots)
      : keys(n_pages * kPageTokens, shape.n_kv_heads * shape.d_k), values(n_pages * kPageTokens, shape.n_kv_heads * shape.d_v) {
    // Fresh pages hold NaN (all bits set): a key that is not seen may not leak in.
    k.assign(static_cast<size_t>(n_pages) * kPageTokens * kv_token_bytes(shape.type, shape.n_kv_heads, shape.d_k, 0), std::byte{255});
    v.assign(static_cast<size_t>(n_pages) * kPageTokens * kv_token_bytes(shape.type, shape.n_kv_heads, 0, shape.d_v), std::byte{255});
    layer = {k.data(), v.data(), shape.type, shape.n_kv_heads, shape.d_k, shape.d_v, n_pages};
    OwnedTensor stored_keys(static_cast<int64_t>(slots.size()), shape.n_kv_heads * shape.d_k), stored_values(static_cast<int64_t>(slots.size()), shape.n_kv_heads * shape.d_v);
    for (size_t i = 0; i < slots.size(); ++i) {
      std::copy_n(keys.view.f32(slots[i]), keys.view.d_row, stored_keys.view.f32(static_cast<int64_t>(i)));
      std::copy_n(values.view.f32(slots[i]), values.view.d_row, stored_values.view.f32(static_cast<int64_t>(i)));
    }
    level.ops->store_kv({layer, stored_keys.view, stored_values.view, slots});
  }
};

inline int32_t slot_at(std::span<const int32_t> pages, int64_t position) {
  return pages[static_cast<size_t>(position / kPageTokens)] * kPageTokens + static_cast<int32_t>(position % kPageTokens);
}

/// Of one row of queries [n_heads * d_k] at `position`: [n_heads * d_v].
inline std::vector<double> attended_row(const AttentionShape& shape, const KeyPool& pool, std::span<const int32_t> pages, const float* q, int position, float scale, const std::vector<double>& sinks) {
  std::vector<double> result;
  const int first = shape.window > 0 ? std::max(0, position - shape.window + 1) : 0;
  for (int h = 0; h < shape.n_heads; ++h) {
    const int kv = h / (shape.n_heads / shape.n_kv_heads);
    const std::vector<double> query(q + h * shape.d_k, q + (h + 1) * shape.d_k);
    double sum = shape.sinks ? std::exp(sinks[static_cast<size_t>(h)]) : 0;
    std::vector<double> expected(static_cast<size_t>(shape.d_v), 0.0);
    for (int p = first; p <= position; ++p) {
      const int32_t slot = slot_at(pages, p);
      double score = dot(query, through_type(shape.type, pool.keys.view.f32(slot) + kv * shape.d_k, shape.d_k)) * static_cast<double>(scale);
      if (shape.softcap > 0) score = static_cast<double>(shape.softcap) * std::tanh(score / static_cast<double>(shape.softcap));
      const double weight = std::exp(score);
      sum += weight;
      const std::vector<double> value = through_type(shape.type, pool.values.view.f32(slot) + kv * shape.d_v, shape.d_v);
      for (size_t i = 0; i < value.size(); ++i) expected[i] += weight * value[i];
    }
    for (const double value : expected) result.push_back(value / sum);
  }
  return result;
}

}  // namespace conclave::test
