// Attention over pages that sequences share (Juravsky et al. 2024): which pages those are, on random trees of page tables; and
// on every level that each row keeps the very bits that it has without its neighbours.
#include <set>

#include "attend_fixture.h"
#include "forward/profiling_ops.h"
#include "forward/shared_runs.h"
#include "ops/cpu/attend_rows.h"
#include "ops/gpu/pick_attention.h"

using namespace conclave;
using namespace conclave::test;

namespace {

/// Page tables that fork, and the rows that read them. The last page of a sequence is its own.
struct Forest {
  std::vector<std::vector<int32_t>> tables;
  std::vector<SequencePages> sequences;
  std::vector<int32_t> row_sequence, row_position;
  int n_pages = 0;

  /// A table of `n_new` new pages behind those of `parent` (-1: none).
  int add(int parent, int n_new) {
    std::vector<int32_t> table = parent < 0 ? std::vector<int32_t>{} : tables[static_cast<size_t>(parent)];
    for (int i = 0; i < n_new; ++i) table.push_back(n_pages++);
    tables.push_back(table);
    return static_cast<int>(tables.size()) - 1;
  }
  void add_rows(int table, int first_position, int n) {
    sequences.push_back({tables[static_cast<size_t>(table)]});
    for (int i = 0; i < n; ++i) {
      row_sequence.push_back(static_cast<int32_t>(sequences.size()) - 1);
      row_position.push_back(first_position + i);
    }
  }
  std::vector<int32_t> slots() const {
    std::set<int32_t> all;
    for (size_t row = 0; row < row_sequence.size(); ++row)
      for (int p = 0; p <= row_position[row]; ++p) all.insert(slot_at(sequences[static_cast<size_t>(row_sequence[row])].pages, p));
    return {all.begin(), all.end()};
  }
  std::vector<SharedRun> runs(SharingGate gate) const { return shared_runs(row_sequence, row_position, sequences, gate); }
};

Forest random_forest() {
  std::mt19937& random = random_engine();
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  Forest forest;
  std::vector<int> nodes;
  for (int i = below(7); i >= 0; --i) nodes.push_back(forest.add(nodes.empty() || below(4) == 0 ? -1 : nodes[static_cast<size_t>(below(static_cast<int>(nodes.size())))], below(5)));
  std::vector<std::pair<int, int>> leaves;   // table, first position
  for (int i = below(12); i >= 0; --i) {
    const int node = nodes[static_cast<size_t>(below(static_cast<int>(nodes.size())))], inside = static_cast<int>(forest.tables[static_cast<size_t>(node)].size()) * kPageTokens;
    leaves.push_back({forest.add(node, 1 + below(3)), inside + below(kPageTokens)});
  }
  for (const auto& [table, position] : leaves) {
    const int room = static_cast<int>(forest.tables[static_cast<size_t>(table)].size()) * kPageTokens - position;
    forest.add_rows(table, position, below(9) == 0 ? std::min(room, kMostSharingRows + 1) : 1 + below(std::min(room, 4)));
  }
  return forest;
}

/// Every key exactly once by every row, and only such pages as are wholly behind it.
void check_runs(const Forest& forest, SharingGate gate) {
  const std::vector<SharedRun> runs = forest.runs(gate);
  struct Row { int32_t page = 0, depth = 0; };   // up to where it is met, and by how many runs
  std::vector<Row> rows(forest.row_sequence.size());
  int last_depth = 0;
  for (const SharedRun& run : runs) {
    CHECK(run.depth >= last_depth && run.last_page - run.first_page >= gate.min_pages);
    last_depth = run.depth;
    CHECK(std::is_sorted(run.rows.begin(), run.rows.end()));
    const auto& pages = forest.sequences[static_cast<size_t>(forest.row_sequence[static_cast<size_t>(run.rows[0])])].pages;
    std::set<int32_t> sequences;
    for (const int32_t row : run.rows) {
      const auto at = static_cast<size_t>(row);
      const auto& own = forest.sequences[static_cast<size_t>(forest.row_sequence[at])].pages;
      CHECK(rows[at].page == run.first_page && rows[at].depth == run.depth && run.last_page * kPageTokens <= forest.row_position[at]);
      CHECK(std::equal(pages.begin() + run.first_page, pages.begin() + run.last_page, own.begin() + run.first_page));
      rows[at] = {run.last_page, run.depth + 1};
      sequences.insert(forest.row_sequence[at]);
    }
    CHECK(static_cast<int>(sequences.size()) >= gate.min_sequences);
    for (const int32_t sequence : sequences)   // with all its rows
      CHECK(std::count(forest.row_sequence.begin(), forest.row_sequence.end(), sequence) == std::count_if(run.rows.begin(), run.rows.end(), [&](int32_t row) { return forest.row_sequence[static_cast<size_t>(row)] == sequence; }));
  }
}

}  // namespace

