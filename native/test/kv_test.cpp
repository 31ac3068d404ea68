// The page pool, the prefix tree's five verbs, and sequences over both: first by hand, then at random against a model
// so naive that it is obviously right (all closed sequences in a list; compare token by token).
#include <algorithm>
#include <memory>
#include <random>

#include "base/error.h"
#include "check.h"
#include "kv/kv_cache.h"

using namespace conclave;
using Tokens = std::vector<int32_t>;

namespace {

Tokens range(int32_t first, int n) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(first + i);
  return tokens;
}

Tokens joined(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

int64_t matched(const PrefixTree& tree, const Tokens& tokens) {
  const PrefixTree::Match match = tree.match_prefix(tokens);
  return static_cast<int64_t>(match.pages.size()) * kPageTokens + match.n_partial;
}

std::unique_ptr<Ops> cpu() { return make_cpu_ops({.n_threads = 1, .precision = Precision::kExact}); }

}  // namespace

TEST("an empty tree matches nothing and is whole") {
  const PrefixTree tree;
  CHECK(matched(tree, range(0, 100)) == 0);
  CHECK(matched(tree, {}) == 0);
  tree.check_integrity();
}

TEST("a prefix is found to the token, inside pages too") {
  PrefixTree tree;
  CHECK(tree.insert_prefix(range(0, 70), Tokens{5, 6, 7}).surplus.empty());
  tree.check_integrity();
  CHECK(matched(tree, range(0, 70)) == 70);
  CHECK(matched(tree, range(0, 500)) == 70);
  CHECK(matched(tree, range(0, 63)) == 63);
  CHECK(matched(tree, range(0, 64)) == 64);
  CHECK(matched(tree, range(0, 1)) == 1);
  CHECK(matched(tree, range(1, 64)) == 0);
  CHECK(matched(tree, joined(range(0, 50), range(900, 50))) == 50);
  const PrefixTree::Match match = tree.match_prefix(range(0, 68));
  CHECK((match.pages == Tokens{5, 6}) && match.partial_page == 7 && match.n_partial == 4);
}

TEST("what the tree has already comes back as surplus") {
  PrefixTree tree;
  tree.insert_prefix(range(0, 70), Tokens{5, 6, 7});
  const PrefixTree::Insertion again = tree.insert_prefix(range(0, 70), Tokens{15, 16, 17});
  CHECK((again.surplus == Tokens{15, 16, 17}) && (again.pages == Tokens{5, 6}));
  const PrefixTree::Insertion own = tree.insert_prefix(range(0, 70), Tokens{5, 6, 7});
  CHECK(own.surplus.empty());
  const PrefixTree::Insertion shorter = tree.insert_prefix(range(0, 66), Tokens{5, 6, 27});
  CHECK((shorter.surplus == Tokens{27}));
  CHECK(tree.n_pages() == 3);
  tree.check_integrity();
}

TEST("a longer page replaces the partial one that it continues, a different one stands beside it") {
  PrefixTree tree;
  tree.insert_prefix(range(0, 40), Tokens{1, 2});
  CHECK((tree.insert_prefix(range(0, 100), Tokens{1, 12, 13, 14}).surplus == Tokens{2}));
  CHECK(tree.n_pages() == 4 && matched(tree, range(0, 100)) == 100);
  CHECK(tree.insert_prefix(joined(range(0, 40), range(500, 10)), Tokens{1, 22}).surplus.empty());
  CHECK(tree.n_pages() == 5 && matched(tree, range(0, 100)) == 100);
  CHECK(matched(tree, joined(range(0, 40), range(500, 30))) == 50);
  tree.check_integrity();
}

TEST("eviction takes the least recently used leaf first and never a locked page") {
  PrefixTree tree;
  tree.insert_prefix(range(0, 64), Tokens{1, 2});
  tree.insert_prefix(joined(range(0, 32), range(100, 32)), Tokens{1, 3});
  tree.insert_prefix(range(200, 64), Tokens{4, 5});
  PrefixTree::Node* held = tree.match_prefix(range(0, 64)).node;
  tree.lock(held);
  CHECK(tree.n_locked() == 2);
  tree.check_integrity();
  Tokens freed;
  tree.evict(1, freed);
  CHECK((freed == Tokens{3}));
  freed.clear();
  tree.evict(100, freed);
  CHECK((freed == Tokens{5, 4}));
  CHECK(matched(tree, range(0, 64)) == 64);
  tree.check_integrity();
  tree.unlock(held);
  freed.clear();
  tree.evict(100, freed);
  CHECK((freed == Tokens{2, 1}) && tree.n_pages() == 0 && tree.n_locked() == 0);
  tree.check_integrity();
}

TEST("use renews a prefix: the other one goes first") {
  PrefixTree tree;
  tree.insert_prefix(range(0, 32), Tokens{1});
  tree.insert_prefix(range(100, 32), Tokens{2});
  PrefixTree::Node* node = tree.match_prefix(range(0, 32)).node;
  tree.lock(node);
  tree.unlock(node);
  Tokens freed;
  tree.evict(1, freed);
  CHECK((freed == Tokens{2}));
}

