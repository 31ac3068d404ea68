// Storage for keys and values: one buffer pair per layer, cut into pages of kPageTokens tokens. Owns the memory and
// knows which pages are free; it does not know who holds the others, nor what a token or a model is.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/ops.h"

namespace conclave {

struct KvShape {
  int n_kv_heads, d_k, d_v;   // 0, 0, 0: a layer that keeps no keys
  size_t state_bytes = 0;     // of its recurrent state per sequence
};

class PagePool {
 public:
  /// Throws Error: kUnsupported for a type that cannot hold keys, kOutOfMemory (with the size) when a buffer does not fit.
  PagePool(Ops& ops, std::span<const KvShape> layers, DType type, int64_t n_pages);
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  std::span<const KvLayer> layers() const { return layers_; }
  size_t n_pages() const { return taken_.size(); }
  size_t n_free() const { return free_.size(); }
  size_t bytes() const { return bytes_; }
  size_t state_bytes() const { return state_bytes_; }   // of one sequence, all layers
  bool is_taken(int32_t page) const { return taken_[static_cast<size_t>(page)]; }

  /// Appends `n` free pages to `pages`, or changes nothing and returns false.
  bool take(size_t n, std::vector<int32_t>& pages);
  void give(std::span<const int32_t> pages);
  /// Copies a whole page in every layer (through the device's own copy).
  void copy_page(int32_t from, int32_t to);

 private:
  Ops& ops_;
  std::vector<KvLayer> layers_;
  std::vector<int32_t> free_;   // last given is first taken: it is the likeliest to be in a cache
  std::vector<bool> taken_;
  size_t bytes_ = 0, state_bytes_ = 0;
};

}  // namespace conclave
