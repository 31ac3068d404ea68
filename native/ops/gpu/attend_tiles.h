// Attention over pages by matrix fragments. A block has tiles of 16 queries (any rows, heads that share keys) and walks their
// keys page by page: keys to shared memory as halves, scores, an online softmax in floats (Milakov & Gimelshein 2018), values
// to the same memory, weighted values. Four warps: kSplit of them share a tile, each scoring some of a page's keys and
// mixing some of the columns, and there are 4 / kSplit tiles.
//
// With kTerms = 2 queries and weights are pairs of halves, which hold about what a float does, and runs of 256 keys are joined in
// order as in attend.h. Then a query's bits depend neither on the queries beside it, nor on kSplit, nor on which block met which
// run: what rows that generate need, alone or over pages that sequences share (Juravsky et al. 2024). With kTerms = 1, for
// prompts, halves are enough and there are no runs.
#pragma once
#include "ops/gpu/attend.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_DEVICE uint32_t pack_halves(float low, float high) { return static_cast<uint32_t>(f16_bits(low)) | static_cast<uint32_t>(f16_bits(high)) << 16; }
/// A half holds no more than that.
CONCLAVE_DEVICE float within_half(float x) { return fminf(fmaxf(x, -65504.f), 65504.f); }

/// Eight neighbours of one token's key (from element 8 * c on) or value, as halves.
template <class Type>
struct EightOf;

template <>
struct EightOf<KvF16> {
  static CONCLAVE_DEVICE Words4 key(Global<const uint8_t> page, int, int c, int token) { return load_as<Words4>(page + (c * kTokens + token) * 16); }
  static CONCLAVE_DEVICE Words4 value(Global<const uint8_t> page, int d, int c, int token) { return load_as<Words4>(page + (token * d + 8 * c) * 2); }
};

template <>
struct EightOf<KvBF16> {
  static CONCLAVE_DEVICE Words4 key(Global<const uint8_t> page, int, int c, int token) { return halves(load_as<Words4>(page + (c * kTokens + token) * 16)); }
  static CONCLAVE_DEVICE Words4 value(Global<const uint8_t> page, int d, int c, int token) { return halves(load_as<Words4>(page + (token * d + 8 * c) * 2)); }

 private:
  static CONCLAVE_DEVICE Words4 halves(Words4 words) {
    CONCLAVE_UNROLL
    for (int i = 0; i < 4; ++i) words.w[i] = pack_halves(within_half(float_of(words.w[i] << 16)), within_half(float_of(words.w[i] & 0xffff0000u)));
    return words;
  }
};

template <>
struct EightOf<KvF32> {
  static CONCLAVE_DEVICE Words4 key(Global<const uint8_t> page, int, int c, int token) {
    return halves(load_as<Floats4>(page + (2 * c * kTokens + token) * 16), load_as<Floats4>(page + ((2 * c + 1) * kTokens + token) * 16));
  }
  static CONCLAVE_DEVICE Words4 value(Global<const uint8_t> page, int d, int c, int token) {
    const Global<const uint8_t> from = page + (token * d + 8 * c) * 4;
    return halves(load_as<Floats4>(from), load_as<Floats4>(from + 16));
  }

 private:
  static CONCLAVE_DEVICE Words4 halves(Floats4 low, Floats4 high) {
    Words4 words;
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      words.w[i] = pack_halves(within_half(low.f[2 * i]), within_half(low.f[2 * i + 1]));
      words.w[2 + i] = pack_halves(within_half(high.f[2 * i]), within_half(high.f[2 * i + 1]));
    }
    return words;
  }
};

template <>
struct EightOf<KvQ8_0> {
  static CONCLAVE_DEVICE Words4 key(Global<const uint8_t> page, int d, int c, int token) {
    return halves(page + (key_scales_bytes<KvQ8_0>(d) + (c / 2 * kTokens + token) * 16 + c % 2 * 8), page + (c / 4 * kTokens + token) * 2);
  }
  static CONCLAVE_DEVICE Words4 value(Global<const uint8_t> page, int d, int c, int token) {
    return halves(page + (token * d + 8 * c), page + (kTokens * d + (token * (d / 32) + c / 4) * 2));
  }

