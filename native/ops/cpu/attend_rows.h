// What the ways to attend share: which keys a row sees, and how a softmax state becomes a result.
#pragma once
#include <algorithm>
#include <cmath>

#include "ops/cpu/cpu_ops.h"

namespace conclave {

struct KeyRange { int64_t first, last; };   // positions [first, last)

inline KeyRange visible_keys(const AttendArgs& args, int64_t row) {
  const int64_t position = args.row_position[static_cast<size_t>(row)];
  return {args.window > 0 ? std::max<int64_t>(0, position - args.window + 1) : 0, position + 1};
}

/// `acc`: weighted values, `sum`: of the weights, both relative to exp(max); `sink` adds exp(sink) to the sum.
inline void write_attended(const float* acc, float max, float sum, const float* sink, float* out, int d) {
  float keep = 1.f;
  if (sink) {
    const float joint = std::max(max, *sink);
    keep = std::exp(max - joint);
    sum = sum * keep + std::exp(*sink - joint);
  }
  const float factor = sum > 0.f ? keep / sum : 0.f;
  for (int i = 0; i < d; ++i) out[i] = acc[i] * factor;
}

/// Whether rows that share up to `n_pages` gain by meeting them together. Heads that fill the tiles alone keep the registers as
/// busy without other rows; then only what no cache would hold is worth the carrying of states (measured: NOTES.md).
constexpr bool pays_together(int heads_each, int max_tile, int n_pages) { return n_pages >= (heads_each % max_tile == 0 ? 256 : 2); }

/// For rows of one sequence, kBlockRows of them at least, with an even d_k. Rounds like F16, so a row's bits differ from those
/// it has among fewer: long chunks of prompts only, never what drafts and their verification compare.
inline constexpr int64_t kBlockRows = 128;
void attend_blocks(CpuContext& context, const AttendArgs& args, const float* sinks);

}  // namespace conclave
