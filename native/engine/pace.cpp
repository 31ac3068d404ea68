// Prefill chunk sizes; see pace.h.
#include "engine/pace.h"

#include <algorithm>

namespace conclave {

int Pace::prefill_rows(bool shared) const {
  if (row_ms_ <= 0) return std::min(kFirstChunk, max_chunk_);
  const double rows = kTargetMs * (shared ? 1 : 2 * n_layers_) / row_ms_;
  return static_cast<int>(std::clamp<double>(rows, std::min(kMinChunk, max_chunk_), max_chunk_));
}

void Pace::observe(int prefill_rows, double step_ms) {
  if (prefill_rows < std::min(kMinChunk, max_chunk_)) return;   // too few rows to tell their cost from the step's fixed cost
  const double measured = step_ms / prefill_rows;
  row_ms_ = row_ms_ <= 0 ? measured : 0.5 * (row_ms_ + measured);
}

}  // namespace conclave