 private:
  static CONCLAVE_DEVICE Words4 halves(Global<const uint8_t> codes, Global<const uint8_t> scale_at) {
    const float scale = f16_value(load_as<uint16_t>(scale_at));
    Words4 words;
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const uint32_t four = load_as<uint32_t>(codes + 4 * i);
      float x[4];
      CONCLAVE_UNROLL
      for (int j = 0; j < 4; ++j) x[j] = within_half(static_cast<float>(static_cast<int8_t>(four >> 8 * j)) * scale);
      words.w[2 * i] = pack_halves(x[0], x[1]);
      words.w[2 * i + 1] = pack_halves(x[2], x[3]);
    }
    return words;
  }
};

/// kWidest: the most numbers of a key and of a value, a multiple of 32.
template <class Type, int kSplit, int kTerms, int kWidest>
struct AttendTiles {
  using Args = TileAttendArgs;
  static CONCLAVE_CONSTANT int kThreads = 128, kWarps = 4;
  static CONCLAVE_CONSTANT int kGroups = kWarps / kSplit, kQueriesABlock = 16 * kGroups;
  static CONCLAVE_CONSTANT int kScored = 4 / kSplit;             // tiles of eight keys that a warp scores
  static CONCLAVE_CONSTANT int kMixed = kWidest / 8 / kSplit;    // tiles of eight columns that it mixes
  static CONCLAVE_CONSTANT int kPieces = kWidest / 32;           // eights of a page that a thread carries
  static CONCLAVE_CONSTANT int kScoreStride = kTokens + 4;
  static CONCLAVE_CONSTANT int kSharedBytes = 32 << 10;          // picked to fit: pick_attention.h

  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const QueryTile tile = load_as<QueryTile>(Global<const QueryTile>(args.tiles) + p.x);
    if (tile.n_queries == 0) return;
    const int warp = p.index / kLanes, lane = p.index % kLanes, group = warp / kSplit, part = warp % kSplit;
    const int n_steps = (args.pages.d_k + 15) / 16, d_v = args.pages.d_v, key_stride = 32 * n_steps + 16, value_stride = 2 * d_v + 16;
    const Shared<unsigned char> page_room = shared + kTerms * kQueriesABlock * key_stride;
    const Shared<float> scores_room = as<float>(page_room + kTokens * (key_stride > value_stride ? key_stride : value_stride));
    const Shared<float> factors = scores_room + (kSplit > 1 ? kGroups * 16 * kScoreStride : 0);
    load_queries(args, tile, p, shared, factors, key_stride, n_steps);

