// Attention of a prompt: many rows of one sequence. A block of up to kBlockQueries queries with one key head walks the
// sequence once, 64 keys at a time, which are turned to fixed point for all of its queries; the softmax goes along
// (Milakov & Gimelshein 2018). Blocks do not depend on the number of threads.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ops/cpu/attend_rows.h"
#include "ops/cpu/kv_page.h"

namespace conclave {
namespace {

constexpr int kBlockQueries = 256;   // below, making the keys takes too large a share
constexpr int kRunPages = kFixedKeys / kPageTokens;
constexpr float kLog2E = 1.44269504f;

/// Rows [row, row + n_rows) times the heads of `kv_head`; query = row * n_heads_each + head.
struct Block { int64_t row; int n_rows, kv_head; };

/// Memory of one thread, cut from one allocation.
struct BlockState {
  uint32_t* q;      // [n_queries][d_k / 2]
  float *factor, *max, *sum;
  float* acc;       // [n_queries][stride]
  ptrdiff_t stride;
  FixedRun run;
};

class BlockMemory {
 public:
  BlockMemory(CpuContext& context, const AttendArgs& args, int n_queries)
      : n_queries_(static_cast<size_t>(n_queries + kMaxTile)), d_k_(static_cast<size_t>(args.layer.d_k)), stride_(static_cast<size_t>((args.layer.d_v + 15) / 16 * 16)),
        words_((n_queries_ * (d_k_ / 2 + 3 + stride_) + kFixedKeys * (d_k_ / 2) + kFixedKeys / 2 * stride_ + 15) / 16 * 16),
        base_(context.partial.get<float>(words_ * static_cast<size_t>(context.pool.n_threads()))) {}

  BlockState of(int thread) const {
    float* at = base_ + words_ * static_cast<size_t>(thread);
    const auto take = [&](size_t n) { return std::exchange(at, at + n); };
    BlockState state{};
    state.run.k = reinterpret_cast<uint32_t*>(take(kFixedKeys * (d_k_ / 2)));
    state.run.v = reinterpret_cast<uint32_t*>(take(kFixedKeys / 2 * stride_));
    state.run.v_stride = static_cast<int>(stride_);
    state.acc = take(n_queries_ * stride_);
    state.stride = static_cast<ptrdiff_t>(stride_);
    state.q = reinterpret_cast<uint32_t*>(take(n_queries_ * (d_k_ / 2)));
    for (float** each : {&state.factor, &state.max, &state.sum}) *each = take(n_queries_);
    std::fill_n(state.acc, n_queries_ * stride_, 0.f);
    std::fill_n(state.max, n_queries_, -1e30f);
    std::fill_n(state.sum, n_queries_, 0.f);
    return state;
  }

 private:
  size_t n_queries_, d_k_, stride_, words_;
  float* base_;
};

/// Writes d values as pairs of integers; returns what one stands for.
float fix_query(const float* x, int d, uint32_t* out) {
  float squares = 1e-36f;
  for (int i = 0; i < d; ++i) squares += x[i] * x[i];
  const float length = std::sqrt(squares), inverse = kMostLength / length;
  const auto code = [&](int i) { return static_cast<uint32_t>(std::lrint(x[i] * inverse)); };
  for (int i = 0; i < d; i += 2) out[i / 2] = (code(i) & 0xffffu) | code(i + 1) << 16;
  return length / kMostLength;
}

class BlockWalk {
 public:
  BlockWalk(const CpuContext& context, const AttendArgs& args, const Block& block, BlockState state)
      : context_(context), args_(args), block_(block), state_(state), n_heads_(args.n_heads / args.layer.n_kv_heads), n_queries_(block.n_rows * n_heads_) {}

  void run(const float* sinks) {
    const int d = args_.layer.d_k;
    for (int query = 0; query < n_queries_; ++query)
      state_.factor[query] = fix_query(args_.q.f32(row_of(query)) + static_cast<int64_t>(head_of(query)) * d, d, state_.q + static_cast<ptrdiff_t>(query) * (d / 2)) * args_.scale * kLog2E;
    KeyRange all{std::numeric_limits<int64_t>::max(), 0};
    for (int r = 0; r < block_.n_rows; ++r) {
      const KeyRange range = visible_keys(args_, block_.row + r);
      all = {std::min(all.first, range.first), std::max(all.last, range.last)};
    }
    for (int64_t start = all.first / kFixedKeys * kFixedKeys; start < all.last; start += kFixedKeys) meet(start, all);
    for (int query = 0; query < n_queries_; ++query) {
      float* const out = args_.out.f32(row_of(query)) + static_cast<int64_t>(head_of(query)) * args_.layer.d_v;
      write_attended(state_.acc + query * state_.stride, state_.max[query] / kLog2E, state_.sum[query], sinks ? &sinks[head_of(query)] : nullptr, out, args_.layer.d_v);
    }
  }

