// Attention over the paged cache: of rows that generate, here; of prompts, in attend_blocks.cpp. The keys of a sequence are
// taken in runs of fixed length; each run gives a softmax relative to its own maximum, and the runs are merged in order
// (Dao et al. 2022), so a query's bits depend neither on the few rows beside it nor on how the runs were spread over
// threads. Heads that share keys go in one tile, as do neighbouring rows, and rows of any sequences over the pages that these
// share (Juravsky et al. 2024): those are met first, then each sequence's own; a run may be left in its middle and gone on
// with, so that sharing changes no bit either.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "ops/cpu/attend_rows.h"
#include "ops/cpu/kv_page.h"

namespace conclave {
namespace {

constexpr int kRunPages = 16;
constexpr int kRunTokens = kRunPages * kPageTokens;
constexpr int kMostTogether = 32;   // tiles that meet a run while it is in a cache
constexpr float kLowest = -3.4e38f;

struct Query { int32_t row, head; };

/// Up to max_tile queries with one key head that meet the same pages.
struct Group {
  std::span<const int32_t> pages;    // the table of one of the sequences
  int64_t first_page, last_page;
  int kv_head, n_queries;
  Query queries[kMaxTile];
};

/// Rows times the heads that share keys, cut into tiles; in order of key head.
class Groups {
 public:
  Groups(const CpuContext& context, const AttendArgs& args) : args_(args), most_(context.kernels.max_tile) {}

  void add(std::span<const int32_t> rows, int kv_head, int64_t first_page, int64_t last_page) {
    const int n_heads = args_.n_heads / args_.layer.n_kv_heads;
    bool full = true;
    for (const int32_t row : rows)
      for (int head = 0; head < n_heads; ++head) {
        if (full) groups_.push_back({args_.sequences[static_cast<size_t>(args_.row_sequence[static_cast<size_t>(rows[0])])].pages, first_page, last_page, kv_head, 0, {}});
        Group& group = groups_.back();
        group.queries[group.n_queries++] = {row, static_cast<int32_t>(kv_head * n_heads + head)};
        full = group.n_queries == most_;
      }
  }
  const std::vector<Group>& all() const { return groups_; }