TEST("shared runs: every row meets every key once, on random trees of page tables") {
  int n_found = 0, deepest = 0;
  for (int i = 0; i < 3000; ++i) {
    const Forest forest = random_forest();
    for (const SharingGate gate : {SharingGate{1, 2}, SharingGate{3, 2}, SharingGate{2, 4}}) check_runs(forest, gate);
    for (const SharedRun& run : forest.runs({1, 2})) ++n_found, deepest = std::max(deepest, run.depth);
  }
  CHECK(n_found > 3000 && deepest >= 2);
}

TEST("shared runs: the longest, a short one left to those below, none without a gate") {
  Forest forest;
  const int common = forest.add(-1, 2), left = forest.add(common, 6), right = forest.add(common, 1);
  for (int i = 0; i < 3; ++i) forest.add_rows(forest.add(left, 1), 8 * kPageTokens, 1);
  for (int i = 0; i < 2; ++i) forest.add_rows(forest.add(right, 1), 3 * kPageTokens, 1);
  const auto is = [](const SharedRun& run, int first, int last, int depth, std::vector<int32_t> rows) { return run.first_page == first && run.last_page == last && run.depth == depth && run.rows == rows; };
  std::vector<SharedRun> runs = forest.runs({1, 2});
  CHECK(runs.size() == 3 && is(runs[0], 0, 2, 0, {0, 1, 2, 3, 4}) && is(runs[1], 2, 8, 1, {0, 1, 2}) && is(runs[2], 2, 3, 1, {3, 4}));
  runs = forest.runs({3, 2});
  CHECK(runs.size() == 2 && is(runs[0], 0, 8, 0, {0, 1, 2}) && is(runs[1], 0, 3, 0, {3, 4}));
  runs = forest.runs({1, 3});
  CHECK(runs.size() == 2 && is(runs[0], 0, 2, 0, {0, 1, 2, 3, 4}) && is(runs[1], 2, 8, 1, {0, 1, 2}));
  CHECK(forest.runs({}).empty());
}

// ---- attention ---------------------------------------------------------------------------------------------------

