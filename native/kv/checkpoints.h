// Copies of recurrent states at the ends of pages that the prefix tree knows: where a sequence can begin without computing
// what came before. One belongs to a page and goes with it; under pressure the least recently used goes first.
#pragma once
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

#include "kv/state_pool.h"

namespace conclave {

class Checkpoints {
 public:
  explicit Checkpoints(StatePool& pool) : pool_(pool) {}

  bool has(int32_t page) const { return of_page_.contains(page); }
  size_t count() const { return of_page_.size(); }
  /// Keeps a copy of `state` for the end of `page`, unless there is one or no room can be made.
  void keep(int32_t page, const void* state);
  /// Copies the checkpoint of `page` into `state`.
  void restore(int32_t page, void* state);
  void forget(std::span<const int32_t> pages);
  /// A state of the pool; checkpoints make room. nullptr when running sequences hold them all.
  void* take();

 private:
  struct Entry {
    int32_t page;
    void* state;
  };
  using Entries = std::list<Entry>;
  void drop(Entries::iterator entry);

  StatePool& pool_;
  Entries by_use_;   // most recent first
  std::unordered_map<int32_t, Entries::iterator> of_page_;
};

}  // namespace conclave