    // A lane's two queries: rows tile_row(lane, 0) and tile_row(lane, 2) of the tile.
    int position[2], first_key[2];
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int query = 16 * group + tile_row(lane, 2 * i);
      position[i] = query < tile.n_queries ? Global<const int32_t>(args.positions)[row_of(args, tile, query)] : -1;
      first_key[i] = args.window > 0 && position[i] >= args.window ? position[i] - args.window + 1 : 0;
    }
    float largest[2], sum[2], all_largest[2], all_sum[2];
    FloatTile mixed[kMixed], all[kTerms == 2 ? kMixed : 1];   // of the run, and of the runs before it
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      all_largest[i] = largest[i] = kLowest;
      all_sum[i] = sum[i] = 0.f;
    }
    clear(mixed);
    if constexpr (kTerms == 2) {
      clear(all);
      if (tile.goes_on) resume(args, tile, p, all, all_largest, all_sum, lane, group, part);
    }

    Words4 ahead[kPieces];
    const int end = (tile.last_key + kTokens - 1) / kTokens;
    load_keys(args, tile, p, tile.first_key / kTokens, ahead);
    for (int page = tile.first_key / kTokens; page < end; ++page) {
      block_barrier();   // the page before has been met
      store_keys(args, p, page_room, key_stride, ahead);
      load_values(args, tile, p, page, ahead);
      block_barrier();
      FloatTile scores[4];
      score(shared + group * 16 * key_stride, page_room, key_stride, n_steps, lane, part, scores);
      if (kSplit > 1) {
        CONCLAVE_UNROLL
        for (int t = 0; t < kScored; ++t)
          CONCLAVE_UNROLL
          for (int i = 0; i < 4; ++i) scores_room[(group * 16 + tile_row(lane, i)) * kScoreStride + (part * kScored + t) * 8 + tile_column(lane, i)] = scores[t].v[i];
      }
      block_barrier();
      store_values(args, p, page_room, value_stride, ahead);
      if (page + 1 < end) load_keys(args, tile, p, page + 1, ahead);
      if (kSplit > 1) {
        CONCLAVE_UNROLL
        for (int t = 0; t < 4; ++t)
          CONCLAVE_UNROLL
          for (int i = 0; i < 4; ++i) scores[t].v[i] = scores_room[(group * 16 + tile_row(lane, i)) * kScoreStride + 8 * t + tile_column(lane, i)];
      }
      float keep[2];
      CONCLAVE_UNROLL
      for (int i = 0; i < 2; ++i) keep[i] = soften(args, scores, i, page * kTokens, position[i], first_key[i], factors[16 * group + tile_row(lane, 2 * i)], lane, largest[i], sum[i]);
      block_barrier();
      mix(page_room, value_stride, d_v, scores, keep, lane, part, mixed);
      if constexpr (kTerms == 2) {
        if ((page + 1) * kTokens % kRunKeys == 0 || page + 1 == end) join_run(mixed, largest, sum, all, all_largest, all_sum);
      }
    }
    if constexpr (kTerms == 2) write(args, tile, p, all, all_largest, all_sum, position, first_key, lane, group, part);
    else write(args, tile, p, mixed, largest, sum, position, first_key, lane, group, part);
  }

 private:
  static CONCLAVE_DEVICE int heads_each(CONCLAVE_ARGS const Args& args) { return args.n_heads / args.pages.n_kv_heads; }
  static CONCLAVE_DEVICE int row_of(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, int query) {
    return Global<const int32_t>(args.rows)[tile.rows_at + (tile.first_query + query) / heads_each(args)];
  }
  static CONCLAVE_DEVICE int head_of(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, int query) {
    return p.y * heads_each(args) + (tile.first_query + query) % heads_each(args);
  }
  /// Which of the states in memory is this query's.
  static CONCLAVE_DEVICE int64_t place_of(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, int query) {
    return int64_t{Global<const int32_t>(args.places)[row_of(args, tile, query)]} * args.n_heads + head_of(args, tile, p, query);
  }
  static CONCLAVE_DEVICE int64_t page_at(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, int page) {
    return int64_t{Global<const int32_t>(args.page_table)[tile.table_at + page]} * args.pages.n_kv_heads + p.y;
  }

  template <int n>
  static CONCLAVE_DEVICE void clear(CONCLAVE_THREAD FloatTile (&tiles)[n]) {
    CONCLAVE_UNROLL
    for (int j = 0; j < n; ++j)
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) tiles[j].v[i] = 0.f;
  }

  /// Queries as halves, scaled so that the largest number of each is 1024; a second term holds what the first leaves out.
  /// factors: by what to multiply a query's scores.
  static CONCLAVE_DEVICE void load_queries(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, Shared<unsigned char> room, Shared<float> factors, int stride, int n_steps) {
    const int lane = p.index % kLanes, d = args.pages.d_k;
    for (int query = p.index / kLanes; query < kQueriesABlock; query += kWarps) {
      const bool there = query < tile.n_queries;
      const Global<const float> from = Global<const float>(args.q) + (there ? row_of(args, tile, query) * args.q_stride + int64_t{head_of(args, tile, p, query)} * d : 0);
      float largest = 0.f;
      for (int i = lane; there && i < d; i += kLanes) largest = fmaxf(largest, fabsf(from[i]));
      largest = warp_max(largest);
      const float inverse = largest > 0.f ? 1024.f / largest : 0.f;
      for (int i = lane; i < 16 * n_steps; i += kLanes) {
        const float x = there && i < d ? fmaf(from[i], inverse, 0.f) : 0.f;   // as written: a product that is fused with what follows has other bits
        const uint16_t bits = f16_bits(x);
        *as<uint16_t>(room + (query * stride + 2 * i)) = bits;
        if (kTerms == 2) *as<uint16_t>(room + ((kQueriesABlock + query) * stride + 2 * i)) = f16_bits(x - f16_value(bits));
      }
      if (lane == 0) factors[query] = largest * 0.0009765625f * args.scale;
    }
  }

  static CONCLAVE_DEVICE void load_keys(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, int page, CONCLAVE_THREAD Words4 (&ahead)[kPieces]) {
    const Global<const uint8_t> from = Global<const uint8_t>(args.pages.k) + page_at(args, tile, p, page) * args.pages.k_page;
    CONCLAVE_UNROLL
    for (int j = 0; j < kPieces; ++j) {
      const int c = p.index / kTokens + j * (kThreads / kTokens);
      if (8 * c < args.pages.d_k) ahead[j] = EightOf<Type>::key(from, args.pages.d_k, c, p.index % kTokens);
    }
  }
  /// Columns up to a multiple of 16 are zeros.
  static CONCLAVE_DEVICE void store_keys(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> room, int stride, CONCLAVE_THREAD const Words4 (&ahead)[kPieces]) {
    CONCLAVE_UNROLL
    for (int j = 0; j < kPieces; ++j) {
      const int c = p.index / kTokens + j * (kThreads / kTokens);
      Words4 words = ahead[j];
      if (8 * c >= args.pages.d_k) words.w[0] = words.w[1] = words.w[2] = words.w[3] = 0u;
      if (16 * c < stride - 16) store_as(room + (p.index % kTokens * stride + 16 * c), words);
    }
  }

  /// Of keys that no query looks at, memory may hold anything: zeros.
  static CONCLAVE_DEVICE void load_values(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, int page, CONCLAVE_THREAD Words4 (&ahead)[kPieces]) {
    const Global<const uint8_t> from = Global<const uint8_t>(args.pages.v) + page_at(args, tile, p, page) * args.pages.v_page;
    const int each = args.pages.d_v / 8;
    CONCLAVE_UNROLL
    for (int j = 0; j < kPieces; ++j) {
      const int at = p.index + j * kThreads, token = at / each;
      if (token >= kTokens) continue;
      ahead[j] = EightOf<Type>::value(from, args.pages.d_v, at % each, token);
      if (page * kTokens + token >= tile.last_key) ahead[j].w[0] = ahead[j].w[1] = ahead[j].w[2] = ahead[j].w[3] = 0u;
    }
  }
  static CONCLAVE_DEVICE void store_values(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> room, int stride, CONCLAVE_THREAD const Words4 (&ahead)[kPieces]) {
    const int each = args.pages.d_v / 8;
    CONCLAVE_UNROLL
    for (int j = 0; j < kPieces; ++j) {
      const int at = p.index + j * kThreads, token = at / each;
      if (token < kTokens) store_as(room + (token * stride + at % each * 16), ahead[j]);
    }
  }

  /// Products of the group's queries with this warp's eights of the page's keys.
  static CONCLAVE_DEVICE void score(Shared<const unsigned char> queries, Shared<const unsigned char> keys, int stride, int n_steps, int lane, int part, CONCLAVE_THREAD FloatTile (&scores)[4]) {
    clear(scores);
    for (int step = 0; step < n_steps; ++step) {
      Halves16x16 left[kTerms];
      CONCLAVE_UNROLL
      for (int term = 0; term < kTerms; ++term) load_fragment(left[term], queries + (term * kQueriesABlock * stride + 32 * step), stride, lane);
      CONCLAVE_UNROLL
      for (int t = 0; t < kScored; ++t) {
        Halves8x16 right;
        load_fragment(right, keys + ((part * kScored + t) * 8 * stride + 32 * step), stride, lane);
        CONCLAVE_UNROLL
        for (int term = 0; term < kTerms; ++term) multiply_add(scores[t], left[term], right);
      }
    }
  }

  /// Scores of one of the lane's two queries to weights relative to its largest score so far; returns what becomes of earlier ones.
  static CONCLAVE_DEVICE float soften(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD FloatTile (&scores)[4], int i, int first, int position, int first_key, float factor, int lane,
                                      CONCLAVE_THREAD float& largest, CONCLAVE_THREAD float& sum) {
    float most = kLowest;
    CONCLAVE_UNROLL
    for (int t = 0; t < 4; ++t)
      CONCLAVE_UNROLL
      for (int e = 0; e < 2; ++e) {
        float x = fmaf(scores[t].v[2 * i + e], factor, 0.f);
        if (args.softcap != 0.f) x = args.softcap * tanhf(x / args.softcap);
        const int key = first + 8 * t + tile_column(lane, e);
        x = key <= position && key >= first_key ? x : kLowest;
        scores[t].v[2 * i + e] = x;
        most = fmaxf(most, x);
      }
    const float next = fmaxf(largest, tile_row_max(most)), keep = expf(largest - next);
    float added = 0.f;
    CONCLAVE_UNROLL
    for (int t = 0; t < 4; ++t)
      CONCLAVE_UNROLL
      for (int e = 0; e < 2; ++e) {
        const float x = scores[t].v[2 * i + e], weight = x == kLowest ? 0.f : expf(x - next);
        scores[t].v[2 * i + e] = weight;
        added += weight;
      }
    sum = fmaf(sum, keep, tile_row_sum(added));
    largest = next;
    return keep;
  }

  /// mixed = mixed * keep + weights . values, of this warp's columns.
  static CONCLAVE_DEVICE void mix(Shared<const unsigned char> values, int stride, int d_v, CONCLAVE_THREAD const FloatTile (&weights)[4], CONCLAVE_THREAD const float (&keep)[2], int lane, int part,
                                  CONCLAVE_THREAD FloatTile (&mixed)[kMixed]) {
    Halves16x16 left[kTerms][2];
    CONCLAVE_UNROLL
    for (int k = 0; k < 2; ++k) {
      halves_of(weights[2 * k], weights[2 * k + 1], left[0][k]);
      if constexpr (kTerms == 2) {
        FloatTile rest[2];
        CONCLAVE_UNROLL
        for (int t = 0; t < 2; ++t)
          CONCLAVE_UNROLL
          for (int i = 0; i < 4; ++i) rest[t].v[i] = weights[2 * k + t].v[i] - f16_value(f16_bits(weights[2 * k + t].v[i]));
        halves_of(rest[0], rest[1], left[1][k]);
      }
    }
    CONCLAVE_UNROLL
    for (int j = 0; j < kMixed; ++j) {
      const int column = 8 * (part + j * kSplit);
      if (column >= d_v) continue;
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) mixed[j].v[i] *= keep[i / 2];
      CONCLAVE_UNROLL
      for (int k = 0; k < 2; ++k) {
        Halves8x16 right;
        load_transposed(right, values + (16 * k * stride + 2 * column), stride, lane);
        CONCLAVE_UNROLL
        for (int term = 0; term < kTerms; ++term) multiply_add(mixed[j], left[term][k], right);
      }
    }
  }

  /// Joins the run to those before it, and begins another.
  static CONCLAVE_DEVICE void join_run(CONCLAVE_THREAD FloatTile (&mixed)[kMixed], CONCLAVE_THREAD float (&largest)[2], CONCLAVE_THREAD float (&sum)[2], CONCLAVE_THREAD FloatTile (&all)[kMixed],
                                       CONCLAVE_THREAD float (&all_largest)[2], CONCLAVE_THREAD float (&all_sum)[2]) {
    float keep[2], take[2];
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      join(all_largest[i], all_sum[i], largest[i], sum[i], keep[i], take[i]);
      largest[i] = kLowest;
      sum[i] = 0.f;
    }
    CONCLAVE_UNROLL
    for (int j = 0; j < kMixed; ++j)
      CONCLAVE_UNROLL
      for (int i = 0; i < 4; ++i) {
        all[j].v[i] = fmaf(all[j].v[i], keep[i / 2], mixed[j].v[i] * take[i / 2]);
        mixed[j].v[i] = 0.f;
      }
  }

  /// Takes up what earlier tiles left of the runs before this one's.
  static CONCLAVE_DEVICE void resume(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, CONCLAVE_THREAD FloatTile (&all)[kMixed], CONCLAVE_THREAD float (&largest)[2],
                                     CONCLAVE_THREAD float (&sum)[2], int lane, int group, int part) {
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int query = 16 * group + tile_row(lane, 2 * i);
      if (query >= tile.n_queries) continue;
      const int64_t at = place_of(args, tile, p, query);
      largest[i] = Global<const float>(args.state)[2 * at];
      sum[i] = Global<const float>(args.state)[2 * at + 1];
      CONCLAVE_UNROLL
      for (int j = 0; j < kMixed; ++j) {
        const int column = 8 * (part + j * kSplit);
        if (column >= args.pages.d_v) continue;
        CONCLAVE_UNROLL
        for (int e = 0; e < 2; ++e) all[j].v[2 * i + e] = Global<const float>(args.partial)[at * args.pages.d_v + column + tile_column(lane, e)];
      }
    }
  }

  /// The result; or what the runs so far gave, for tiles that resume or for MergeTiles.
  template <int n>
  static CONCLAVE_DEVICE void write(CONCLAVE_ARGS const Args& args, CONCLAVE_THREAD const QueryTile& tile, Place p, CONCLAVE_THREAD const FloatTile (&all)[n], CONCLAVE_THREAD const float (&largest)[2],
                                    CONCLAVE_THREAD const float (&sum)[2], CONCLAVE_THREAD const int (&position)[2], CONCLAVE_THREAD const int (&first_key)[2], int lane, int group, int part) {
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int query = 16 * group + tile_row(lane, 2 * i);
      if (query >= tile.n_queries) continue;
      int64_t at = args.finishes ? 0 : place_of(args, tile, p, query);
      if (args.n_parts > 0) {
        const int run = tile.first_key / kRunKeys, first = first_key[i] / kRunKeys;
        if (run < first || run > position[i] / kRunKeys) continue;
        at = at * args.n_parts + run - first;
      }
      const int head = head_of(args, tile, p, query);
      const float factor = args.finishes ? last_factor(largest[i], sum[i], args.sinks, head) : 1.f;
      const Global<float> to = args.finishes ? Global<float>(args.out) + (row_of(args, tile, query) * args.out_stride + int64_t{head} * args.pages.d_v) : Global<float>(args.partial) + at * args.pages.d_v;
      CONCLAVE_UNROLL
      for (int j = 0; j < n; ++j) {
        const int column = 8 * (part + j * kSplit);
        if (column >= args.pages.d_v) continue;
        CONCLAVE_UNROLL
        for (int e = 0; e < 2; ++e) to[column + tile_column(lane, e)] = fmaf(all[j].v[2 * i + e], factor, 0.f);
      }
      if (!args.finishes && part == 0 && tile_column(lane, 0) == 0) {
        Global<float>(args.state)[2 * at] = largest[i];
        Global<float>(args.state)[2 * at + 1] = sum[i];
      }
    }
  }
};

