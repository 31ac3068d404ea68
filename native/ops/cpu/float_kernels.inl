// Kernels on float activations: products with F32, F16 and BF16 weights, norms, activation functions, attention.
// Sums run over sixteen lanes and are folded at the end, always in the same order, whatever the number of rows.
// Included by kernels_<level>.cpp only.

namespace conclave::CONCLAVE_LEVEL {
namespace {

struct AsF32 { static constexpr size_t kBytes = 4; static CONCLAVE_INLINE VecF load(const std::byte* p) { return load_f(reinterpret_cast<const float*>(p)); } };
struct AsF16 { static constexpr size_t kBytes = 2; static CONCLAVE_INLINE VecF load(const std::byte* p) { return load_f16(p); } };
struct AsBF16 { static constexpr size_t kBytes = 2; static CONCLAVE_INLINE VecF load(const std::byte* p) { return load_bf16(p); } };

/// Up to 16 elements, the rest zero: never reads past the row.
template <class T>
CONCLAVE_INLINE VecF load_part(const std::byte* p, int64_t n) {
  std::byte padded[64] = {};
  std::memcpy(padded, p, static_cast<size_t>(n) * T::kBytes);
  return T::load(padded);
}

template <class T, int kX>
CONCLAVE_INLINE void dot_tile(const FloatTile& tile) {
  VecF sum[kX][4];
  for (int t = 0; t < kX; ++t)
    for (int row = 0; row < 4; ++row) sum[t][row] = set_f(0.f);
  int64_t i = 0;
  for (; i + 16 <= tile.d_in; i += 16) {
    VecF x[kX];
    for (int t = 0; t < kX; ++t) x[t] = load_f(tile.x[t] + i);
    for (int row = 0; row < 4; ++row) {
      const VecF w = T::load(tile.weights + static_cast<size_t>(row) * tile.stride + static_cast<size_t>(i) * T::kBytes);
      for (int t = 0; t < kX; ++t) sum[t][row] = fma(w, x[t], sum[t][row]);
    }
  }
  if (i < tile.d_in) {
    const int64_t rest = tile.d_in - i;
    for (int row = 0; row < 4; ++row) {
      const VecF w = load_part<T>(tile.weights + static_cast<size_t>(row) * tile.stride + static_cast<size_t>(i) * T::kBytes, rest);
      for (int t = 0; t < kX; ++t) sum[t][row] = fma(w, load_part<AsF32>(reinterpret_cast<const std::byte*>(tile.x[t] + i), rest), sum[t][row]);
    }
  }
  for (int t = 0; t < kX; ++t)
    for (int row = 0; row < 4; ++row) tile.out[t * tile.out_stride + row] = sum_lanes(sum[t][row]);
}

template <class T>
void dot_rows(const FloatTile& tile) {
  switch (tile.n_x) {
    case 1: return dot_tile<T, 1>(tile);
    case 2: return dot_tile<T, 2>(tile);
    case 3: return dot_tile<T, 3>(tile);
    default: return dot_tile<T, 4>(tile);
  }
}

double sum_of_squares(const float* x, int64_t n) {
  double total = 0;
  for (int64_t first = 0; first < n; first += 512) {   // short float sums, joined in double
    const int64_t last = first + 512 < n ? first + 512 : n;
    VecF sum = set_f(0.f);
    int64_t i = first;
    for (; i + 16 <= last; i += 16) sum = fma(load_f(x + i), load_f(x + i), sum);
    if (i < last) {
      const VecF rest = load_part<AsF32>(reinterpret_cast<const std::byte*>(x + i), last - i);
      sum = fma(rest, rest, sum);
    }
    total += static_cast<double>(sum_lanes(sum));
  }
  return total;
}

CONCLAVE_INLINE VecF logistic(VecF x) { return set_f(1.f) / (set_f(1.f) + exponential(set_f(0.f) - x)); }

struct Silu { static CONCLAVE_INLINE VecF apply(VecF g, VecF u) { return g * logistic(g) * u; } };
/// 0.5 g (1 + tanh(y)) = g logistic(2 y), y = sqrt(2 / pi) (g + 0.044715 g^3).
struct GeluTanh {
  static CONCLAVE_INLINE VecF apply(VecF g, VecF u) {
    const VecF y = set_f(1.5957691216f) * g * fma(set_f(0.044715f) * g, g, set_f(1.f));
    return g * logistic(y) * u;
  }
};
struct ClampedSwiglu {
  static CONCLAVE_INLINE VecF apply(VecF g, VecF u) {
    const VecF limit = set_f(7.f);
    g = min(g, limit);
    u = max(min(u, limit), set_f(-7.f));
    return (u + set_f(1.f)) * g * logistic(set_f(1.702f) * g);
  }
};

template <class A>
void gate_with(const float* gate, const float* up, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, A::apply(load_f(gate + i), load_f(up + i)));
  if (i == n) return;
  float rest[16];
  store(rest, A::apply(load_part<AsF32>(reinterpret_cast<const std::byte*>(gate + i), n - i), load_part<AsF32>(reinterpret_cast<const std::byte*>(up + i), n - i)));
  std::memcpy(out + i, rest, static_cast<size_t>(n - i) * 4);
}

void gate(Activation activation, const float* gate, const float* up, float* out, int64_t n) {
  switch (activation) {
    case Activation::kSilu: return gate_with<Silu>(gate, up, out, n);
    case Activation::kGeluTanh: return gate_with<GeluTanh>(gate, up, out, n);
    case Activation::kClampedSwiglu: return gate_with<ClampedSwiglu>(gate, up, out, n);
  }
}

}  // namespace
}  // namespace conclave::CONCLAVE_LEVEL
