// Rows of the token embedding, and the residual addition.
#include <cassert>

#include "ops/cpu/cpu_ops.h"

namespace conclave {
namespace {
constexpr int64_t kElementsAPiece = 1 << 15;   // below this a second thread costs more than it saves
}

void embed(CpuContext& context, Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) {
  context.pool.parallel_for(static_cast<int64_t>(tokens.size()), [&](int64_t i, int) {
    const int32_t token = tokens[static_cast<size_t>(i)];
    assert(token >= 0 && token < table.d_out);
    float* row = out.f32(i);
    dequantize_row(table.type, table.row(token), row, table.d_in);
    if (scale != 1.f)
      for (int64_t j = 0; j < table.d_in; ++j) row[j] *= scale;
  });
}

void add(CpuContext& context, Tensor out, Tensor x, float scale) {
  assert(out.n_rows == x.n_rows && out.d_row == x.d_row);
  if (out.n_rows == 0) return;
  const int64_t rows = kElementsAPiece / out.d_row + 1;
  context.pool.parallel_for((out.n_rows + rows - 1) / rows, [&](int64_t piece, int) {
    for (int64_t row = piece * rows; row < out.n_rows && row < (piece + 1) * rows; ++row) {
      float* to = out.f32(row);
      const float* from = x.f32(row);
      for (int64_t j = 0; j < out.d_row; ++j) to[j] += scale * from[j];
    }
  });
}

}  // namespace conclave
