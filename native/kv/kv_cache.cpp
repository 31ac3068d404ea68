// Sequences over the page pool and the prefix tree; see kv_cache.h.
#include "kv/kv_cache.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "base/error.h"

namespace conclave {

namespace {

size_t pages_for(size_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

}  // namespace

KvCache::KvCache(Ops& ops, std::span<const KvShape> layers, DType type, int64_t n_pages, bool reuse, size_t n_states)
    : pool_(ops, layers, type, n_pages), states_(ops, pool_.state_bytes(), n_states), checkpoints_(states_), reuse_(reuse) {}

bool KvCache::take(size_t n, std::vector<int32_t>& pages) {
  if (n > pool_.n_free()) {
    // Nothing is forgotten for a request that cannot be met anyway.
    if (n > pool_.n_free() + tree_.n_pages() - tree_.n_locked()) return false;
    std::vector<int32_t> freed;
    tree_.evict(n - pool_.n_free(), freed);
    give(freed);
  }
  return pool_.take(n, pages);
}

void KvCache::give(std::span<const int32_t> pages) {
  checkpoints_.forget(pages);
  pool_.give(pages);
}

/// What can be used of the longest known prefix.
PrefixTree::Match KvCache::match(std::span<const int32_t> tokens, uint32_t realm) const {
  PrefixTree::Match match = tree_.match_prefix(tokens, realm);
  if (!is_recurrent()) return match;
  size_t n_pages = match.pages.size();
  while (n_pages > 0 && !checkpoints_.has(match.pages[n_pages - 1])) --n_pages;
  match = tree_.match_prefix(tokens.first(n_pages * kPageTokens), realm);
  match.partial = nullptr;
  match.n_partial = 0;
  return match;
}

std::optional<int64_t> KvCache::open(Sequence& sequence, std::span<const int32_t> tokens, uint32_t realm, size_t n_reusable) {
  assert(!sequence.is_open() && !tokens.empty());
  if (is_recurrent() && !(sequence.state = checkpoints_.take())) return std::nullopt;
  PrefixTree::Match match = this->match(tokens.first(reuse_ ? std::min(n_reusable, tokens.size() - 1) : 0), realm);
  const size_t n_own = pages_for(tokens.size()) - match.pages.size();
  PrefixTree::Node* source = match.partial ? match.partial : match.node;
  tree_.lock(source);
  std::vector<int32_t> own;
  bool taken = take(n_own, own);
  if (!taken && match.partial) {   // the page to copy from may be the very one that has to make room
    tree_.lock(match.node);
    tree_.unlock(source);
    source = match.node;
    match.partial = nullptr;
    match.n_partial = 0;
    taken = take(n_own, own);
  }
  if (!taken) {
    tree_.unlock(source);
    if (sequence.state) states_.give(sequence.state);
    sequence.state = nullptr;
    return std::nullopt;
  }
  if (match.partial) {
    pool_.copy_page(match.partial_page, own.front());
    tree_.lock(match.node);
    tree_.unlock(source);
  }
  if (sequence.state && !match.pages.empty()) checkpoints_.restore(match.pages.back(), sequence.state);
  sequence.realm = realm;
  sequence.locked = match.node;
  sequence.n_shared = match.pages.size();
  sequence.pages = std::move(match.pages);
  sequence.pages.insert(sequence.pages.end(), own.begin(), own.end());
  return static_cast<int64_t>(sequence.n_shared) * kPageTokens + match.n_partial;
}

bool KvCache::reserve(Sequence& sequence, int64_t n_tokens) {
  assert(sequence.is_open());
  const size_t wanted = pages_for(static_cast<size_t>(n_tokens));
  return wanted <= sequence.pages.size() || take(wanted - sequence.pages.size(), sequence.pages);
}

void KvCache::publish(Sequence& sequence, std::span<const int32_t> computed) {
  assert(sequence.is_open());
  const size_t n_full = computed.size() / kPageTokens;
  if (!reuse_ || n_full <= sequence.n_shared) return;
  PrefixTree::Insertion inserted = tree_.insert_prefix(computed.first(n_full * kPageTokens), std::span(sequence.pages).first(n_full), sequence.realm);
  tree_.lock(inserted.node);
  tree_.unlock(sequence.locked);
  std::copy(inserted.pages.begin(), inserted.pages.end(), sequence.pages.begin());
  sequence.locked = inserted.node;
  sequence.n_shared = n_full;
  give(inserted.surplus);
}

void KvCache::keep_checkpoint(Sequence& sequence, std::span<const int32_t> computed, bool rolling) {
  assert(sequence.is_open() && computed.size() % kPageTokens == 0);
  const size_t n_pages = computed.size() / kPageTokens;
  if (!reuse_ || !is_recurrent() || n_pages == 0) return;
  assert(n_pages <= sequence.n_shared);
  const int32_t page = sequence.pages[n_pages - 1];
  if (rolling && !checkpoints_.has(page)) {
    if (sequence.rolling_page >= 0) checkpoints_.forget({&sequence.rolling_page, 1});
    sequence.rolling_page = page;
  }
  checkpoints_.keep(page, sequence.state);
}

void KvCache::close(Sequence& sequence, std::span<const int32_t> computed) {
  assert(sequence.is_open());
  size_t n_kept = reuse_ ? pages_for(computed.size()) : 0;
  assert(n_kept <= sequence.pages.size());
  if (n_kept > sequence.n_shared) {
    const PrefixTree::Insertion inserted = tree_.insert_prefix(computed, std::span(sequence.pages).first(n_kept), sequence.realm);
    give(inserted.surplus);
  } else {
    n_kept = sequence.n_shared;
  }
  give(std::span(sequence.pages).subspan(n_kept));
  if (sequence.state) states_.give(sequence.state);
  tree_.unlock(sequence.locked);
  sequence = Sequence{};
}

int64_t KvCache::n_known(std::span<const int32_t> tokens) const {
  const PrefixTree::Match match = tree_.match_prefix(tokens);
  return static_cast<int64_t>(match.pages.size()) * kPageTokens + match.n_partial;
}

std::vector<int32_t> KvCache::known_pages(std::span<const int32_t> tokens) const {
  PrefixTree::Match match = tree_.match_prefix(tokens);
  if (match.pages.size() * kPageTokens + static_cast<size_t>(match.n_partial) != tokens.size()) return {};
  if (match.n_partial > 0) match.pages.push_back(match.partial_page);
  return match.pages;
}

bool KvCache::restore(std::span<const int32_t> tokens, const std::function<void(std::span<const int32_t> pages)>& fill) {
  std::vector<int32_t> pages;
  if (!reuse_ || !take(pages_for(tokens.size()), pages)) return false;
  try {
    fill(pages);
  } catch (...) {
    pool_.give(pages);
    throw;
  }
  pool_.give(tree_.insert_prefix(tokens, pages).surplus);
  return true;
}

void KvCache::check_integrity(std::span<const Sequence* const> open) const {
  tree_.check_integrity();
  std::vector<int> holders(pool_.n_pages(), 0);
  std::vector<int32_t> held;
  tree_.collect_pages(held);
  for (const Sequence* sequence : open) held.insert(held.end(), sequence->pages.begin() + static_cast<std::ptrdiff_t>(sequence->n_shared), sequence->pages.end());
  for (const int32_t page : held) ++holders[static_cast<size_t>(page)];
  for (size_t page = 0; page < holders.size(); ++page) {
    const int expected = pool_.is_taken(static_cast<int32_t>(page)) ? 1 : 0;
    if (holders[page] != expected) {
      throw Error(ErrorCode::kInternal, "page " + std::to_string(page) + " has " + std::to_string(holders[page]) + " holders, expected " + std::to_string(expected));
    }
  }
  const size_t n_states = static_cast<size_t>(std::count_if(open.begin(), open.end(), [](const Sequence* sequence) { return sequence->state != nullptr; }));
  if (states_.n_taken() != n_states + checkpoints_.count()) throw Error(ErrorCode::kInternal, "recurrent states are held by nobody");
  if (held.size() + pool_.n_free() != pool_.n_pages()) throw Error(ErrorCode::kInternal, "held and free pages do not add up to the pool");
}

}  // namespace conclave
