// The pages of running sequences and the prefixes worth keeping, together: a sequence opens on the longest known prefix,
// grows page by page (old prefixes make room), and on closing leaves what it computed for the next one. Where a model keeps
// a recurrent state, which cannot go back, a prefix is of use as far as a checkpoint of it was kept. Not thread-safe.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "kv/checkpoints.h"
#include "kv/page_pool.h"
#include "kv/prefix_tree.h"

namespace conclave {

/// Pages [0, n_shared) belong to the tree (locked through `locked`), the rest to this sequence alone.
struct Sequence {
  std::vector<int32_t> pages;
  size_t n_shared = 0;
  PrefixTree::Node* locked = nullptr;   // nullptr: the sequence is not open
  void* state = nullptr;                // its recurrent state, if the model keeps one
  int32_t rolling_page = -1;            // the page of its last rolling checkpoint
  uint32_t realm = 0;                   // PrefixTree: with whom it may share

  bool is_open() const { return locked != nullptr; }
  int32_t slot(int64_t position) const { return pages[static_cast<size_t>(position / kPageTokens)] * kPageTokens + static_cast<int32_t>(position % kPageTokens); }
};

class KvCache {
 public:
  /// `reuse` false: nothing is kept after a sequence closes. `n_states`: recurrent states at most, of sequences and checkpoints.
  KvCache(Ops& ops, std::span<const KvShape> layers, DType type, int64_t n_pages, bool reuse, size_t n_states = 64);

  /// Opens `sequence` with pages for all of `tokens`. Returns how many leading tokens need no computing (at most
  /// `n_reusable`, and never the last one: its logits are wanted), or nullopt, nothing changed, when pages are short.
  std::optional<int64_t> open(Sequence& sequence, std::span<const int32_t> tokens, uint32_t realm = 0, size_t n_reusable = SIZE_MAX);
  /// Grows to hold `n_tokens`; false, nothing changed, when pages are short.
  bool reserve(Sequence& sequence, int64_t n_tokens);
  /// Lets others share the full pages of `computed`, the leading tokens whose keys and values are in place.
  void publish(Sequence& sequence, std::span<const int32_t> computed);
  /// Keeps the recurrent state after `computed`, which must end with a full page and be published, for whoever shares it.
  /// A rolling checkpoint takes the place of the sequence's last rolling one.
  void keep_checkpoint(Sequence& sequence, std::span<const int32_t> computed, bool rolling);
  /// Ends the sequence; `computed` as above stays known as a prefix.
  void close(Sequence& sequence, std::span<const int32_t> computed);

  /// How many leading tokens are known as a prefix. Changes nothing.
  int64_t n_known(std::span<const int32_t> tokens) const;
  /// The pages of a prefix that is known whole; nothing when it is not.
  std::vector<int32_t> known_pages(std::span<const int32_t> tokens) const;
  /// Makes `tokens` a known prefix out of what `fill` puts into its pages (ceil(n / kPageTokens), in order). False, nothing
  /// changed, when pages are short or nothing is kept.
  bool restore(std::span<const int32_t> tokens, const std::function<void(std::span<const int32_t> pages)>& fill);

  /// Every page is exactly one of: free, the tree's, one open sequence's. Throws Error(kInternal) otherwise.
  void check_integrity(std::span<const Sequence* const> open) const;

  const PagePool& pool() const { return pool_; }
  bool is_recurrent() const { return states_.bytes_each() > 0; }
  size_t state_bytes() const { return states_.bytes_allocated(); }
  size_t n_checkpoints() const { return checkpoints_.count(); }
  size_t n_cached() const { return tree_.n_pages(); }
  size_t n_locked() const { return tree_.n_locked(); }

 private:
  bool take(size_t n, std::vector<int32_t>& pages);
  void give(std::span<const int32_t> pages);
  PrefixTree::Match match(std::span<const int32_t> tokens, uint32_t realm) const;

  PagePool pool_;
  StatePool states_;
  Checkpoints checkpoints_;
  PrefixTree tree_;
  bool reuse_;
};

}  // namespace conclave