 private:
  int64_t row_of(int query) const { return block_.row + query / n_heads_; }
  int head_of(int query) const { return block_.kv_head * n_heads_ + query % n_heads_; }

  /// All queries against the run of keys from `start`.
  void meet(int64_t start, const KeyRange& all) {
    const KvLayer& layer = args_.layer;
    const auto& pages = args_.sequences[static_cast<size_t>(args_.row_sequence[static_cast<size_t>(block_.row)])].pages;
    const int first = static_cast<int>(std::max<int64_t>(0, all.first - start)), last = static_cast<int>(std::min<int64_t>(kFixedKeys, all.last - start));
    const std::byte *k[kRunPages], *v[kRunPages];
    for (int page = 0; page * kPageTokens < last; ++page) {
      const int32_t id = pages[static_cast<size_t>(start / kPageTokens + page)];
      k[page] = kv_page_at(layer.k, layer.type, layer.n_kv_heads, layer.d_k, id, block_.kv_head);
      v[page] = kv_page_at(layer.v, layer.type, layer.n_kv_heads, layer.d_v, id, block_.kv_head);
    }
    context_.kernels.fix_run({k, v, layer.type, layer.d_k, layer.d_v, first, last}, state_.run);
    const int n_tile = context_.kernels.max_tile;
    for (int query = 0; query < n_queries_; query += n_tile) {
      FixedTile tile{};
      tile.run = &state_.run;
      bool sees = false;
      for (int i = 0; i < n_tile; ++i) {
        const int from = std::min(query + i, n_queries_ - 1);
        tile.q[i] = state_.q + static_cast<ptrdiff_t>(from) * (layer.d_k / 2);
        tile.factor[i] = state_.factor[from];
        if (query + i >= n_queries_) continue;
        const KeyRange range = visible_keys(args_, row_of(from));
        tile.first[i] = static_cast<int>(std::clamp<int64_t>(range.first - start, 0, kFixedKeys));
        tile.last[i] = static_cast<int>(std::clamp<int64_t>(range.last - start, 0, kFixedKeys));
        sees |= tile.first[i] < tile.last[i];
      }
      if (!sees) continue;
      tile.d_k = layer.d_k;
      tile.softcap = args_.softcap;
      tile.max = state_.max + query;
      tile.sum = state_.sum + query;
      tile.acc = state_.acc + query * state_.stride;
      tile.acc_stride = state_.stride;
      context_.kernels.attend_fixed(tile);
    }
  }

  const CpuContext& context_;
  const AttendArgs& args_;
  const Block block_;
  BlockState state_;
  const int n_heads_, n_queries_;
};

}  // namespace

void attend_blocks(CpuContext& context, const AttendArgs& args, const float* sinks) {
  const int n_heads = args.n_heads / args.layer.n_kv_heads, rows_a_block = std::max(1, kBlockQueries / n_heads);
  const int n_rows = static_cast<int>(args.q.n_rows), n_blocks = (n_rows + rows_a_block - 1) / rows_a_block;
  const BlockMemory memory(context, args, rows_a_block * n_heads);
  // The last rows see the most keys: they begin, so that no thread is left with a long piece at the end.
  context.pool.parallel_for(int64_t{args.layer.n_kv_heads} * n_blocks, [&](int64_t i, int thread) {
    const int block = n_blocks - 1 - static_cast<int>(i) / args.layer.n_kv_heads;
    const int64_t row = int64_t{block} * rows_a_block;
    BlockWalk(context, args, {row, static_cast<int>(std::min<int64_t>(rows_a_block, n_rows - row)), static_cast<int>(i) % args.layer.n_kv_heads}, memory.of(thread)).run(sinks);
  });
}

}  // namespace conclave