TEST("matching is read-only: it does not renew") {
  PrefixTree tree;
  tree.insert_prefix(range(0, 32), Tokens{1});
  tree.insert_prefix(range(100, 32), Tokens{2});
  for (int i = 0; i < 10; ++i) matched(tree, range(0, 32));
  Tokens freed;
  tree.evict(1, freed);
  CHECK((freed == Tokens{1}));
}

TEST("a conversation of a million tokens neither overflows the stack nor loses its pages") {
  PrefixTree tree;
  const int n_pages = 1 << 15;
  tree.insert_prefix(range(0, n_pages * kPageTokens), range(0, n_pages));
  CHECK(matched(tree, range(0, n_pages * kPageTokens)) == int64_t{n_pages} * kPageTokens);
  tree.check_integrity();
}

TEST("the pool hands out each page once and all or nothing") {
  const std::unique_ptr<Ops> ops = cpu();
  const KvShape shapes[] = {{2, 64, 64}, {1, 32, 128}};
  PagePool pool(*ops, shapes, DType::kF16, 5);
  CHECK(pool.bytes() == 5u * kPageTokens * 2 * (2 * 64 * 2 + 32 + 128));
  Tokens pages;
  CHECK(pool.take(3, pages) && !pool.take(3, pages) && pages.size() == 3 && pool.n_free() == 2);
  CHECK(pool.take(2, pages) && pool.n_free() == 0);
  std::sort(pages.begin(), pages.end());
  CHECK(pages == range(0, 5));
  pool.give(pages);
  CHECK(pool.n_free() == 5);
}

TEST("a type that cannot hold keys is refused in a sentence") {
  const std::unique_ptr<Ops> ops = cpu();
  const KvShape whole[] = {{1, 64, 64}}, ragged[] = {{1, 40, 40}};
  for (const auto& [shape, type] : {std::pair(std::span<const KvShape>(whole), DType::kQ4_K), std::pair(std::span<const KvShape>(ragged), DType::kQ8_0)}) {
    try {
      PagePool pool(*ops, shape, type, 4);
      CHECK(!"accepted");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kUnsupported);
    }
  }
}

namespace {

/// Random sequences over a two-letter alphabet, so that prefixes are shared a lot and at every length.
class RandomWorld {
 public:
  RandomWorld(uint32_t seed, int64_t n_pages) : random_(seed), ops_(cpu()), cache_(*ops_, kShapes, DType::kF32, n_pages, true) {}

  void step() {
    switch (below(4)) {
      case 0: return open_one();
      case 1: return extend_one();
      case 2: return publish_one();
      default: return close_one();
    }
  }

  void check() const {
    std::vector<const Sequence*> open;
    for (const auto& run : open_) open.push_back(&run->sequence);
    cache_.check_integrity(open);
    for (const auto& run : open_) {
      for (size_t i = 0; i < run->n_computed; ++i) CHECK(read(run->sequence.slot(static_cast<int64_t>(i))) == fingerprint(run->tokens, i));
    }
  }

  size_t n_reuses = 0, n_refused = 0, n_evictions = 0;

 private:
  static constexpr KvShape kShapes[] = {{1, 1, 1}, {1, 1, 1}};
  struct Run {
    Tokens tokens;
    Sequence sequence;
    size_t n_computed = 0;
  };

  int below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  Run* pick() { return open_.empty() ? nullptr : open_[static_cast<size_t>(below(static_cast<int>(open_.size())))].get(); }

  Tokens random_tokens() {
    Tokens tokens;
    if (!known_.empty() && below(4) != 0) {
      const Tokens& base = known_[static_cast<size_t>(below(static_cast<int>(known_.size())))];
      tokens.assign(base.begin(), base.begin() + below(static_cast<int>(base.size()) + 1));
    }
    for (int n = below(90) + 1; n > 0; --n) tokens.push_back(below(8) == 0);
    tokens.resize(std::min<size_t>(tokens.size(), 400));
    return tokens;
  }

  /// Keys depend on the whole prefix, as in a real model.
  static float fingerprint(const Tokens& tokens, size_t at) {
    uint32_t hash = 17;
    for (size_t i = 0; i <= at; ++i) hash = hash * 31 + static_cast<uint32_t>(tokens[i]) + 1;
    return static_cast<float>(hash % 65521);
  }
  float read(int32_t slot) const {
    float k = 0, v = 0;
    ops_->download(&k, static_cast<float*>(cache_.pool().layers()[0].k) + slot, sizeof k);
    ops_->download(&v, static_cast<float*>(cache_.pool().layers()[1].v) + slot, sizeof v);
    CHECK(k == v);
    return k;
  }
  void compute(Run& run) {
    for (; run.n_computed < run.tokens.size(); ++run.n_computed) {
      const float value = fingerprint(run.tokens, run.n_computed);
      const int32_t slot = run.sequence.slot(static_cast<int64_t>(run.n_computed));
      ops_->upload(static_cast<float*>(cache_.pool().layers()[0].k) + slot, &value, sizeof value);
      ops_->upload(static_cast<float*>(cache_.pool().layers()[1].v) + slot, &value, sizeof value);
    }
  }

