// Attention of many queries in 16-bit fixed point, at twice the rate of floats: about as fine as the halves that the cache
// holds. Queries and keys are scaled to the length kMostLength, so no sum of products leaves 31 bits (Cauchy-Schwarz); values
// and softmax weights to the largest codes that a run's sum bears. A run of keys and values is made once for all queries of a
// block. Scores are in units of log 2 here. Included by kernels_<level>.cpp only, after attend_kernels.inl.

namespace conclave::CONCLAVE_LEVEL {
namespace {

CONCLAVE_INLINE VecF magnitude(VecF x) { return as_float(as_bits(x) & 0x7fffffffu); }

/// Memory that no row sees may hold NaN: the order of the operands turns it into a number, whose weight is zero later.
CONCLAVE_INLINE VecU to_fixed(VecF x, VecF limit) { return round_to_int(min(max(x, set_f(0.f) - limit), limit)); }
CONCLAVE_INLINE VecU pair_of(VecU low, VecU high) { return (low & 0xffffu) | (high << 16); }

/// 2^x to 4e-6 for x <= 0; below 2^-126 it stays there.
CONCLAVE_INLINE VecF power_of_two(VecF x) {
  x = max(x, set_f(-126.f));
  const VecU n = round_to_int(x);
  const VecF r = x - to_float(n);
  VecF y = fma(r, set_f(9.618129e-3f), set_f(5.5504109e-2f));
  y = fma(y, r, set_f(2.4022651e-1f));
  y = fma(y, r, set_f(6.9314718e-1f));
  y = fma(y, r, set_f(1.f));
  return as_float(as_bits(y) + (n << 23));
}

template <class T>
struct PlainKeys {
  static CONCLAVE_INLINE VecF load_at(const std::byte* page, int i, int token, int) { return T::load(page + static_cast<size_t>(i * kPageTokens + token) * T::kBytes); }
};
struct Q8Keys {
  static CONCLAVE_INLINE VecF load_at(const std::byte* page, int i, int token, int d) {
    const std::byte* codes = page + static_cast<size_t>(d / kBlock) * kPageTokens * 2;
    return to_float(load_i8(codes + static_cast<size_t>(i * kPageTokens + token))) * load_f16(page + static_cast<size_t>(i / kBlock * kPageTokens + token) * 2);
  }
};

/// Sixteen tokens of a page of keys, as pairs of dimensions.
template <class K>
CONCLAVE_INLINE void fix_keys(const std::byte* page, int token, int d, uint32_t* out, float* scale) {
  VecF squares = set_f(0.f);
  for (int i = 0; i < d; ++i) {
    const VecF x = K::load_at(page, i, token, d);
    squares = fma(x, x, squares);
  }
  const VecF limit = set_f(kMostLength), length = square_root(max(squares, set_f(1e-36f))), inverse = limit / length;
  store(scale, length * set_f(1.f / kMostLength));
  for (int i = 0; i < d; i += 2)
    store(out + i / 2 * kFixedKeys, pair_of(to_fixed(K::load_at(page, i, token, d) * inverse, limit), to_fixed(K::load_at(page, i + 1, token, d) * inverse, limit)));
}

/// Two tokens' values, as pairs.
template <class V>
CONCLAVE_INLINE void fix_values(const std::byte* row, size_t row_bytes, int d, uint32_t* out, float* scale) {
  VecF inverse[2];
  const VecF limit = set_f(kMostValue);
  for (int t = 0; t < 2; ++t) {
    VecF largest = set_f(0.f);
    for (int i = 0; i < d; i += 16) largest = max(magnitude(V::load_at(row + static_cast<size_t>(t) * row_bytes, i, d)), largest);
    const float most = max_lane(largest);
    scale[t] = most / kMostValue;
    inverse[t] = set_f(kMostValue / (most > 1e-30f ? most : 1e-30f));
  }
  for (int i = 0; i < d; i += 16)
    store(out + i, pair_of(to_fixed(V::load_at(row, i, d) * inverse[0], limit), to_fixed(V::load_at(row + row_bytes, i, d) * inverse[1], limit)));
}

template <class K, class V>
CONCLAVE_INLINE void fix_pages(const FixedSource& source, size_t row_bytes, FixedRun& run) {
  for (int token = 0; token < source.last; token += 16)
    fix_keys<K>(source.k[token / kPageTokens], token % kPageTokens, source.d_k, run.k + token, run.k_scale + token);
  for (int token = 0; token < source.last; token += 2)
    fix_values<V>(source.v[token / kPageTokens] + static_cast<size_t>(token % kPageTokens) * row_bytes, row_bytes, source.d_v, run.v + token / 2 * run.v_stride, run.v_weight + token);
}

void fix_run(const FixedSource& source, FixedRun& run) {
  const size_t plain_bytes = static_cast<size_t>(source.d_v) * (source.type == DType::kF32 ? 4 : 2);
  switch (source.type) {
    case DType::kF32: fix_pages<PlainKeys<AsF32>, PlainValues<AsF32>>(source, plain_bytes, run); break;
    case DType::kBF16: fix_pages<PlainKeys<AsBF16>, PlainValues<AsBF16>>(source, plain_bytes, run); break;
    case DType::kQ8_0: fix_pages<Q8Keys, Q8Values>(source, static_cast<size_t>(source.d_v / kBlock) * sizeof(BlockQ8_0), run); break;
    default: fix_pages<PlainKeys<AsF16>, PlainValues<AsF16>>(source, plain_bytes, run); break;
  }
  // One unit for the run: a token's own scale goes into its softmax weight.
  float largest = 0.f;
  for (int token = source.first; token < source.last; ++token) largest = run.v_weight[token] > largest ? run.v_weight[token] : largest;
  for (int token = 0; token < kFixedKeys; ++token) {
    const bool seen = token >= source.first && token < source.last;
    run.v_weight[token] = seen && largest > 0.f ? run.v_weight[token] / largest * kMostWeight : 0.f;
    if (!seen) run.k_scale[token] = 0.f;
  }
  run.v_unit = largest / kMostWeight;
}

/// Scores of keys [key, key + 32) up to the queries' own factors: [kN][kFixedKeys].
template <int kN>
CONCLAVE_INLINE void fixed_scores(const FixedTile& tile, int key, float* scores) {
  VecU sum[kN][2];
  for (int n = 0; n < kN; ++n) sum[n][0] = sum[n][1] = set_u(0);
  const uint32_t* k = tile.run->k + key;
  for (int pair = 0; pair < tile.d_k / 2; ++pair, k += kFixedKeys) {
    const VecU low = load_u(k), high = load_u(k + 16);
    for (int n = 0; n < kN; ++n) {
      const VecU x = set_u(tile.q[n][pair]);
      sum[n][0] = dot2(sum[n][0], low, x);
      sum[n][1] = dot2(sum[n][1], high, x);
    }
  }
  for (int half = 0; half < 2; ++half) {
    const VecF scale = load_f(tile.run->k_scale + key + 16 * half);
    for (int n = 0; n < kN; ++n) store(scores + n * kFixedKeys + key + 16 * half, to_float(sum[n][half]) * scale);
  }
}

/// Scores of keys [first, last) -> integer weights relative to the run's maximum, which is returned, and their sum.
CONCLAVE_INLINE float soften_run(float* scores, int first, int last, int n_keys, float factor, float cap, const float* v_weight, int16_t* weights, float& sum) {
  for (int i = 0; i < first; ++i) scores[i] = -1e30f;
  for (int i = last; i < n_keys; ++i) scores[i] = -1e30f;
  if (cap != 0.f) {
    for (int i = 0; i < n_keys; i += 16) store(scores + i, soft_cap(load_f(scores + i) * set_f(factor * 0.69314718f), cap));
    for (int i = 0; i < first; ++i) scores[i] = -1e30f;
    for (int i = last; i < n_keys; ++i) scores[i] = -1e30f;
    factor = 1.44269504f;
  }
  VecF largest = load_f(scores);
  for (int i = 16; i < n_keys; i += 16) largest = max(largest, load_f(scores + i));
  const float run_max = factor * max_lane(largest);
  VecF total = set_f(0.f);
  for (int i = 0; i < n_keys; i += 16) {
    const VecF p = power_of_two(fma(load_f(scores + i), set_f(factor), set_f(-run_max)));
    total = total + p;
    store_i16(weights + i, round_to_int(p * load_f(v_weight + i)));
  }
  sum = sum_lanes(total);
  return run_max;
}

/// acc[n] = acc[n] * keep[n] + take[n] * weights[n] . values, kVecs * 16 dimensions from `i`.
template <int kN, int kVecs>
CONCLAVE_INLINE void mix_fixed(const FixedTile& tile, const int16_t* weights, int n_pairs, int i, const float* keep, const float* take) {
  VecU sum[kN][kVecs];
  for (int n = 0; n < kN; ++n)
    for (int j = 0; j < kVecs; ++j) sum[n][j] = set_u(0);
  const uint32_t* v = tile.run->v + i;
  for (int pair = 0; pair < n_pairs; ++pair, v += tile.run->v_stride) {
    VecU values[kVecs];
    for (int j = 0; j < kVecs; ++j) values[j] = load_u(v + 16 * j);
    for (int n = 0; n < kN; ++n) {
      uint32_t two;
      std::memcpy(&two, weights + n * kFixedKeys + 2 * pair, 4);
      const VecU w = set_u(two);
      for (int j = 0; j < kVecs; ++j) sum[n][j] = dot2(sum[n][j], values[j], w);
    }
  }
  for (int n = 0; n < kN; ++n)
    for (int j = 0; j < kVecs; ++j) {
      float* const acc = tile.acc + n * tile.acc_stride + i + 16 * j;
      store(acc, fma(to_float(sum[n][j]), set_f(take[n]), load_f(acc) * set_f(keep[n])));
    }
}

void attend_fixed(const FixedTile& tile) {
  constexpr int kN = CONCLAVE_MAX_TILE;
  int last = 0;
  for (int n = 0; n < kN; ++n) last = tile.last[n] > last ? tile.last[n] : last;
  const int n_keys = (last + 31) / 32 * 32;
  alignas(64) float scores[kN * kFixedKeys];
  alignas(64) int16_t weights[kN * kFixedKeys];
  alignas(64) float old_max[16] = {}, new_max[16] = {}, keep[16], take[16];
  for (int key = 0; key < n_keys; key += 32) fixed_scores<kN>(tile, key, scores);
  float sums[kN];
  for (int n = 0; n < kN; ++n) {
    old_max[n] = new_max[n] = tile.max[n];
    sums[n] = 0.f;
    if (tile.first[n] < tile.last[n])
      new_max[n] = soften_run(scores + n * kFixedKeys, tile.first[n], tile.last[n], n_keys, tile.factor[n], tile.softcap, tile.run->v_weight, weights + n * kFixedKeys, sums[n]);
    else
      std::memset(weights + n * kFixedKeys, 0, kFixedKeys * sizeof(int16_t));
  }
  const VecF before = load_f(old_max), now = load_f(new_max), joint = max(before, now);
  store(keep, power_of_two(before - joint));
  store(take, power_of_two(now - joint));
  store(new_max, joint);
  for (int n = 0; n < kN; ++n) {
    tile.max[n] = new_max[n];
    tile.sum[n] = tile.sum[n] * keep[n] + sums[n] * take[n];
    take[n] *= tile.run->v_unit;
  }
  int i = 0;
  for (; i + 32 <= tile.run->v_stride; i += 32) mix_fixed<kN, 2>(tile, weights, (last + 1) / 2, i, keep, take);
  if (i < tile.run->v_stride) mix_fixed<kN, 1>(tile, weights, (last + 1) / 2, i, keep, take);
}

}  // namespace
}  // namespace conclave::CONCLAVE_LEVEL
