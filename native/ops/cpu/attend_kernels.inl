// Attention of a few queries over a run of pages, one page at a time: scores of its 32 tokens in lanes, an online
// softmax (Milakov & Gimelshein 2018), then the values mixed in with the dimensions in lanes. Page layouts: kv_page.h.
// A masked key contributes an exact zero, so a query's result does not depend on its neighbours in the tile. The next page is
// prefetched line by line meanwhile: hardware stops at the ends of pages of memory, and these are not longer than two.
// Included by kernels_<level>.cpp only, after float_kernels.inl.

namespace conclave::CONCLAVE_LEVEL {
namespace {

/// Scores of the page's 32 tokens for kN queries: [kN][32]. Prefetches as much from `ahead`.
template <class T, int kN>
CONCLAVE_INLINE void page_scores(const float* const* q, const std::byte* k, int d, float* scores, const std::byte* ahead) {
  VecF sum[kN][2];
  for (int n = 0; n < kN; ++n) sum[n][0] = sum[n][1] = set_f(0.f);
  for (int i = 0; i < d; ++i) {
    const size_t at = static_cast<size_t>(i) * kPageTokens * T::kBytes;
    const std::byte* row = k + at;
    prefetch(ahead + at);
    const VecF low = T::load(row), high = T::load(row + 16 * T::kBytes);
    for (int n = 0; n < kN; ++n) {
      const VecF x = set_f(q[n][i]);
      sum[n][0] = fma(x, low, sum[n][0]);
      sum[n][1] = fma(x, high, sum[n][1]);
    }
  }
  for (int n = 0; n < kN; ++n) {
    store(scores + n * kPageTokens, sum[n][0]);
    store(scores + n * kPageTokens + 16, sum[n][1]);
  }
}

struct AsI8 {
  static constexpr size_t kBytes = 1;
  static CONCLAVE_INLINE VecF load(const std::byte* p) { return to_float(load_i8(p)); }
};

template <int kN>
CONCLAVE_INLINE void page_scores_q8_0(const float* const* q, const std::byte* k, int d, float* scores, const std::byte* ahead) {
  const size_t scale_bytes = static_cast<size_t>(d / kBlock) * kPageTokens * 2;
  for (size_t at = 0; at < scale_bytes; at += 64) prefetch(ahead + at);
  const std::byte* codes = k + scale_bytes;
  for (int i = 0; i < kN * kPageTokens; ++i) scores[i] = 0.f;
  for (int b = 0; b < d / kBlock; ++b) {
    const float* part[kN];
    for (int n = 0; n < kN; ++n) part[n] = q[n] + b * kBlock;
    float block_scores[kN * kPageTokens];
    const size_t block_at = static_cast<size_t>(b) * kBlock * kPageTokens;
    page_scores<AsI8, kN>(part, codes + block_at, kBlock, block_scores, ahead + scale_bytes + block_at);
    for (int half = 0; half < 2; ++half) {
      const VecF scale = load_f16(k + static_cast<size_t>(b * kPageTokens + 16 * half) * 2);
      for (int n = 0; n < kN; ++n) {
        float* at = scores + n * kPageTokens + 16 * half;
        store(at, fma(load_f(block_scores + n * kPageTokens + 16 * half), scale, load_f(at)));
      }
    }
  }
}

struct Q8Values {
  static CONCLAVE_INLINE VecF load_at(const std::byte* row, int i, int) {
    const std::byte* block = row + static_cast<size_t>(i / kBlock) * sizeof(BlockQ8_0);
    uint16_t scale;
    std::memcpy(&scale, block, 2);
    return to_float(load_i8(block + 2 + i % kBlock)) * low_half_to_float(set_u(scale));
  }
};
template <class T>
struct PlainValues {
  static CONCLAVE_INLINE VecF load_at(const std::byte* row, int i, int d) {
    const std::byte* at = row + static_cast<size_t>(i) * T::kBytes;
    return i + 16 <= d ? T::load(at) : load_part<T>(at, d - i);
  }
};

/// acc[n] = acc[n] * keep[n] + sum over tokens [first, last) of p[n][token] * value. acc rows hold a multiple of 16 floats.
/// Prefetches as much from `ahead`.
template <class V, int kN>
CONCLAVE_INLINE void mix_page(const float* p, const std::byte* v, size_t row_bytes, int d, int first, int last, const float* keep, float* acc, ptrdiff_t acc_stride, const std::byte* ahead) {
  int i = 0;
  for (; i + 16 < d; i += 32) {
    const std::byte* next = ahead + static_cast<size_t>(i) * row_bytes / static_cast<size_t>(d);
    VecF sum[kN][2];
    for (int n = 0; n < kN; ++n)
      for (int half = 0; half < 2; ++half) sum[n][half] = load_f(acc + n * acc_stride + i + 16 * half) * set_f(keep[n]);
    for (int token = first; token < last; ++token) {
      const std::byte* row = v + static_cast<size_t>(token) * row_bytes;
      prefetch(next + static_cast<size_t>(token) * row_bytes);
      const VecF low = V::load_at(row, i, d), high = V::load_at(row, i + 16, d);
      for (int n = 0; n < kN; ++n) {
        const VecF weight = set_f(p[n * kPageTokens + token]);
        sum[n][0] = fma(weight, low, sum[n][0]);
        sum[n][1] = fma(weight, high, sum[n][1]);
      }
    }
    for (int n = 0; n < kN; ++n)
      for (int half = 0; half < 2; ++half) store(acc + n * acc_stride + i + 16 * half, sum[n][half]);
  }
  for (; i < d; i += 16)
    for (int n = 0; n < kN; ++n) {
      VecF sum = load_f(acc + n * acc_stride + i) * set_f(keep[n]);
      for (int token = first; token < last; ++token) sum = fma(set_f(p[n * kPageTokens + token]), V::load_at(v + static_cast<size_t>(token) * row_bytes, i, d), sum);
      store(acc + n * acc_stride + i, sum);
    }
}

/// cap * tanh(x / cap), by the logistic function.
CONCLAVE_INLINE VecF soft_cap(VecF x, float cap) { return set_f(cap) * (set_f(2.f) * logistic(x * set_f(2.f / cap)) - set_f(1.f)); }

/// Scores of tokens [first, last) of the page -> weights relative to the running maximum; others become exact zeros.
CONCLAVE_INLINE void soften_page(float* scores, int first, int last, float scale, float cap, float& running_max, float& running_sum, float& keep) {
  keep = 1.f;
  if (first >= last) {
    for (int i = 0; i < kPageTokens; ++i) scores[i] = 0.f;
    return;
  }
  for (int i = 0; i < kPageTokens; i += 16) {
    VecF x = load_f(scores + i) * set_f(scale);
    if (cap != 0.f) x = soft_cap(x, cap);
    store(scores + i, x);
  }
  for (int i = 0; i < first; ++i) scores[i] = -3.4e38f;
  for (int i = last; i < kPageTokens; ++i) scores[i] = -3.4e38f;
  const float page_max = max_lane(max(load_f(scores), load_f(scores + 16)));
  if (page_max > running_max) {
    if (running_sum > 0.f) {
      float lanes[16];
      store(lanes, exponential(set_f(running_max - page_max)));
      keep = lanes[0];
    }
    running_max = page_max;
  }
  for (int i = 0; i < kPageTokens; i += 16) store(scores + i, exponential(load_f(scores + i) - set_f(running_max)));
  for (int i = 0; i < first; ++i) scores[i] = 0.f;
  for (int i = last; i < kPageTokens; ++i) scores[i] = 0.f;
  running_sum = running_sum * keep + sum_lanes(load_f(scores) + load_f(scores + 16));
}

template <int kN>
CONCLAVE_INLINE void scores_of_type(DType type, const float* const* q, const std::byte* k, int d, float* scores, const std::byte* ahead) {
  switch (type) {
    case DType::kF32: return page_scores<AsF32, kN>(q, k, d, scores, ahead);
    case DType::kBF16: return page_scores<AsBF16, kN>(q, k, d, scores, ahead);
    case DType::kQ8_0: return page_scores_q8_0<kN>(q, k, d, scores, ahead);
    default: return page_scores<AsF16, kN>(q, k, d, scores, ahead);
  }
}

template <int kN>
CONCLAVE_INLINE void mix_of_type(DType type, const float* p, const std::byte* v, int d, int first, int last, const float* keep, float* acc, ptrdiff_t stride, const std::byte* ahead) {
  const size_t plain_bytes = static_cast<size_t>(d) * (type == DType::kF32 ? 4 : 2);
  switch (type) {
    case DType::kF32: return mix_page<PlainValues<AsF32>, kN>(p, v, plain_bytes, d, first, last, keep, acc, stride, ahead);
    case DType::kBF16: return mix_page<PlainValues<AsBF16>, kN>(p, v, plain_bytes, d, first, last, keep, acc, stride, ahead);
    case DType::kQ8_0: return mix_page<Q8Values, kN>(p, v, static_cast<size_t>(d / kBlock) * sizeof(BlockQ8_0), d, first, last, keep, acc, stride, ahead);
    default: return mix_page<PlainValues<AsF16>, kN>(p, v, plain_bytes, d, first, last, keep, acc, stride, ahead);
  }
}

template <int kN>
void attend_queries(const AttendTile& tile) {
  float scores[kN * kPageTokens], keep[kN];
  for (int n = 0; n < kN && !tile.resume; ++n) {
    tile.max[n] = -3.4e38f;
    tile.sum[n] = 0.f;
    for (int i = 0; i < tile.d_v; i += 16) store(tile.acc + n * tile.acc_stride + i, set_f(0.f));
  }
  for (int page = 0; page < tile.n_pages; ++page) {
    const int start = page * kPageTokens;
    int first[kN], last[kN], lowest = kPageTokens, highest = 0;
    for (int n = 0; n < kN; ++n) {
      first[n] = tile.first[n] > start ? tile.first[n] - start : 0;
      last[n] = tile.last[n] - start < kPageTokens ? tile.last[n] - start : kPageTokens;
      if (first[n] >= last[n]) continue;
      lowest = first[n] < lowest ? first[n] : lowest;
      highest = last[n] > highest ? last[n] : highest;
    }
    if (lowest >= highest) continue;
    const int next = page + 1 < tile.n_pages ? page + 1 : page;
    scores_of_type<kN>(tile.type, tile.q, tile.k[page], tile.d_k, scores, tile.k[next]);
    for (int n = 0; n < kN; ++n) soften_page(scores + n * kPageTokens, first[n], last[n], tile.scale, tile.softcap, tile.max[n], tile.sum[n], keep[n]);
    mix_of_type<kN>(tile.type, scores, tile.v[page], tile.d_v, lowest, highest, keep, tile.acc, tile.acc_stride, tile.v[next]);
  }
}

/// Compiled for 1, 2, 4 and 8 queries only; the caller pads a tile with queries that see nothing.
template <int kN>
constexpr Kernels::Attend attend_or_null() {
  if constexpr (kN <= CONCLAVE_MAX_TILE) return attend_queries<kN>;
  else return nullptr;
}
#define CONCLAVE_ATTEND \
  {attend_or_null<1>(), attend_or_null<2>(), attend_or_null<4>(), attend_or_null<4>(), attend_or_null<8>(), attend_or_null<8>(), attend_or_null<8>(), attend_or_null<8>()}

float exponentials(float* x, int64_t n, float maximum) {
  VecF sum = set_f(0.f);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const VecF e = exponential(load_f(x + i) - set_f(maximum));
    store(x + i, e);
    sum = sum + e;
  }
  float total = sum_lanes(sum);
  for (; i < n; ++i) {
    float lanes[16];
    store(lanes, exponential(set_f(x[i] - maximum)));
    x[i] = lanes[0];
    total += x[i];
  }
  return total;
}

}  // namespace
}  // namespace conclave::CONCLAVE_LEVEL
