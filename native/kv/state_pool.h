// Recurrent states: equal blocks of device memory, one for each running sequence and one for each checkpoint, allocated
// when first needed and kept until the pool goes. Knows nothing of what is in them.
#pragma once
#include <cstddef>
#include <vector>

#include "ops/ops.h"

namespace conclave {

class StatePool {
 public:
  /// At most `n_states` of `bytes` each; bytes 0: a model without recurrent state, and nothing is ever taken.
  StatePool(Ops& ops, size_t bytes, size_t n_states) : ops_(ops), bytes_(bytes), limit_(bytes > 0 ? n_states : 0) {}
  ~StatePool();
  StatePool(const StatePool&) = delete;
  StatePool& operator=(const StatePool&) = delete;

  size_t bytes_each() const { return bytes_; }
  size_t bytes_allocated() const { return bytes_ * all_.size(); }
  size_t n_taken() const { return all_.size() - free_.size(); }

  /// nullptr when all are taken. Throws Error(kOutOfMemory).
  void* take();
  void give(void* state) { free_.push_back(state); }
  void copy(void* to, const void* from) { ops_.copy(to, from, bytes_); }

 private:
  Ops& ops_;
  size_t bytes_, limit_;
  std::vector<void*> all_, free_;
};

}  // namespace conclave