 private:
  const AttendArgs& args_;
  const int most_;
  std::vector<Group> groups_;
};

/// Softmax state of the queries of a tile: relative to `max`, `sum` of weights, weighted values in `acc`.
struct State {
  float* acc;   // [kMaxTile][stride]
  float* max;   // [kMaxTile]
  float* sum;
};

/// The group's queries against its pages within a run. `resume`: `out` holds what the run's earlier pages gave.
void attend_run(const CpuContext& context, const AttendArgs& args, const Group& group, int64_t run, bool resume, const State& out, ptrdiff_t stride) {
  const KvLayer& layer = args.layer;
  const std::byte *k[kRunPages], *v[kRunPages];
  AttendTile tile{};
  std::fill_n(tile.q, kMaxTile, args.q.f32(group.queries[0].row));
  const int64_t first_page = std::max(run * kRunPages, group.first_page), start = first_page * kPageTokens, most = std::min((run + 1) * kRunPages, group.last_page) * kPageTokens;
  int64_t last_key = 0;
  for (int i = 0; i < group.n_queries; ++i) {
    const Query query = group.queries[i];
    const KeyRange range = visible_keys(args, query.row);
    last_key = std::max(last_key, std::min(range.last, most));
    tile.q[i] = args.q.f32(query.row) + static_cast<int64_t>(query.head) * layer.d_k;
    tile.first[i] = static_cast<int>(std::clamp(range.first - start, int64_t{0}, most - start));
    tile.last[i] = static_cast<int>(std::clamp(range.last - start, int64_t{0}, most - start));
  }
  const int64_t last_page = (last_key + kPageTokens - 1) / kPageTokens;
  for (int64_t page = first_page; page < last_page; ++page) {
    const int32_t id = group.pages[static_cast<size_t>(page)];
    k[page - first_page] = kv_page_at(layer.k, layer.type, layer.n_kv_heads, layer.d_k, id, group.kv_head);
    v[page - first_page] = kv_page_at(layer.v, layer.type, layer.n_kv_heads, layer.d_v, id, group.kv_head);
  }
  tile.n_queries = group.n_queries;
  tile.n_pages = static_cast<int>(std::max<int64_t>(0, last_page - first_page));
  tile.k = k;
  tile.v = v;
  tile.type = layer.type;
  tile.d_k = layer.d_k;
  tile.d_v = layer.d_v;
  tile.scale = args.scale;
  tile.softcap = args.softcap;
  tile.resume = resume;
  tile.max = out.max;
  tile.sum = out.sum;
  tile.acc = out.acc;
  tile.acc_stride = stride;
  context.kernels.attend[tile.n_queries - 1](tile);
}

/// Joins a run's state to the total of the runs before it.
void merge(float& max, float& sum, float* acc, float run_max, float run_sum, const float* run_acc, int d) {
  if (run_sum == 0.f) return;
  const float joint = std::max(max, run_max);
  const float keep = sum == 0.f ? 0.f : std::exp(max - joint), take = std::exp(run_max - joint);
  for (int i = 0; i < d; ++i) acc[i] = acc[i] * keep + run_acc[i] * take;
  sum = sum * keep + run_sum * take;
  max = joint;
}

ptrdiff_t acc_stride(int d) { return (d + 15) / 16 * 16; }

/// Softmax states of tiles in the context's scratch memory.
class States {
 public:
  States(CpuContext& context, size_t n, int d) : stride_(acc_stride(d)), floats_(static_cast<size_t>(kMaxTile * (stride_ + 2))), base_(context.partial.get<float>(n * floats_)) {}
  ptrdiff_t stride() const { return stride_; }
  State at(size_t i) const {
    float* const state = base_ + i * floats_;
    return {state, state + kMaxTile * stride_, state + kMaxTile * stride_ + kMaxTile};
  }
  void clear(const State& state) const {
    std::fill_n(state.acc, kMaxTile * stride_, 0.f);
    std::fill_n(state.max, kMaxTile, kLowest);
    std::fill_n(state.sum, kMaxTile, 0.f);
  }
  void join(const State& total, const State& run, const Group& group, int d) const {
    for (int query = 0; query < group.n_queries; ++query)
      merge(total.max[query], total.sum[query], total.acc + query * stride_, run.max[query], run.sum[query], run.acc + query * stride_, d);
  }

 private:
  ptrdiff_t stride_;
  size_t floats_;
  float* base_;
};

/// What shared pages gave each query of the rows that have some: the complete runs joined, and the run that was left open.
class Carry {
 public:
  Carry(CpuContext& context, const AttendArgs& args) : index_(static_cast<size_t>(args.q.n_rows), -1), n_heads_(args.n_heads), stride_(acc_stride(args.layer.d_v)) {
    int64_t n = 0;
    for (const SharedRun& run : args.shared)
      for (const int32_t row : run.rows)
        if (int64_t& index = index_[static_cast<size_t>(row)]; index < 0) index = n++;
    if (n > 0) base_ = context.carried.get<float>(static_cast<size_t>(n * n_heads_ * 2 * (stride_ + 2)));
  }
  bool holds(int64_t row) const { return index_[static_cast<size_t>(row)] >= 0; }

  enum Part { kTotal, kOpen };
  void load(Part part, const Group& group, const State& state) const {
    for (int i = 0; i < group.n_queries; ++i) {
      const float* const from = at(part, group.queries[i]);
      std::copy_n(from, stride_, state.acc + i * stride_);
      state.max[i] = from[stride_];
      state.sum[i] = from[stride_ + 1];
    }
  }
  void store(Part part, const Group& group, const State& state) const {
    for (int i = 0; i < group.n_queries; ++i) {
      float* const to = at(part, group.queries[i]);
      std::copy_n(state.acc + i * stride_, stride_, to);
      to[stride_] = state.max[i];
      to[stride_ + 1] = state.sum[i];
    }
  }

 private:
  float* at(Part part, Query query) const { return base_ + ((index_[static_cast<size_t>(query.row)] * n_heads_ + query.head) * 2 + part) * (stride_ + 2); }

