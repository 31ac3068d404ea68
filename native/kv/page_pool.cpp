// Page storage; see page_pool.h.
#include "kv/page_pool.h"

#include <cassert>
#include <string>

#include "base/error.h"

namespace conclave {

namespace {

size_t page_bytes(const KvLayer& layer, int d) {
  return row_bytes(layer.type, d) * static_cast<size_t>(layer.n_kv_heads) * kPageTokens;
}

void check_type(DType type, std::span<const KvShape> shapes) {
  const DTypeTraits* traits = dtype_traits(type);
  const bool known = type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 || type == DType::kQ8_0;
  if (!traits || !known) throw Error(ErrorCode::kUnsupported, std::string("keys and values cannot be kept as ") + (traits ? traits->name : "an unknown type") + "; choose F32, F16, BF16 or Q8_0");
  const int block = static_cast<int>(traits->block_elements);
  for (const KvShape& shape : shapes) {
    if (shape.d_k % block != 0 || shape.d_v % block != 0) {
      throw Error(ErrorCode::kUnsupported, "keys of " + std::to_string(shape.d_k) + " values cannot be kept as " + traits->name + ", whose blocks hold " + std::to_string(block) + "; choose F16");
    }
  }
}

}  // namespace

PagePool::PagePool(Ops& ops, std::span<const KvShape> layers, DType type, int64_t n_pages) : ops_(ops) {
  assert(n_pages > 0);
  check_type(type, layers);
  layers_.reserve(layers.size());
  for (const KvShape& shape : layers) {
    layers_.push_back({nullptr, nullptr, type, shape.n_kv_heads, shape.d_k, shape.d_v, n_pages, state_bytes_});
    state_bytes_ += (shape.state_bytes + 63) / 64 * 64;
  }
  try {
    for (KvLayer& layer : layers_) {
      if (layer.n_kv_heads == 0) continue;
      const size_t k_bytes = page_bytes(layer, layer.d_k) * static_cast<size_t>(n_pages);
      const size_t v_bytes = page_bytes(layer, layer.d_v) * static_cast<size_t>(n_pages);
      layer.k = ops_.alloc(k_bytes);
      layer.v = ops_.alloc(v_bytes);
      bytes_ += k_bytes + v_bytes;
    }
  } catch (...) {
    for (KvLayer& layer : layers_) {
      if (layer.k) ops_.free(layer.k);
      if (layer.v) ops_.free(layer.v);
    }
    throw;
  }
  taken_.assign(static_cast<size_t>(n_pages), false);
  free_.reserve(taken_.size());
  for (int64_t page = n_pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

PagePool::~PagePool() {
  for (KvLayer& layer : layers_) {
    if (layer.k) ops_.free(layer.k);
    if (layer.v) ops_.free(layer.v);
  }
}

bool PagePool::take(size_t n, std::vector<int32_t>& pages) {
  if (n > free_.size()) return false;
  for (size_t i = 0; i < n; ++i) {
    const int32_t page = free_.back();
    free_.pop_back();
    taken_[static_cast<size_t>(page)] = true;
    pages.push_back(page);
  }
  return true;
}

void PagePool::give(std::span<const int32_t> pages) {
  for (const int32_t page : pages) {
    assert(is_taken(page) && "a page was given back twice");
    taken_[static_cast<size_t>(page)] = false;
    free_.push_back(page);
  }
}

void PagePool::copy_page(int32_t from, int32_t to) {
  for (const KvLayer& layer : layers_) {
    if (layer.n_kv_heads == 0) continue;
    const size_t k_bytes = page_bytes(layer, layer.d_k), v_bytes = page_bytes(layer, layer.d_v);
    std::byte* k = static_cast<std::byte*>(layer.k);
    std::byte* v = static_cast<std::byte*>(layer.v);
    ops_.copy(k + k_bytes * static_cast<size_t>(to), k + k_bytes * static_cast<size_t>(from), k_bytes);
    ops_.copy(v + v_bytes * static_cast<size_t>(to), v + v_bytes * static_cast<size_t>(from), v_bytes);
  }
}

}  // namespace conclave
