// The prefix tree; see prefix_tree.h for the contracts.
#include "kv/prefix_tree.h"

#include <algorithm>
#include <cassert>

#include "base/error.h"
#include "ops/ops.h"

namespace conclave {

namespace {

using Tokens = std::span<const int32_t>;

struct TokensLess {
  bool operator()(Tokens a, Tokens b) const { return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end()); }
};

int common_prefix(Tokens a, Tokens b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<int>(end.first - a.begin());
}

}  // namespace

struct PrefixTree::Node {
  Node* parent = nullptr;
  std::vector<int32_t> tokens;   // of this page; kPageTokens of them, fewer only in a leaf
  int32_t page = -1;
  int locks = 0;                 // of this node or any below it
  uint64_t last_used = 0;
  bool in_evictable = false;
  std::map<Tokens, std::unique_ptr<Node>, TokensLess> children;   // keyed by the child's own tokens

  bool is_root() const { return parent == nullptr; }
  bool full() const { return tokens.size() == static_cast<size_t>(kPageTokens); }
};

namespace {

/// The child that shares most leading tokens with `rest`: in lexicographic order it is a neighbour of where `rest` would go.
template <typename Children>
auto nearest_child(const Children& children, Tokens rest) {
  auto best = children.end();
  int best_length = 0;
  const auto at = children.lower_bound(rest);
  for (auto candidate : {at, at == children.begin() ? children.end() : std::prev(at)}) {
    if (candidate == children.end()) continue;
    const int length = common_prefix(candidate->first, rest);
    if (length > best_length) best = candidate, best_length = length;
  }
  return std::pair(best, best_length);
}

}  // namespace

PrefixTree::PrefixTree() { roots_.emplace(0, std::make_unique<Node>()); }

PrefixTree::Node* PrefixTree::root(uint32_t realm) const {
  const auto at = roots_.find(realm);
  return at != roots_.end() ? at->second.get() : roots_.at(0).get();
}

PrefixTree::~PrefixTree() {
  // Level by level: a long conversation is a path of thousands of nodes, too deep for recursive destructors.
  std::vector<std::unique_ptr<Node>> doomed;
  for (auto& root : roots_) doomed.push_back(std::move(root.second));
  while (!doomed.empty()) {
    std::unique_ptr<Node> node = std::move(doomed.back());
    doomed.pop_back();
    for (auto& child : node->children) doomed.push_back(std::move(child.second));
    node->children.clear();
  }
}

PrefixTree::Match PrefixTree::match_prefix(Tokens tokens, uint32_t realm) const {
  Match match{root(realm), {}, nullptr, 0, -1};
  if (!roots_.contains(realm)) return match;
  for (;;) {
    const Tokens rest = tokens.subspan(match.pages.size() * kPageTokens);
    if (rest.size() >= static_cast<size_t>(kPageTokens)) {
      const auto exact = match.node->children.find(rest.first(kPageTokens));
      if (exact != match.node->children.end()) {
        match.node = exact->second.get();
        match.pages.push_back(match.node->page);
        continue;
      }
    }
    const auto [near, length] = nearest_child(match.node->children, rest);
    if (length > 0) {
      match.partial = near->second.get();
      match.n_partial = length;
      match.partial_page = match.partial->page;
    }
    return match;
  }
}

void PrefixTree::set_evictable(Node* node) {
  const bool wanted = !node->is_root() && node->locks == 0 && node->children.empty();
  if (node->in_evictable) evictable_.erase({node->last_used, node});
  node->in_evictable = wanted;
  if (wanted) evictable_.insert({node->last_used, node});
}

void PrefixTree::lock(Node* node) {
  for (; !node->is_root(); node = node->parent) {
    if (node->locks++ == 0) ++n_locked_;
    set_evictable(node);
  }
}

void PrefixTree::unlock(Node* node) {
  ++clock_;
  for (; !node->is_root(); node = node->parent) {
    assert(node->locks > 0);
    if (node->in_evictable) evictable_.erase({node->last_used, node}), node->in_evictable = false;
    node->last_used = clock_;
    if (--node->locks == 0) --n_locked_;
    set_evictable(node);
  }
}

PrefixTree::Node* PrefixTree::add_child(Node* parent, Tokens tokens, int32_t page) {
  auto node = std::make_unique<Node>();
  node->parent = parent;
  node->tokens.assign(tokens.begin(), tokens.end());
  node->page = page;
  node->last_used = clock_;
  Node* added = node.get();
  parent->children.emplace(Tokens(added->tokens), std::move(node));
  ++n_pages_;
  set_evictable(parent);
  set_evictable(added);
  return added;
}

