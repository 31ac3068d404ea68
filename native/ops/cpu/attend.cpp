// Attention over the paged cache. The keys of a sequence are taken in runs of fixed length; each run gives a softmax
// relative to its own maximum, and the runs are merged in order (Dao et al. 2022), so a query's bits depend neither on
// the batch nor on how the runs were spread over threads. Heads that share keys, and neighbouring rows, go in one tile.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "ops/cpu/cpu_ops.h"
#include "ops/cpu/kv_page.h"

namespace conclave {
namespace {

constexpr int kRunPages = 16;
constexpr int kRunTokens = kRunPages * kPageTokens;
constexpr float kLowest = -3.4e38f;

struct Range { int64_t first, last; };   // positions [first, last)

Range visible(const AttendArgs& args, int64_t row) {
  const int64_t position = args.row_position[static_cast<size_t>(row)];
  return {args.window > 0 ? std::max<int64_t>(0, position - args.window + 1) : 0, position + 1};
}

/// Up to max_tile queries with one key head: rows [row, row + n_rows) of one sequence times `n_group` heads from `head`.
struct Group { int64_t row; int n_rows, kv_head, head, n_group; };

std::vector<Group> group_queries(const CpuContext& context, const AttendArgs& args) {
  const int64_t n = args.q.n_rows;
  const int shared = args.n_heads / args.layer.n_kv_heads, most = context.kernels.max_tile;
  const int heads_a_tile = std::min(shared, most), rows_a_tile = std::max(1, most / shared);
  std::vector<Group> groups;
  for (int64_t row = 0; row < n;) {
    int n_rows = 1;
    while (n_rows < rows_a_tile && row + n_rows < n && args.row_sequence[static_cast<size_t>(row + n_rows)] == args.row_sequence[static_cast<size_t>(row)]) ++n_rows;
    for (int kv_head = 0; kv_head < args.layer.n_kv_heads; ++kv_head)
      for (int head = 0; head < shared; head += heads_a_tile)
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
    const Range range = visible(args, group.row + r);
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
  const int d = args.layer.d_v;
  for (int query = 0; query < group.n_rows * group.n_group; ++query) {
    const int head = group.head + query % group.n_group;
    float* out = args.out.f32(group.row + query / group.n_group) + static_cast<int64_t>(head) * d;
    float total = state.sum[query], keep = 1.f;
    if (sinks) {
      const float joint = std::max(state.max[query], sinks[head]);
      keep = std::exp(state.max[query] - joint);
      total = total * keep + std::exp(sinks[head] - joint);
    }
    const float factor = total > 0.f ? keep / total : 0.f;
    for (int i = 0; i < d; ++i) out[i] = state.acc[query * stride + i] * factor;
  }
}

Range runs_of(const AttendArgs& args, const Group& group) {
  Range all{std::numeric_limits<int64_t>::max(), 0};
  for (int r = 0; r < group.n_rows; ++r) {
    const Range range = visible(args, group.row + r);
    all = {std::min(all.first, range.first), std::max(all.last, range.last)};
  }
  return {all.first / kRunTokens, (all.last + kRunTokens - 1) / kRunTokens};
}

void attend_fast(CpuContext& context, const AttendArgs& args, const float* sinks) {
  const std::vector<Group> groups = group_queries(context, args);
  const int d = args.layer.d_v;
  const ptrdiff_t stride = (d + 15) / 16 * 16;
  struct Piece { size_t group; int64_t run; };   // run -1: all runs of the group, one after the other
  std::vector<Piece> pieces;
  std::vector<Range> runs;
  const bool split = groups.size() < 8 * static_cast<size_t>(context.pool.n_threads());
  for (size_t g = 0; g < groups.size(); ++g) {
    runs.push_back(runs_of(args, groups[g]));
    if (!split) pieces.push_back({g, -1});
    else
      for (int64_t run = runs[g].first; run < runs[g].last; ++run) pieces.push_back({g, run});
  }
  // One state per piece when split; else a total and a run's state per thread.
  const size_t state_floats = static_cast<size_t>(kMaxTile * (stride + 2));
  const size_t n_states = split ? pieces.size() : 2 * static_cast<size_t>(context.pool.n_threads());
  float* states = context.partial.get<float>(n_states * state_floats + state_floats);
  const auto state = [&](size_t i) {
    float* base = states + i * state_floats;
    return State{base, base + kMaxTile * stride, base + kMaxTile * stride + kMaxTile};
  };
  const auto clear = [&](const State& total) {
    std::fill_n(total.acc, kMaxTile * stride, 0.f);
    std::fill_n(total.max, kMaxTile, kLowest);
    std::fill_n(total.sum, kMaxTile, 0.f);
  };
  const auto join = [&](const State& total, const State& part, const Group& group) {
    for (int query = 0; query < group.n_rows * group.n_group; ++query)
      merge(total.max[query], total.sum[query], total.acc + query * stride, part.max[query], part.sum[query], part.acc + query * stride, d);
  };

  context.pool.parallel_for(static_cast<int64_t>(pieces.size()), [&](int64_t i, int thread) {
    const Piece& piece = pieces[static_cast<size_t>(i)];
    const Group& group = groups[piece.group];
    if (piece.run >= 0) {
      const State part = state(static_cast<size_t>(i));
      attend_run(context, args, group, piece.run, part, stride);
      return;
    }
    const State total = state(2 * static_cast<size_t>(thread)), part = state(2 * static_cast<size_t>(thread) + 1);
    clear(total);
    for (int64_t run = runs[piece.group].first; run < runs[piece.group].last; ++run) {
      attend_run(context, args, group, run, part, stride);
      join(total, part, group);
    }
    finish(args, group, sinks, total, stride);
  });
  if (!split) return;
  const State total = state(n_states);
  for (size_t i = 0; i < pieces.size();) {
    const size_t g = pieces[i].group;
    clear(total);
    for (; i < pieces.size() && pieces[i].group == g; ++i) join(total, state(i), groups[g]);
    finish(args, groups[g], sinks, total, stride);
  }
}

void attend_exact_row(const AttendArgs& args, const float* sinks, int64_t row, int head) {
  const KvLayer& layer = args.layer;
  const int kv_head = head / (args.n_heads / layer.n_kv_heads);
  const auto& pages = args.sequences[static_cast<size_t>(args.row_sequence[static_cast<size_t>(row)])].pages;
  const float* q = args.q.f32(row) + static_cast<int64_t>(head) * layer.d_k;
  const Range range = visible(args, row);
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
