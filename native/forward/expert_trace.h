// Which experts each row of a pass chose, and how it weighs them: where `route` writes it, and on the host after the pass. All
// layers lie side by side, as long as the pass has rows, so that one download brings them.
#pragma once
#include <cstdint>
#include <vector>

#include "forward/workspace.h"

namespace conclave {

class ExpertTrace {
 public:
  /// Keeps its buffer in `work`. Throws Error(kOutOfMemory).
  ExpertTrace(Ops& ops, Workspace& work, const ModelSpec& spec, int max_rows);

  void begin(int64_t n_rows) { n_rows_ = n_rows; }
  /// Of the `moe_index`-th MoE layer, for the rows of the pass: [n_rows][k] i32.
  Tensor experts(size_t moe_index) const { return part(moe_index, 0, DType::kI32); }
  Tensor weights(size_t moe_index) const { return part(moe_index, widths_[moe_index], DType::kF32); }   // the same as f32

  void fetch();   // after the pass
  /// Layer by layer, best expert first: k values each, or the first `n_experts_used` of them where that is given.
  void append(int row, std::vector<uint16_t>& experts, std::vector<float>& weights, int n_experts_used) const;

 private:
  Tensor part(size_t moe_index, int64_t column, DType type) const;

  Ops& ops_;
  std::vector<int64_t> widths_, before_;   // k of each MoE layer; twice the sum of k over those before it
  Tensor device_;                          // [max_rows][twice the sum of k], read as [layer][2][n_rows][k]
  std::vector<uint32_t> host_;             // the same
  int64_t n_rows_ = 0;
};

}  // namespace conclave
