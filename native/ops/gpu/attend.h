// Attention over pages. The keys of a sequence are met in runs of 256; a run gives each query a softmax relative to its own
// largest score, and runs are joined in order (Dao et al. 2022), so a query's bits depend neither on the batch nor on
// whether the runs were met by one block or by many. Up to eight queries (neighbouring rows of a sequence, heads that share
// keys) meet each key while it is in a register.
#pragma once
#include "ops/gpu/kv.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kQueries = 8, kRunKeys = 256, kMostKey = 576, kMostValue = 512;
CONCLAVE_CONSTANT float kLowest = -3.4e38f;

/// Joins a run's state to that of the runs before it; returns by what to multiply the old and the new values.
CONCLAVE_DEVICE void join(CONCLAVE_THREAD float& largest, CONCLAVE_THREAD float& sum, float run_largest, float run_sum, CONCLAVE_THREAD float& keep, CONCLAVE_THREAD float& take) {
  keep = 1.f;
  take = 0.f;
  if (run_sum == 0.f) return;
  const float joint = fmaxf(largest, run_largest);
  keep = sum == 0.f ? 0.f : expf(largest - joint);
  take = expf(run_largest - joint);
  sum = fmaf(sum, keep, run_sum * take);
  largest = joint;
}

/// What to multiply the joined values by: 1 / (their weights and the sink's).
CONCLAVE_DEVICE float last_factor(float largest, float sum, Pointer<const float> sinks, int head) {
  float keep = 1.f;
  if (sinks) {
    const float sink = Global<const float>(sinks)[head], joint = fmaxf(largest, sink);
    keep = expf(largest - joint);
    sum = fmaf(sum, keep, expf(sink - joint));
  }
  return sum > 0.f ? keep / sum : 0.f;
}

template <class Type>
struct Attend {
  using Args = AttendKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = 128, kWarps = kThreads / kLanes;
  static CONCLAVE_CONSTANT int kColumns = kMostValue / kThreads;   // of the values, for a thread
  static CONCLAVE_CONSTANT int kSharedBytes = kQueries * (kMostKey + kRunKeys + 2) * 4;

  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<float> q = as<float>(shared), weights = q + kQueries * kMostKey, states = weights + kQueries * kRunKeys;   // states: largest, sum
    const RowTile tile = load_as<RowTile>(Global<const RowTile>(args.tiles) + p.z);
    const int shared_by = args.n_heads / args.pages.n_kv_heads, head_tiles = (shared_by + args.heads_a_tile - 1) / args.heads_a_tile;
    const int kv_head = p.y / head_tiles, in_group = p.y % head_tiles * args.heads_a_tile;
    const int heads = shared_by - in_group < args.heads_a_tile ? shared_by - in_group : args.heads_a_tile;
    const int first_head = kv_head * shared_by + in_group, n = tile.n_rows * heads, d_k = args.pages.d_k, d_v = args.pages.d_v;
    const Global<const int32_t> positions = args.positions;
    int first_key = 0x7fffffff, last_key = 0;
    for (int r = 0; r < tile.n_rows; ++r) {
      const int position = positions[tile.row + r], first = args.window > 0 && position >= args.window ? position - args.window + 1 : 0;
      first_key = first < first_key ? first : first_key;
      last_key = position + 1 > last_key ? position + 1 : last_key;
    }
    int from = first_key / kRunKeys, to = (last_key + kRunKeys - 1) / kRunKeys;
    if (args.partial) {
      from += p.x;
      if (from >= to) {   // there are more parts than runs
        for (int i = p.index; i < n; i += kThreads) {
          const int64_t part = (int64_t{tile.row + i / heads} * args.n_heads + first_head + i % heads) * args.n_parts + p.x;
          Global<float>(args.state)[2 * part] = kLowest;
          Global<float>(args.state)[2 * part + 1] = 0.f;
        }
        return;
      }
      to = from + 1;
    }
    for (int i = p.index; i < n * d_k; i += kThreads) {
      const int query = i / d_k;
      q[query * kMostKey + i % d_k] = Global<const float>(args.q)[(tile.row + query / heads) * args.q_stride + int64_t{first_head + query % heads} * d_k + i % d_k];
    }
    block_barrier();