int32_t PrefixTree::remove_leaf(Node* node) {
  assert(node->children.empty() && node->locks == 0);
  if (node->in_evictable) evictable_.erase({node->last_used, node});
  const int32_t page = node->page;
  Node* parent = node->parent;
  parent->children.erase(parent->children.find(Tokens(node->tokens)));
  --n_pages_;
  set_evictable(parent);
  return page;
}

PrefixTree::Insertion PrefixTree::insert_prefix(Tokens tokens, std::span<const int32_t> pages, uint32_t realm) {
  assert(pages.size() == (tokens.size() + kPageTokens - 1) / kPageTokens);
  ++clock_;
  if (!roots_.contains(realm)) roots_.emplace(realm, std::make_unique<Node>());
  Insertion result{root(realm), {}, {}};
  for (size_t i = 0; i < pages.size(); ++i) {
    Node* parent = result.node;
    const Tokens own = tokens.subspan(i * kPageTokens, std::min<size_t>(kPageTokens, tokens.size() - i * kPageTokens));
    const auto [near, length] = nearest_child(parent->children, own);
    Node* node = nullptr;
    if (length == static_cast<int>(own.size())) {   // known already, perhaps inside a longer page
      node = near->second.get();
      if (node->page != pages[i]) result.surplus.push_back(pages[i]);
      if (node->in_evictable) evictable_.erase({node->last_used, node}), node->in_evictable = false;
      node->last_used = clock_;
      set_evictable(node);
    } else {
      // A partial leaf that ours continues holds nothing that ours does not.
      if (length > 0 && near->first.size() == static_cast<size_t>(length) && near->second->locks == 0) {
        assert(near->second->page != pages[i]);
        result.surplus.push_back(remove_leaf(near->second.get()));
      }
      node = add_child(parent, own, pages[i]);
    }
    if (own.size() == static_cast<size_t>(kPageTokens)) {
      result.node = node;
      result.pages.push_back(node->page);
    }
  }
  return result;
}

void PrefixTree::evict(size_t n, std::vector<int32_t>& freed) {
  for (; n > 0 && !evictable_.empty(); --n) freed.push_back(remove_leaf(evictable_.begin()->second));
}

void PrefixTree::collect_pages(std::vector<int32_t>& pages) const {
  std::vector<const Node*> open;
  for (const auto& root : roots_) open.push_back(root.second.get());
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (!node->is_root()) pages.push_back(node->page);
    for (const auto& child : node->children) open.push_back(child.second.get());
  }
}

void PrefixTree::check_integrity() const {
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw Error(ErrorCode::kInternal, std::string("prefix tree: ") + what);
  };
  size_t n_pages = 0, n_locked = 0, n_evictable = 0;
  std::vector<const Node*> open;
  for (const auto& root : roots_) open.push_back(root.second.get());
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    int locks_below = 0;
    for (const auto& [key, child] : node->children) {
      require(child->parent == node, "a child does not point to its parent");
      require(key.data() == child->tokens.data() && key.size() == child->tokens.size(), "a key is not its child's tokens");
      require(node->is_root() || child->last_used <= node->last_used, "a child was used after its parent");
      locks_below += child->locks;
      open.push_back(child.get());
    }
    if (node->is_root()) continue;
    ++n_pages;
    n_locked += node->locks > 0;
    n_evictable += node->in_evictable;
    require(node->page >= 0, "a node has no page");
    require(!node->tokens.empty() && node->tokens.size() <= static_cast<size_t>(kPageTokens), "a page holds a wrong number of tokens");
    require(node->full() || node->children.empty(), "a partial page has children");
    require(node->locks >= locks_below, "a node has fewer locks than its children");
    require(node->in_evictable == (node->locks == 0 && node->children.empty()), "the eviction list disagrees with a node");
    require(!node->in_evictable || evictable_.count({node->last_used, const_cast<Node*>(node)}) == 1, "a leaf is not in the eviction order");
  }
  require(n_pages == n_pages_, "the page count is wrong");
  require(n_locked == n_locked_, "the count of locked pages is wrong");
  require(n_evictable == evictable_.size(), "the eviction order holds nodes that are gone");
}

}  // namespace conclave