  std::vector<int64_t> index_;
  const int64_t n_heads_, stride_;
  float* base_ = nullptr;
};

/// One stage: groups over the shared runs of one depth, or over each sequence's own pages, with which their rows end.
class Stage {
 public:
  Stage(CpuContext& context, const AttendArgs& args, const Carry& carry, const float* sinks, bool is_last) : context_(context), args_(args), carry_(carry), sinks_(sinks), is_last_(is_last) {}

  void run(const std::vector<Group>& groups) const {
    groups.size() < 8 * static_cast<size_t>(context_.pool.n_threads()) ? split(groups) : together(groups);
  }

 private:
  /// Few queries: every run of every group is a piece of its own, joined at the end.
  void split(const std::vector<Group>& groups) const {
    struct Piece { size_t group; int64_t run; };
    std::vector<Piece> pieces;
    for (size_t g = 0; g < groups.size(); ++g) {
      const KeyRange runs = runs_of(groups[g]);
      for (int64_t run = runs.first; run < runs.last; ++run) pieces.push_back({g, run});
    }
    const States states(context_, pieces.size() + 1, args_.layer.d_v);
    context_.pool.parallel_for(static_cast<int64_t>(pieces.size()), [&](int64_t i, int) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      meet(groups[piece.group], piece.run, states.at(static_cast<size_t>(i)), states.stride());
    });
    const State total = states.at(pieces.size());
    for (size_t g = 0, i = 0; g < groups.size(); ++g) {
      begin(groups[g], total, states);
      for (; i < pieces.size() && pieces[i].group == g; ++i) add(groups[g], pieces[i].run, total, states.at(i), states);
      end(groups[g], total, states.stride());
    }
  }

  /// Many: a piece is groups with the same keys, which meet run after run together, so that few states are kept and a page is
  /// fetched once for all of them.
  void together(const std::vector<Group>& groups) const {
    const size_t most = std::clamp<size_t>(groups.size() / (4 * static_cast<size_t>(context_.pool.n_threads())), 1, kMostTogether);
    struct Piece { size_t first, last; };
    std::vector<Piece> pieces;
    for (size_t first = 0, last = 0; first < groups.size(); first = last) {
      const Group& leader = groups[first];
      const auto alike = [&](const Group& group) {
        return group.kv_head == leader.kv_head && group.pages.data() == leader.pages.data() && group.first_page == leader.first_page && group.last_page == leader.last_page;
      };
      while (last < groups.size() && last - first < most && alike(groups[last])) ++last;
      pieces.push_back({first, last});
    }
    const States states(context_, (most + 1) * static_cast<size_t>(context_.pool.n_threads()), args_.layer.d_v);
    context_.pool.parallel_for(static_cast<int64_t>(pieces.size()), [&](int64_t i, int thread) {
      const Piece piece = pieces[static_cast<size_t>(i)];
      const std::span<const Group> own(groups.data() + piece.first, piece.last - piece.first);
      const size_t base = (most + 1) * static_cast<size_t>(thread);
      const State part = states.at(base + most);
      KeyRange all{std::numeric_limits<int64_t>::max(), 0};
      for (size_t g = 0; g < own.size(); ++g) {
        begin(own[g], states.at(base + g), states);
        const KeyRange runs = runs_of(own[g]);
        all = {std::min(all.first, runs.first), std::max(all.last, runs.last)};
      }
      for (int64_t run = all.first; run < all.last; ++run)
        for (size_t g = 0; g < own.size(); ++g) {
          meet(own[g], run, part, states.stride());
          add(own[g], run, states.at(base + g), part, states);
        }
      for (size_t g = 0; g < own.size(); ++g) end(own[g], states.at(base + g), states.stride());
    });
  }

  KeyRange runs_of(const Group& group) const {
    KeyRange keys{group.last_page * kPageTokens, 0};
    for (int i = 0; i < group.n_queries; ++i) {
      const KeyRange range = visible_keys(args_, group.queries[i].row);
      keys = {std::min(keys.first, range.first), std::max(keys.last, range.last)};
    }
    keys = {std::max(keys.first, group.first_page * kPageTokens), std::min(keys.last, group.last_page * kPageTokens)};
    return {keys.first / kRunTokens, (keys.last + kRunTokens - 1) / kRunTokens};
  }

