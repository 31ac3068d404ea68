// Attention over the paged cache: of rows that generate, here; of prompts, in attend_blocks.cpp. The keys of a sequence are
// taken in runs of fixed length; each run gives a softmax relative to its own maximum, and the runs are merged in order
// (Dao et al. 2022), so a query's bits depend neither on the few rows beside it nor on how the runs were spread over
// threads. Heads that share keys, and neighbouring rows, go in one tile.
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
constexpr float kLowest = -3.4e38f;

/// Up to max_tile queries with one key head: rows [row, row + n_rows) of one sequence times `n_group` heads from `head`.
struct Group { int64_t row; int n_rows, kv_head, head, n_group; };

/// In order of key head, so that neighbours in the list read the same keys.
std::vector<Group> group_queries(const CpuContext& context, const AttendArgs& args) {
  const int64_t n = args.q.n_rows;
  const int shared = args.n_heads / args.layer.n_kv_heads, most = context.kernels.max_tile;
  const int heads_a_tile = std::min(shared, most), rows_a_tile = std::max(1, most / shared);
  std::vector<Group> groups;
  for (int kv_head = 0; kv_head < args.layer.n_kv_heads; ++kv_head)
    for (int head = 0; head < shared; head += heads_a_tile)
      for (int64_t row = 0; row < n;) {
        int n_rows = 1;
        while (n_rows < rows_a_tile && row + n_rows < n && args.row_sequence[static_cast<size_t>(row + n_rows)] == args.row_sequence[static_cast<size_t>(row)]) ++n_rows;
        groups.push_back({row, n_rows, kv_head, kv_head * shared + head, std::min(heads_a_tile, shared - head)});
        row += n_rows;
      }
  return groups;
}

/// Softmax state of the queries of a tile: relative to `max`, `sum` of weights, weighted values in `acc`.
struct State {
  float* acc;   // [kMaxTile][stride]
  float* max;   // [kMaxTile]
  float* sum;
};