  void open_one() {
    if (open_.size() >= 6) return;
    auto run = std::make_unique<Run>();
    run->tokens = random_tokens();
    size_t best = 0;
    for (const Tokens& known : known_) {
      const auto end = std::mismatch(known.begin(), known.end(), run->tokens.begin(), run->tokens.end()).first;
      best = std::max(best, static_cast<size_t>(end - known.begin()));
    }
    best = std::min(best, run->tokens.size() - 1);
    const size_t cached_before = cache_.n_cached();
    const std::optional<int64_t> reused = cache_.open(run->sequence, run->tokens);
    if (!reused) return void(++n_refused);
    n_evictions += cache_.n_cached() < cached_before;
    evicted_ = evicted_ || cache_.n_cached() < cached_before;
    CHECK(static_cast<size_t>(*reused) <= best);
    if (!evicted_) CHECK(static_cast<size_t>(*reused) == best);
    n_reuses += *reused > 0;
    run->n_computed = static_cast<size_t>(*reused);
    open_.push_back(std::move(run));
    check();
    compute(*open_.back());
  }
  void extend_one() {
    Run* run = pick();
    if (!run) return;
    const Tokens more = random_tokens();
    const size_t cached_before = cache_.n_cached();
    if (!cache_.reserve(run->sequence, static_cast<int64_t>(run->tokens.size() + more.size()))) return void(++n_refused);
    n_evictions += cache_.n_cached() < cached_before;
    evicted_ = evicted_ || cache_.n_cached() < cached_before;
    run->tokens = joined(run->tokens, more);
    if (below(3) != 0) compute(*run);
  }
  void publish_one() {
    Run* run = pick();
    if (!run) return;
    const std::span<const int32_t> computed = std::span(run->tokens).first(run->n_computed);
    cache_.publish(run->sequence, computed);
    known_.emplace_back(computed.begin(), computed.begin() + static_cast<std::ptrdiff_t>(computed.size() / kPageTokens * kPageTokens));
  }
  void close_one() {
    if (open_.empty()) return;
    const size_t at = static_cast<size_t>(below(static_cast<int>(open_.size())));
    const std::span<const int32_t> computed = std::span(open_[at]->tokens).first(open_[at]->n_computed);
    known_.emplace_back(computed.begin(), computed.end());
    cache_.close(open_[at]->sequence, computed);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  std::mt19937 random_;
  std::unique_ptr<Ops> ops_;
  KvCache cache_;
  std::vector<std::unique_ptr<Run>> open_;
  std::vector<Tokens> known_;   // everything that was ever closed or published
  bool evicted_ = false;
};

}  // namespace

TEST("with room for all, every sequence reuses exactly the longest prefix ever computed") {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    RandomWorld world(seed, 4000);
    for (int i = 0; i < 200; ++i) {
      world.step();
      world.check();
    }
    CHECK(world.n_reuses > 10 && world.n_refused == 0 && world.n_evictions == 0);
  }
}

TEST("short of pages, whatever is reused is still right and no page is lost") {
  size_t evictions = 0, refused = 0;
  for (uint32_t seed = 100; seed < 140; ++seed) {
    RandomWorld world(seed, 24);
    for (int i = 0; i < 400; ++i) {
      world.step();
      world.check();
    }
    evictions += world.n_evictions;
    refused += world.n_refused;
  }
  CHECK(evictions > 100 && refused > 100);
}

TEST("without reuse nothing is kept") {
  const std::unique_ptr<Ops> ops = cpu();
  const KvShape shapes[] = {{1, 1, 1}};
  KvCache cache(*ops, shapes, DType::kF32, 8, false);
  Sequence sequence;
  CHECK(cache.open(sequence, range(0, 100)) == 0);
  cache.publish(sequence, range(0, 100));
  cache.close(sequence, range(0, 100));
  CHECK(cache.n_cached() == 0 && cache.pool().n_free() == 8);
  CHECK(cache.open(sequence, range(0, 100)) == 0);
  cache.close(sequence, {});
}

TEST("a request larger than the pool forgets nothing in trying") {
  const std::unique_ptr<Ops> ops = cpu();
  const KvShape shapes[] = {{1, 1, 1}};
  KvCache cache(*ops, shapes, DType::kF32, 4, true);
  Sequence sequence;
  CHECK(cache.open(sequence, range(0, 64)) == 0);
  cache.close(sequence, range(0, 64));
  CHECK(!cache.open(sequence, range(500, 129)));
  CHECK(cache.n_cached() == 2 && cache.open(sequence, range(0, 64)) == 63);
  cache.close(sequence, range(0, 64));
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
