// Which page holds the keys and values of which prefix. A tree with one page per node: the edge into a node is the
// page's tokens, so the path from the root is the whole prefix that the page was computed after. All nodes but some
// leaves are full (kPageTokens tokens). Holds page numbers only: it neither allocates nor frees nor copies them.
// A realm is a tree of its own beside the others: the same tokens computed in another way (a steered router) are another
// prefix. Eviction knows one order for all realms.
//
// Five verbs: match_prefix, lock / unlock, insert_prefix, evict, check_integrity. A locked node (and so every node
// above it) is in use by a sequence and survives eviction; among the others the least recently used leaf goes first.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace conclave {

class PrefixTree {
 public:
  struct Node;

  struct Match {
    Node* node;                   // deepest node matched in full; the root when there is none
    std::vector<int32_t> pages;   // full pages from the root to `node`
    Node* partial = nullptr;      // a child of `node` whose first n_partial tokens continue the match, if any
    int n_partial = 0;
    int32_t partial_page = -1;
  };

  struct Insertion {
    Node* node;                     // deepest full node on the inserted path
    std::vector<int32_t> pages;     // the tree's own full pages from the root to `node`
    std::vector<int32_t> surplus;   // pages that nobody needs now (duplicates, superseded): the caller frees them
  };

  PrefixTree();
  ~PrefixTree();

  /// The longest known prefix of `tokens` in a realm, to the token. Changes nothing (not even the order of eviction).
  Match match_prefix(std::span<const int32_t> tokens, uint32_t realm = 0) const;

  /// Protects `node` and all above it; every lock needs one unlock. Both change the counts, unlock also the recency.
  void lock(Node* node);
  void unlock(Node* node);

  /// Gives the tree `pages` (ceil(n / kPageTokens)) that hold the keys and values of `tokens`. Pages that the tree holds
  /// already for the same tokens stay; the caller's duplicates come back as surplus. May replace an unlocked partial leaf.
  Insertion insert_prefix(std::span<const int32_t> tokens, std::span<const int32_t> pages, uint32_t realm = 0);

  /// Forgets up to `n` pages, least recently used first, never a locked one; appends them to `freed`.
  void evict(size_t n, std::vector<int32_t>& freed);

  /// Recomputes counts, order and locks from scratch; throws Error(kInternal) naming the first contradiction.
  void check_integrity() const;

  Node* root(uint32_t realm = 0) const;   // of realm 0 where the realm holds nothing
  size_t n_pages() const { return n_pages_; }
  size_t n_locked() const { return n_locked_; }           // pages protected by a lock
  void collect_pages(std::vector<int32_t>& pages) const;  // of all nodes, in no order

 private:
  void set_evictable(Node* node);
  Node* add_child(Node* parent, std::span<const int32_t> tokens, int32_t page);
  int32_t remove_leaf(Node* node);

  std::map<uint32_t, std::unique_ptr<Node>> roots_;  // by realm
  std::set<std::pair<uint64_t, Node*>> evictable_;   // unlocked leaves by last use
  uint64_t clock_ = 0;
  size_t n_pages_ = 0, n_locked_ = 0;
};

}  // namespace conclave
