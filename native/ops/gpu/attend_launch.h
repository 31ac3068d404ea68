// What the two files of attention's launches share.
#pragma once
#include <vector>

#include "ops/gpu/gpu_ops.h"
#include "ops/gpu/pick_attention.h"

namespace conclave::gpu {

/// Rows [first, end) of one sequence, or of several that are neighbours.
struct RowSpan { int64_t first, end; };

Pages pages_of(const KvLayer& layer);

/// Rows that generate, and what their sequences share; `config` allows it.
void attend_few(GpuContext& context, const AttendArgs& args, const AttentionConfig& config, const std::vector<RowSpan>& spans);
void attend_prompts(GpuContext& context, const AttendArgs& args, const AttentionConfig& config, const std::vector<RowSpan>& spans);

}  // namespace conclave::gpu
