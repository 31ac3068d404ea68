// See checkpoints.h.
#include "kv/checkpoints.h"

namespace conclave {

void Checkpoints::keep(int32_t page, const void* state) {
  if (has(page)) return;
  void* copy = take();
  if (!copy) return;
  pool_.copy(copy, state);
  by_use_.push_front({page, copy});
  of_page_[page] = by_use_.begin();
}

void Checkpoints::restore(int32_t page, void* state) {
  const Entries::iterator entry = of_page_.at(page);
  pool_.copy(state, entry->state);
  by_use_.splice(by_use_.begin(), by_use_, entry);
}

void Checkpoints::forget(std::span<const int32_t> pages) {
  for (const int32_t page : pages) {
    if (const auto found = of_page_.find(page); found != of_page_.end()) drop(found->second);
  }
}

void* Checkpoints::take() {
  void* state = pool_.take();
  if (!state && !by_use_.empty()) {
    drop(std::prev(by_use_.end()));
    state = pool_.take();
  }
  return state;
}

void Checkpoints::drop(Entries::iterator entry) {
  pool_.give(entry->state);
  of_page_.erase(entry->page);
  by_use_.erase(entry);
}

}  // namespace conclave
