// See state_pool.h.
#include "kv/state_pool.h"

namespace conclave {

StatePool::~StatePool() {
  for (void* state : all_) ops_.free(state);
}

void* StatePool::take() {
  if (free_.empty()) {
    if (all_.size() >= limit_) return nullptr;
    all_.reserve(all_.size() + 1);
    free_.reserve(all_.size() + 1);
    all_.push_back(ops_.alloc(bytes_));
    free_.push_back(all_.back());
  }
  void* state = free_.back();
  free_.pop_back();
  return state;
}

}  // namespace conclave