  bool goes_on(const Group& group, int64_t run) const { return run * kRunPages < group.first_page; }

  void meet(const Group& group, int64_t run, const State& state, ptrdiff_t stride) const {
    if (goes_on(group, run)) carry_.load(Carry::kOpen, group, state);
    attend_run(context_, args_, group, run, goes_on(group, run), state, stride);
  }

  void begin(const Group& group, const State& total, const States& states) const {
    if (group.first_page > 0) return carry_.load(Carry::kTotal, group, total);
    states.clear(total);
    if (!is_last_) carry_.store(Carry::kOpen, group, total);   // for a window that begins behind these pages
  }
  void add(const Group& group, int64_t run, const State& total, const State& part, const States& states) const {
    const bool complete = is_last_ || (run + 1) * kRunPages <= group.last_page;
    if (complete) states.join(total, part, group, args_.layer.d_v);
    else carry_.store(Carry::kOpen, group, part);
  }
  void end(const Group& group, const State& total, ptrdiff_t stride) const {
    if (!is_last_) return carry_.store(Carry::kTotal, group, total);
    for (int i = 0; i < group.n_queries; ++i) {
      const Query query = group.queries[i];
      float* const out = args_.out.f32(query.row) + static_cast<int64_t>(query.head) * args_.layer.d_v;
      write_attended(total.acc + i * stride, total.max[i], total.sum[i], sinks_ ? &sinks_[query.head] : nullptr, out, args_.layer.d_v);
    }
  }