namespace {

struct SharedCase : AttentionShape { int n_common, n_fork, n_rows; const char* why; };
const SharedCase kSharedCases[] = {
    {{4, 4, 64, 64, DType::kF16, 0, false, 0}, 20, 0, 1, "a prefix that ends inside a run"},
    {{6, 2, 32, 64, DType::kBF16, 0, true, 0}, 16, 9, 1, "a fork, sinks, three heads to a key"},
    {{11, 1, 64, 32, DType::kF16, 0, false, 0}, 33, 0, 3, "more heads to a key than a tile, several rows each"},
    {{2, 2, 96, 96, DType::kQ8_0, 0, false, 0}, 3, 2, 2, "quantised keys and values, a key for each head"},
    {{3, 1, 64, 64, DType::kF16, 700, true, 0}, 25, 10, 2, "a window that begins among the shared pages"},
    {{2, 2, 64, 64, DType::kF16, 40, false, 0}, 30, 3, 1, "a window that begins behind them"},
    {{1, 1, 48, 40, DType::kF32, 0, false, 30.f}, 5, 12, 1, "softcap, floats, a value width that is no multiple of 16"},
    {{3, 1, 576, 512, DType::kF16, 0, false, 0}, 4, 0, 1, "latent keys"},
    {{2, 2, 192, 128, DType::kF16, 0, false, 0}, 9, 0, 1, "keys wider than values"},
};

void check_shared(const Level& level, const SharedCase& c) {
  Forest forest;
  const int common = forest.add(-1, c.n_common), fork = c.n_fork > 0 ? forest.add(common, c.n_fork) : common;
  const auto add_leaf = [&](int parent, int n_more) { forest.add_rows(forest.add(parent, n_more / kPageTokens + 1), static_cast<int>(forest.tables[static_cast<size_t>(parent)].size()) * kPageTokens + n_more % kPageTokens, c.n_rows); };
  for (int i = 0; i < 4; ++i) add_leaf(fork, 5 * i);
  for (int i = 0; i < 2; ++i) add_leaf(common, 3 + i);
  forest.add_rows(forest.add(-1, 2), kPageTokens + 4, 1);   // of its own
  const KeyPool pool(level, c, forest.n_pages, forest.slots());
  const auto n = static_cast<int64_t>(forest.row_sequence.size());
  OwnedTensor q(n, c.n_heads * c.d_k), out(n, c.n_heads * c.d_v, false), apart(n, c.n_heads * c.d_v, false);
  OwnedWeight sinks = random_weight(DType::kF32, 1, 1, c.n_heads);
  const float scale = 1.f / std::sqrt(static_cast<float>(c.d_k));
  AttendArgs args{out.view, q.view, pool.layer, c.n_heads, scale, c.softcap, c.window, c.sinks ? &sinks.view : nullptr, forest.row_sequence, forest.row_position, forest.sequences};
  const std::vector<SharedRun> runs = forest.runs({1, 2});
  CHECK(runs.size() == (c.n_fork > 0 ? 2u : 1u));
  args.shared = runs;
  level.ops->attend(args);

  const std::vector<double> sink_values = weight_row(sinks.view, 0);
  Distance distance;
  for (int64_t r = 0; r < n; ++r) {
    const auto at = static_cast<size_t>(r);
    const std::vector<double> expected = attended_row(c, pool, forest.sequences[static_cast<size_t>(forest.row_sequence[at])].pages, q.view.f32(r), forest.row_position[at], scale, sink_values);
    for (size_t i = 0; i < expected.size(); ++i) distance.add(out.view.f32(r)[i], expected[i]);
  }
  check_distance(distance, c.type == DType::kQ8_0 ? 2e-2 : 2e-5, level.name + " attend, shared pages, " + c.why);

  args.shared = {};
  args.out = apart.view;
  level.ops->attend(args);
  for (int64_t r = 0; r < n; ++r) CHECK_MSG(same_bits(apart.view.f32(r), out.view.f32(r), c.n_heads * c.d_v), level.name + " attend, " + c.why + ": row " + std::to_string(r) + " differs among those that share its pages");
}

}  // namespace

TEST("attend: shared pages, met together, give the bits that each row has without the others") {
  for (const Level& level : levels())
    for (const SharedCase& c : kSharedCases)
      if (!level.thin || &c < kSharedCases + 3) check_shared(level, c);
}

