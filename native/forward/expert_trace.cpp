// The trace's one buffer; see expert_trace.h.
#include "forward/expert_trace.h"

#include <algorithm>
#include <bit>

namespace conclave {

ExpertTrace::ExpertTrace(Ops& ops, Workspace& work, const ModelSpec& spec, int max_rows) : ops_(ops) {
  int64_t width = 0;
  for (const LayerSpec& layer : spec.layers) {
    if (layer.ffn.kind != FfnKind::kMoe) continue;
    widths_.push_back(layer.ffn.n_experts_used);
    before_.push_back(width);
    width += 2 * widths_.back();
  }
  if (width == 0) return;
  device_ = work.make(max_rows, width);
  host_.resize(static_cast<size_t>(max_rows * width));
}

Tensor ExpertTrace::part(size_t moe_index, int64_t column, DType type) const {
  const int64_t k = widths_[moe_index];
  return {device_.f32() + (before_[moe_index] + column) * n_rows_, type, n_rows_, k, k};
}

void ExpertTrace::fetch() {
  if (device_) ops_.download(host_.data(), device_.data, static_cast<size_t>(n_rows_ * device_.d_row) * sizeof(uint32_t));
}

void ExpertTrace::append(int row, std::vector<uint16_t>& experts, std::vector<float>& weights, int n_experts_used) const {
  for (size_t i = 0; i < widths_.size(); ++i) {
    const int64_t k = widths_[i], first = before_[i] * n_rows_ + row * k;
    const int64_t count = n_experts_used > 0 ? std::min<int64_t>(k, n_experts_used) : k;
    for (int64_t j = first; j < first + count; ++j) {
      experts.push_back(static_cast<uint16_t>(host_[static_cast<size_t>(j)]));
      weights.push_back(std::bit_cast<float>(host_[static_cast<size_t>(j + k * n_rows_)]));
    }
  }
}

}  // namespace conclave