  CpuContext& context_;
  const AttendArgs& args_;
  const Carry& carry_;
  const float* sinks_;
  const bool is_last_;
};

/// Rows [first, end) of one sequence.
struct Span { int64_t first, end; };

void attend_few(CpuContext& context, const AttendArgs& args, const std::vector<Span>& spans, const float* sinks) {
  const Carry carry(context, args);
  std::vector<int64_t> own_page(static_cast<size_t>(args.q.n_rows), 0);
  for (size_t first = 0, last = 0; first < args.shared.size(); first = last) {
    const int depth = args.shared[first].depth;
    Groups groups(context, args);
    for (last = first; last < args.shared.size() && args.shared[last].depth == depth; ++last)
      for (const int32_t row : args.shared[last].rows) own_page[static_cast<size_t>(row)] = args.shared[last].last_page;
    for (int kv_head = 0; kv_head < args.layer.n_kv_heads; ++kv_head)
      for (const SharedRun& run : args.shared.subspan(first, last - first)) groups.add(run.rows, kv_head, run.first_page, run.last_page);
    Stage(context, args, carry, sinks, false).run(groups.all());
  }
  Groups groups(context, args);
  std::vector<int32_t> rows;
  for (int kv_head = 0; kv_head < args.layer.n_kv_heads; ++kv_head)
    for (const Span& span : spans) {
      int32_t last = 0;
      rows.clear();
      for (int64_t row = span.first; row < span.end; ++row) {
        rows.push_back(static_cast<int32_t>(row));
        last = std::max(last, args.row_position[static_cast<size_t>(row)]);
      }
      groups.add(rows, kv_head, own_page[static_cast<size_t>(span.first)], last / kPageTokens + 1);
    }
  Stage(context, args, carry, sinks, true).run(groups.all());
}

/// The runs that are met together: all or none, for each continues those before it.
std::span<const SharedRun> runs_that_pay(const CpuContext& context, const AttendArgs& args) {
  int longest = 0;
  for (const SharedRun& run : args.shared) longest = std::max(longest, run.last_page - run.first_page);
  return pays_together(args.n_heads / args.layer.n_kv_heads, context.kernels.max_tile, longest) ? args.shared : std::span<const SharedRun>();
}

/// Long spans of rows of one sequence as blocks, all others together.
void attend_fast(CpuContext& context, const AttendArgs& all, const float* sinks) {
  AttendArgs args = all;
  args.shared = runs_that_pay(context, all);
  const int64_t n = args.q.n_rows;
  std::vector<Span> few;
  for (int64_t row = 0, end = 0; row < n; row = end) {
    const int32_t sequence = args.row_sequence[static_cast<size_t>(row)];
    while (end < n && args.row_sequence[static_cast<size_t>(end)] == sequence) ++end;
    if (args.layer.d_k % 2 != 0 || end - row < kBlockRows) {
      few.push_back({row, end});
      continue;
    }
    AttendArgs part = args;
    part.out = args.out.rows(row, end - row);
    part.q = args.q.rows(row, end - row);
    part.row_sequence = args.row_sequence.subspan(static_cast<size_t>(row), static_cast<size_t>(end - row));
    part.row_position = args.row_position.subspan(static_cast<size_t>(row), static_cast<size_t>(end - row));
    attend_blocks(context, part, sinks);
  }
  if (!few.empty()) attend_few(context, args, few, sinks);
}

void attend_exact_row(const AttendArgs& args, const float* sinks, int64_t row, int head) {
  const KvLayer& layer = args.layer;
  const int kv_head = head / (args.n_heads / layer.n_kv_heads);
  const auto& pages = args.sequences[static_cast<size_t>(args.row_sequence[static_cast<size_t>(row)])].pages;
  const float* q = args.q.f32(row) + static_cast<int64_t>(head) * layer.d_k;
  const KeyRange range = visible_keys(args, row);
  std::vector<float> key(static_cast<size_t>(layer.d_k)), value(static_cast<size_t>(layer.d_v));
  std::vector<double> scores, out(static_cast<size_t>(layer.d_v), 0.0);
  double largest = sinks ? static_cast<double>(sinks[head]) : -std::numeric_limits<double>::infinity();
  for (int64_t p = range.first; p < range.last; ++p) {
    load_key(kv_page_at(layer.k, layer.type, layer.n_kv_heads, layer.d_k, pages[static_cast<size_t>(p / kPageTokens)], kv_head), layer.type, static_cast<int>(p % kPageTokens), key.data(), layer.d_k);
    double score = 0;
    for (int i = 0; i < layer.d_k; ++i) score += static_cast<double>(q[i]) * static_cast<double>(key[static_cast<size_t>(i)]);
    score *= static_cast<double>(args.scale);
    if (args.softcap != 0.f) score = static_cast<double>(args.softcap) * std::tanh(score / static_cast<double>(args.softcap));
    scores.push_back(score);
    largest = std::max(largest, score);
  }
  double sum = sinks ? std::exp(static_cast<double>(sinks[head]) - largest) : 0;
  for (int64_t p = range.first; p < range.last; ++p) {
    const double weight = std::exp(scores[static_cast<size_t>(p - range.first)] - largest);
    sum += weight;
    load_value(kv_page_at(layer.v, layer.type, layer.n_kv_heads, layer.d_v, pages[static_cast<size_t>(p / kPageTokens)], kv_head), layer.type, static_cast<int>(p % kPageTokens), value.data(), layer.d_v);
    for (int i = 0; i < layer.d_v; ++i) out[static_cast<size_t>(i)] += weight * static_cast<double>(value[static_cast<size_t>(i)]);
  }
  float* to = args.out.f32(row) + static_cast<int64_t>(head) * layer.d_v;
  for (int i = 0; i < layer.d_v; ++i) to[i] = static_cast<float>(out[static_cast<size_t>(i)] / sum);
}

}  // namespace

void attend(CpuContext& context, const AttendArgs& args) {
  const int64_t n = args.q.n_rows;
  if (n == 0) return;
  assert(args.n_heads % args.layer.n_kv_heads == 0);
  std::vector<float> sinks;
  if (args.sinks) {
    sinks.resize(static_cast<size_t>(args.n_heads));
    load_parameter(*args.sinks, 0, 0, args.n_heads, sinks.data());
  }
  const float* sink_values = args.sinks ? sinks.data() : nullptr;
  if (!context.exact) return attend_fast(context, args, sink_values);
  context.pool.parallel_for(n * args.n_heads, [&](int64_t i, int) { attend_exact_row(args, sink_values, i / args.n_heads, static_cast<int>(i % args.n_heads)); });
}

}  // namespace conclave