TEST("attend: many sequences over one prefix and a fork of it, so that states are carried from run to run") {
  const AttentionShape shape{8, 8, 32, 32, DType::kF16, 0, true, 0};
  Forest forest;
  const int common = forest.add(-1, 9), fork = forest.add(common, 9);
  for (int i = 0; i < 40; ++i) {
    const int parent = i % 5 < 3 ? fork : common;
    forest.add_rows(forest.add(parent, 1), static_cast<int>(forest.tables[static_cast<size_t>(parent)].size()) * kPageTokens + i % 32, 1);
  }
  const OwnedWeight sinks = random_weight(DType::kF32, 1, 1, 8);
  for (const Level& level : levels()) {
    if (level.thin) continue;
    const KeyPool pool(level, shape, forest.n_pages, forest.slots());
    OwnedTensor q(40, 8 * 32), out(40, 8 * 32, false), apart(40, 8 * 32, false);
    const std::vector<SharedRun> runs = forest.runs({1, 2});
    AttendArgs args{out.view, q.view, pool.layer, 8, 0.2f, 0.f, 0, &sinks.view, forest.row_sequence, forest.row_position, forest.sequences, runs};
    level.ops->attend(args);
    args.shared = {};
    args.out = apart.view;
    level.ops->attend(args);
    for (int64_t r = 0; r < 40; ++r) CHECK_MSG(same_bits(apart.view.f32(r), out.view.f32(r), 8 * 32), level.name + ": row " + std::to_string(r) + " differs");
  }
}

TEST("attend: short shared runs are left alone where heads fill the tiles") {
  CHECK(pays_together(1, 8, 2) && pays_together(3, 8, 2) && pays_together(12, 8, 2) && pays_together(8, 8, 256));
  CHECK(!pays_together(1, 8, 1) && !pays_together(8, 8, 255) && !pays_together(4, 2, 255));
}

TEST("attend: a card's fragments are picked for keys and values that fit them") {
  using gpu::pick_attention, gpu::PromptTiles;
  const auto is = [](const gpu::AttentionConfig& config, bool few, bool shared, PromptTiles prompt) { return config.few == few && config.shared == shared && config.prompt == prompt; };
  CHECK(is(pick_attention(DType::kF16, 128, 128, true), true, true, PromptTiles::k64) && is(pick_attention(DType::kQ8_0, 64, 64, true), true, true, PromptTiles::k64));
  CHECK(is(pick_attention(DType::kBF16, 192, 128, true), true, false, PromptTiles::k16) && is(pick_attention(DType::kF16, 256, 256, true), false, false, PromptTiles::k16));
  CHECK(is(pick_attention(DType::kF16, 576, 512, true), false, false, PromptTiles::kNone) && is(pick_attention(DType::kF16, 15, 16, true), false, false, PromptTiles::kNone));
  CHECK(is(pick_attention(DType::kF32, 128, 128, true), false, false, PromptTiles::kNone) && is(pick_attention(DType::kF16, 128, 128, false), false, false, PromptTiles::kNone));
}

TEST("attend: the profile counts the keys and values of a shared run once") {
  const AttentionShape shape{2, 1, 32, 32, DType::kF16, 0, false, 0};
  Forest forest;
  const int common = forest.add(-1, 10);
  for (int i = 0; i < 5; ++i) forest.add_rows(forest.add(common, 1), 10 * kPageTokens, 1);
  const Level level{"profiled", make_cpu_ops({1, Precision::kFast}), false};
  const KeyPool pool(level, shape, forest.n_pages, forest.slots());
  OwnedTensor q(5, 64), out(5, 64, false);
  AttendArgs args{out.view, q.view, pool.layer, 2, 1.f, 0.f, 0, nullptr, forest.row_sequence, forest.row_position, forest.sequences};
  const auto bytes_of = [&](std::span<const SharedRun> runs) {
    ProfilingOps ops(make_cpu_ops({1, Precision::kFast}));
    ops.start();
    args.shared = runs;
    ops.attend(args);
    return ops.stop().front().bytes;
  };
  const double token = static_cast<double>(kv_token_bytes(DType::kF16, 1, 32, 32)), rows = 2 * 5 * 64 * 4;
  CHECK(bytes_of({}) == 5 * (10 * kPageTokens + 1) * token + rows);
  CHECK(bytes_of(forest.runs({1, 2})) == (10 * kPageTokens + 5) * token + rows);
}

int main(int argc, char** argv) { return run_tests(argc, argv); }