/// Sixteen queries a block: rows that generate.
template <class Type>
using AttendFew = AttendTiles<Type, 4, 2, 192>;
/// The same bits, 32 queries a block: what sequences share.
template <class Type>
using AttendShared = AttendTiles<Type, 2, 2, 128>;
template <class Type>
using AttendPrompt = AttendTiles<Type, 1, 1, 128>;
template <class Type>
using AttendWidePrompt = AttendTiles<Type, 4, 1, 256>;

/// Joins the runs of each row and head in order.
struct MergeTiles {
  using Args = MergeTilesArgs;
  static CONCLAVE_CONSTANT int kThreads = 128;
  static CONCLAVE_CONSTANT int kSharedBytes = 0;
  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char>) {
    const int row = Global<const int32_t>(args.rows)[p.y], position = Global<const int32_t>(args.positions)[row];
    const int first = args.window > 0 && position >= args.window ? (position - args.window + 1) / kRunKeys : 0, n_runs = position / kRunKeys + 1 - first;
    const int64_t at = (int64_t{p.y} * args.n_heads + p.x) * args.n_parts;
    const Global<const float> partial = args.partial, state = args.state;
    for (int column = p.index; column < args.d_v; column += kThreads) {
      float largest = kLowest, sum = 0.f, all = 0.f;
      for (int run = 0; run < n_runs; ++run) {
        float keep, take;
        join(largest, sum, state[2 * (at + run)], state[2 * (at + run) + 1], keep, take);
        all = fmaf(all, keep, partial[(at + run) * args.d_v + column] * take);
      }
      Global<float>(args.out)[row * args.out_stride + int64_t{p.x} * args.d_v + column] = fmaf(all, last_factor(largest, sum, args.sinks, p.x), 0.f);
    }
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
