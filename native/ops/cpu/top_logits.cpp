// The best of rows of logits, a thread for each row. The engine does not ask the processor for it: there the rows lie where the
// sampler reads them, so that asking would be one more pass over them. This is the plain twin of the GPU's.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "ops/cpu/cpu_ops.h"

namespace conclave {

void top_logits(CpuContext& context, const TopLogitsArgs& args) {
  if (args.logits.n_rows == 0) return;
  const int64_t n_vocab = args.logits.d_row, k = args.ids.d_row, n_asked = args.asked.d_row;
  assert(k == std::min<int64_t>(kTopLogits, n_vocab) && args.values.d_row == k && args.sums.d_row == 2);
  context.pool.parallel_for(args.logits.n_rows, [&](int64_t row, int) {
    const float* logits = args.logits.f32(row);
    const int64_t n_bad = std::count_if(logits, logits + n_vocab, [](float value) { return !std::isfinite(value); });
    std::vector<int32_t> order(static_cast<size_t>(n_vocab));
    std::iota(order.begin(), order.end(), 0);
    const auto before = [&](int32_t a, int32_t b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); };
    if (n_bad == 0) std::partial_sort(order.begin(), order.begin() + k, order.end(), before);   // NaN has no order
    double sum = 0;
    for (int64_t i = 0; i < n_vocab; ++i) sum += std::exp(static_cast<double>(logits[i]) - static_cast<double>(logits[order.front()]));
    args.sums.f32(row)[0] = static_cast<float>(sum);
    args.sums.f32(row)[1] = static_cast<float>(n_bad);
    for (int64_t i = 0; i < k; ++i) {
      args.ids.i32(row)[i] = order[static_cast<size_t>(i)];
      args.values.f32(row)[i] = logits[order[static_cast<size_t>(i)]];
    }
    for (int64_t i = 0; i < n_asked; ++i) {
      const int32_t id = args.asked_ids[static_cast<size_t>(row * n_asked + i)];
      if (id >= 0) args.asked.f32(row)[i] = logits[id];
    }
  });
}

}  // namespace conclave
