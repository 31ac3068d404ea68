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

KvCache::KvCache(Ops& ops, std::span<const KvShape> layers, DType type, int64_t n_pages, bool reuse)
    : pool_(ops, layers, type, n_pages), reuse_(reuse) {}

bool KvCache::take(size_t n, std::vector<int32_t>& pages) {
  if (n > pool_.n_free()) {
    // Nothing is forgotten for a request that cannot be met anyway.
    if (n > pool_.n_free() + tree_.n_pages() - tree_.n_locked()) return false;
    std::vector<int32_t> freed;
    tree_.evict(n - pool_.n_free(), freed);
    pool_.give(freed);
  }
  return pool_.take(n, pages);
}

std::optional<int64_t> KvCache::open(Sequence& sequence, std::span<const int32_t> tokens) {
  assert(!sequence.is_open() && !tokens.empty());
  PrefixTree::Match match = tree_.match_prefix(reuse_ ? tokens.first(tokens.size() - 1) : tokens.first(0));
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
    return std::nullopt;
  }
  if (match.partial) {
    pool_.copy_page(match.partial_page, own.front());
    tree_.lock(match.node);
    tree_.unlock(source);
  }
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
  PrefixTree::Insertion inserted = tree_.insert_prefix(computed.first(n_full * kPageTokens), std::span(sequence.pages).first(n_full));
  tree_.lock(inserted.node);
  tree_.unlock(sequence.locked);
  std::copy(inserted.pages.begin(), inserted.pages.end(), sequence.pages.begin());
  sequence.locked = inserted.node;
  sequence.n_shared = n_full;
  pool_.give(inserted.surplus);
}

void KvCache::close(Sequence& sequence, std::span<const int32_t> computed) {
  assert(sequence.is_open());
  size_t n_kept = reuse_ ? pages_for(computed.size()) : 0;
  assert(n_kept <= sequence.pages.size());
  if (n_kept > sequence.n_shared) {
    const PrefixTree::Insertion inserted = tree_.insert_prefix(computed, std::span(sequence.pages).first(n_kept));
    pool_.give(inserted.surplus);
  } else {
    n_kept = sequence.n_shared;
  }
  pool_.give(std::span(sequence.pages).subspan(n_kept));
  tree_.unlock(sequence.locked);
  sequence = Sequence{};
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
  if (held.size() + pool_.n_free() != pool_.n_pages()) throw Error(ErrorCode::kInternal, "held and free pages do not add up to the pool");
}

}  // namespace conclave