    float total[kColumns][kQueries], largest[kQueries], sum[kQueries];
    CONCLAVE_UNROLL
    for (int i = 0; i < kQueries; ++i) {
      largest[i] = kLowest;
      sum[i] = 0.f;
      CONCLAVE_UNROLL
      for (int c = 0; c < kColumns; ++c) total[c][i] = 0.f;
    }
    for (int run = from; run < to; ++run) {
      const int begin = run * kRunKeys > first_key ? run * kRunKeys : first_key, end = (run + 1) * kRunKeys < last_key ? (run + 1) * kRunKeys : last_key;
      score_run(args, tile, p, q, weights, run, begin, end, kv_head, heads, n);
      block_barrier();
      weigh_run(p, weights, states, begin - run * kRunKeys, end - run * kRunKeys, n);
      block_barrier();
      float keep[kQueries], take[kQueries];
      CONCLAVE_UNROLL
      for (int i = 0; i < kQueries; ++i)
        if (i < n) join(largest[i], sum[i], states[2 * i], states[2 * i + 1], keep[i], take[i]);
      CONCLAVE_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const int column = p.index + c * kThreads;
        if (column >= d_v) continue;
        float mixed[kQueries];
        CONCLAVE_UNROLL
        for (int i = 0; i < kQueries; ++i) mixed[i] = 0.f;
        for (int key = begin; key < end; ++key) {
          const float value = value_at(args, tile, key, kv_head, column);
          CONCLAVE_UNROLL
          for (int i = 0; i < kQueries; ++i)
            if (i < n) mixed[i] = fmaf(weights[i * kRunKeys + key % kRunKeys], value, mixed[i]);
        }
        CONCLAVE_UNROLL
        for (int i = 0; i < kQueries; ++i)
          if (i < n) total[c][i] = fmaf(total[c][i], keep[i], mixed[i] * take[i]);
      }
      block_barrier();
    }
    CONCLAVE_UNROLL
    for (int i = 0; i < kQueries; ++i) {
      if (i >= n) continue;
      const int64_t row = tile.row + i / heads;
      const int head = first_head + i % heads;
      const int64_t part = (row * args.n_heads + head) * args.n_parts + p.x;
      const float factor = args.partial ? 1.f : last_factor(largest[i], sum[i], args.sinks, head);
      CONCLAVE_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const int column = p.index + c * kThreads;
        if (column >= d_v) continue;
        if (args.partial) Global<float>(args.partial)[part * d_v + column] = total[c][i];
        else Global<float>(args.out)[row * args.out_stride + int64_t{head} * d_v + column] = total[c][i] * factor;
      }
      if (args.partial && p.index == 0) {
        Global<float>(args.state)[2 * part] = largest[i];
        Global<float>(args.state)[2 * part + 1] = sum[i];
      }
    }
  }

 private:
  static CONCLAVE_DEVICE int64_t page_of(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const RowTile& tile, int key, int kv_head) {
    return int64_t{Global<const int32_t>(args.page_table)[tile.first_page + key / kTokens]} * args.pages.n_kv_heads + kv_head;
  }

  static CONCLAVE_DEVICE float value_at(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const RowTile& tile, int key, int kv_head, int column) {
    const int d = args.pages.d_v, token = key % kTokens;
    const Global<const uint8_t> page = Global<const uint8_t>(args.pages.v) + page_of(args, tile, key, kv_head) * args.pages.v_page;
    float value = Type::get(page + (token * d + column) * Type::kBytes);
    if (kHasScales<Type>) value *= f16_value(load_as<uint16_t>(page + (kTokens * d + (token * (d / 32) + column / 32) * 2)));
    return value;
  }

  /// weights[query][key of the run] = score, or kLowest where the query does not look. A warp a page, a lane a key.
  static CONCLAVE_DEVICE void score_run(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const RowTile& tile, Place p, Shared<const float> q, Shared<float> weights, int run, int begin, int end, int kv_head, int heads, int n) {
    const int d = args.pages.d_k, piece = key_run<Type>(d), lane = p.index % kLanes;
    const Global<const int32_t> positions = args.positions;
    for (int first = run * kRunKeys + p.index / kLanes * kTokens; first < end; first += kWarps * kTokens) {
      if (first + kTokens <= begin) continue;
      const Global<const uint8_t> page = Global<const uint8_t>(args.pages.k) + page_of(args, tile, first, kv_head) * args.pages.k_page, codes = page + key_scales_bytes<Type>(d);
      float scores[kQueries];
      CONCLAVE_UNROLL
      for (int i = 0; i < kQueries; ++i) scores[i] = 0.f;
      const int key = first + lane;
      for (int c = 0; key < end && c < d; c += piece) {
        const float scale = kHasScales<Type> ? f16_value(load_as<uint16_t>(page + (c / 32 * kTokens + lane) * 2)) : 1.f;
        float values[Type::kRun];
        if (piece == Type::kRun) {
          load_run(codes + key_element(c, lane, piece) * Type::kBytes, values);
        } else {
          values[0] = Type::get(codes + key_element(c, lane, 1) * Type::kBytes);
        }
        CONCLAVE_UNROLL
        for (int j = 0; j < Type::kRun; ++j) {
          if (j >= piece) continue;
          CONCLAVE_UNROLL
          for (int i = 0; i < kQueries; ++i)
            if (i < n) scores[i] = fmaf(q[i * kMostKey + c + j], values[j] * scale, scores[i]);
        }
      }
      CONCLAVE_UNROLL
      for (int i = 0; i < kQueries; ++i) {
        if (i >= n) continue;
        const int position = positions[tile.row + i / heads];
        float score = scores[i] * args.scale;
        if (args.softcap != 0.f) score = args.softcap * tanhf(score / args.softcap);
        const bool seen = key <= position && key < end && (args.window == 0 || key > position - args.window);
        weights[i * kRunKeys + key % kRunKeys] = seen ? score : kLowest;
      }
    }
  }

  /// A whole run of a key, in one load.
  static CONCLAVE_DEVICE void load_run(Global<const uint8_t> p, CONCLAVE_THREAD float (&values)[Type::kRun]) {
    const Words4 words = load_as<Words4>(p);
    CONCLAVE_UNROLL
    for (int j = 0; j < Type::kRun; ++j) {
      if constexpr (Type::kBytes == 4) values[j] = float_of(words.w[j]);
      else if constexpr (kHasScales<Type>) values[j] = static_cast<float>(static_cast<int8_t>(words.w[j / 4] >> 8 * (j % 4)));
      else values[j] = Type::of(static_cast<uint16_t>(words.w[j / 2] >> 16 * (j % 2)));
    }
  }

  /// Scores to weights, a warp for each query in turn: states[query] = largest score, sum of weights. A lane has the same keys
  /// whatever the other queries of the tile see, so that the sum's order is the query's own.
  static CONCLAVE_DEVICE void weigh_run(Place p, Shared<float> weights, Shared<float> states, int begin, int end, int n) {
    const int lane = p.index % kLanes;
    for (int i = p.index / kLanes; i < n; i += kWarps) {
      const Shared<float> own = weights + i * kRunKeys;
      float largest = kLowest;
      for (int key = begin / kLanes * kLanes + lane; key < end; key += kLanes) largest = fmaxf(largest, own[key]);
      largest = warp_max(largest);
      float sum = 0.f;
      for (int key = begin / kLanes * kLanes + lane; key < end; key += kLanes) {
        const float weight = own[key] == kLowest ? 0.f : expf(own[key] - largest);
        own[key] = weight;
        sum += weight;
      }
      sum = warp_sum(sum);
      if (lane == 0) {
        states[2 * i] = largest;
        states[2 * i + 1] = sum;
      }
    }
  }
};

struct MergeRuns {
  using Args = MergeKernelArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int64_t first = (int64_t{p.y} * args.n_heads + p.x) * args.n_parts;
    const Global<const float> partial = args.partial, state = args.state;
    for (int column = p.index; column < args.d_v; column += kThreads) {
      float largest = kLowest, sum = 0.f, total = 0.f;
      for (int part = 0; part < args.n_parts; ++part) {
        float keep, take;
        join(largest, sum, state[2 * (first + part)], state[2 * (first + part) + 1], keep, take);
        if (take != 0.f) total = fmaf(total, keep, partial[(first + part) * args.d_v + column] * take);
      }
      Global<float>(args.out)[p.y * args.out_stride + int64_t{p.x} * args.d_v + column] = total * last_factor(largest, sum, args.sinks, p.x);
    }
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