void attend_run(const CpuContext& context, const AttendArgs& args, const Group& group, int64_t run, const State& out, ptrdiff_t stride) {
  const KvLayer& layer = args.layer;
  const auto& pages = args.sequences[static_cast<size_t>(args.row_sequence[static_cast<size_t>(group.row)])].pages;
  const std::byte *k[kRunPages], *v[kRunPages];
  AttendTile tile{};
  std::fill_n(tile.q, kMaxTile, args.q.f32(group.row) + static_cast<int64_t>(group.head) * layer.d_k);
  int64_t last_key = 0;
  for (int r = 0; r < group.n_rows; ++r) {
    const KeyRange range = visible_keys(args, group.row + r);
    last_key = std::max(last_key, range.last);
    for (int h = 0; h < group.n_group; ++h) {
      const int query = r * group.n_group + h;
      tile.q[query] = args.q.f32(group.row + r) + static_cast<int64_t>(group.head + h) * layer.d_k;
      tile.first[query] = static_cast<int>(std::clamp<int64_t>(range.first - run * kRunTokens, 0, kRunTokens));
      tile.last[query] = static_cast<int>(std::clamp<int64_t>(range.last - run * kRunTokens, 0, kRunTokens));
    }
  }
  const int64_t first_page = run * kRunPages, last_page = std::min((last_key + kPageTokens - 1) / kPageTokens, first_page + kRunPages);
  for (int64_t page = first_page; page < last_page; ++page) {
    const int32_t id = pages[static_cast<size_t>(page)];
    k[page - first_page] = kv_page_at(layer.k, layer.type, layer.n_kv_heads, layer.d_k, id, group.kv_head);
    v[page - first_page] = kv_page_at(layer.v, layer.type, layer.n_kv_heads, layer.d_v, id, group.kv_head);
  }
  tile.n_queries = group.n_rows * group.n_group;
  tile.n_pages = static_cast<int>(std::max<int64_t>(0, last_page - first_page));
  tile.k = k;
  tile.v = v;
  tile.type = layer.type;
  tile.d_k = layer.d_k;
  tile.d_v = layer.d_v;
  tile.scale = args.scale;
  tile.softcap = args.softcap;
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

void finish(const AttendArgs& args, const Group& group, const float* sinks, const State& state, ptrdiff_t stride) {
  for (int query = 0; query < group.n_rows * group.n_group; ++query) {
    const int head = group.head + query % group.n_group;
    float* out = args.out.f32(group.row + query / group.n_group) + static_cast<int64_t>(head) * args.layer.d_v;
    write_attended(state.acc + query * stride, state.max[query], state.sum[query], sinks ? &sinks[head] : nullptr, out, args.layer.d_v);
  }
}

KeyRange runs_of(const AttendArgs& args, const Group& group) {
  KeyRange all{std::numeric_limits<int64_t>::max(), 0};
  for (int r = 0; r < group.n_rows; ++r) {
    const KeyRange range = visible_keys(args, group.row + r);
    all = {std::min(all.first, range.first), std::max(all.last, range.last)};
  }
  return {all.first / kRunTokens, (all.last + kRunTokens - 1) / kRunTokens};
}

/// Softmax states in the context's scratch memory.
class States {
 public:
  States(CpuContext& context, size_t n, int d) : stride_((d + 15) / 16 * 16), floats_(static_cast<size_t>(kMaxTile * (stride_ + 2))), base_(context.partial.get<float>(n * floats_)) {}
  ptrdiff_t stride() const { return stride_; }
  State at(size_t i) const {
    float* const state = base_ + i * floats_;
    return {state, state + kMaxTile * stride_, state + kMaxTile * stride_ + kMaxTile};
  }
  State cleared(size_t i) const {
    const State state = at(i);
    std::fill_n(state.acc, kMaxTile * stride_, 0.f);
    std::fill_n(state.max, kMaxTile, kLowest);
    std::fill_n(state.sum, kMaxTile, 0.f);
    return state;
  }
  void join(const State& total, const State& run, const Group& group, int d) const {
    for (int query = 0; query < group.n_rows * group.n_group; ++query)
      merge(total.max[query], total.sum[query], total.acc + query * stride_, run.max[query], run.sum[query], run.acc + query * stride_, d);
  }

 private:
  ptrdiff_t stride_;
  size_t floats_;
  float* base_;
};

/// Few queries: every run of every group is a piece of its own, joined at the end.
void attend_split(CpuContext& context, const AttendArgs& args, const std::vector<Group>& groups, const float* sinks) {
  struct Piece { size_t group; int64_t run; };
  std::vector<Piece> pieces;
  for (size_t g = 0; g < groups.size(); ++g) {
    const KeyRange runs = runs_of(args, groups[g]);
    for (int64_t run = runs.first; run < runs.last; ++run) pieces.push_back({g, run});
  }
  const States states(context, pieces.size() + 1, args.layer.d_v);
  context.pool.parallel_for(static_cast<int64_t>(pieces.size()), [&](int64_t i, int) {
    const Piece& piece = pieces[static_cast<size_t>(i)];
    attend_run(context, args, groups[piece.group], piece.run, states.at(static_cast<size_t>(i)), states.stride());
  });
  for (size_t i = 0; i < pieces.size();) {
    const Group& group = groups[pieces[i].group];
    const State total = states.cleared(pieces.size());
    for (const size_t g = pieces[i].group; i < pieces.size() && pieces[i].group == g; ++i) states.join(total, states.at(i), group, args.layer.d_v);
    finish(args, group, sinks, total, states.stride());
  }
}

/// Many sequences at once: a piece is a group with all its runs, so that few states are kept.
void attend_groups(CpuContext& context, const AttendArgs& args, const std::vector<Group>& groups, const float* sinks) {
  const States states(context, static_cast<size_t>(2 * context.pool.n_threads()), args.layer.d_v);
  context.pool.parallel_for(static_cast<int64_t>(groups.size()), [&](int64_t i, int thread) {
    const Group& group = groups[static_cast<size_t>(i)];
    const State total = states.cleared(static_cast<size_t>(2 * thread)), part = states.at(static_cast<size_t>(2 * thread + 1));
    const KeyRange runs = runs_of(args, group);
    for (int64_t run = runs.first; run < runs.last; ++run) {
      attend_run(context, args, group, run, part, states.stride());
      states.join(total, part, group, args.layer.d_v);
    }
    finish(args, group, sinks, total, states.stride());
  });
}

void attend_few(CpuContext& context, const AttendArgs& args, const float* sinks) {
  const std::vector<Group> groups = group_queries(context, args);
  const bool split = groups.size() < 8 * static_cast<size_t>(context.pool.n_threads());
  split ? attend_split(context, args, groups, sinks) : attend_groups(context, args, groups, sinks);
}

/// The rows' spans of one sequence, long ones as blocks, the others together as far as they are neighbours.
void attend_fast(CpuContext& context, const AttendArgs& args, const float* sinks) {
  const int64_t n = args.q.n_rows;
  const auto end_of_span = [&](int64_t row) {
    const int32_t sequence = args.row_sequence[static_cast<size_t>(row)];
    while (row < n && args.row_sequence[static_cast<size_t>(row)] == sequence) ++row;
    return row;
  };
  const bool even = args.layer.d_k % 2 == 0;
  const auto is_long = [&](int64_t first, int64_t end) { return even && end - first >= kBlockRows; };
  for (int64_t row = 0; row < n;) {
    int64_t end = end_of_span(row);
    const bool blocks = is_long(row, end);
    while (!blocks && end < n && !is_long(end, end_of_span(end))) end = end_of_span(end);
    AttendArgs part = args;
    part.out = args.out.rows(row, end - row);
    part.q = args.q.rows(row, end - row);
    part.row_sequence = args.row_sequence.subspan(static_cast<size_t>(row), static_cast<size_t>(end - row));
    part.row_position = args.row_position.subspan(static_cast<size_t>(row), static_cast<size_t>(end - row));
    blocks ? attend_blocks(context, part, sinks) : attend_few(context, part, sinks);
    row = end;
  }
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
