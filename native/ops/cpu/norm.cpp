// RMS-norm (Zhang & Sennrich 2019) and LayerNorm (Ba et al. 2016) of rows. Sums are kept in double: they are cheap and
// the whole model leans on them.
#include <cassert>
#include <cmath>

#include "ops/cpu/cpu_ops.h"

namespace conclave {

void norm(CpuContext& context, const NormArgs& args) {
  const int64_t n = args.x.n_rows, d = args.x.d_row;
  if (n == 0) return;
  std::vector<float> weight(static_cast<size_t>(d), 1.f), bias(static_cast<size_t>(d), 0.f);
  if (args.weight) load_parameter(*args.weight, 0, 0, d, weight.data());
  if (args.bias) load_parameter(*args.bias, 0, 0, d, bias.data());
  const int64_t rows = (1 << 14) / d + 1;
  context.pool.parallel_for((n + rows - 1) / rows, [&](int64_t piece, int) {
    for (int64_t row = piece * rows; row < n && row < (piece + 1) * rows; ++row) {
      const float* x = args.x.f32(row);
      float* out = args.out.f32(row);
      double mean = 0, squares;
      if (args.kind == NormKind::kLayer) {
        for (int64_t i = 0; i < d; ++i) mean += static_cast<double>(x[i]);
        mean /= static_cast<double>(d);
        squares = 0;
        for (int64_t i = 0; i < d; ++i) squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
      } else {
        squares = context.kernels.sum_of_squares(x, d);
      }
      const float centre = static_cast<float>(mean);
      const float inverse = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(d) + static_cast<double>(args.eps)));
      for (int64_t i = 0; i < d; ++i) out[i] = (x[i] - centre) * inverse * weight[static_cast<size_t>(i)] + bias[static_cast<size_t>(i)];
    }
  });
}

}  // namespace conclave
