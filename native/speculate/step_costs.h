// What a forward pass costs on this machine as a function of its rows: measured where it was, estimated elsewhere from the
// bytes that the rows' experts add. Times in milliseconds. No clock inside: the caller measures.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace conclave {

/// What the estimate needs to know of the model. Dense: expert_share 0.
struct ExpertShape {
  int n_experts = 0, n_used = 0;
  double expert_share = 0;   // of the bytes that one token reads, those of routed experts
};

class StepCosts {
 public:
  static constexpr int kMaxRows = 64;

  explicit StepCosts(ExpertShape shape) : shape_(shape) { grow_experts(); }

  /// A pass of `rows` rows over sequences of `context` tokens in all took `ms`.
  void observe(int rows, int64_t context, double ms);
  /// `distinct` experts per MoE layer were read for `rows` rows (mean).
  void observe_union(int rows, double distinct);
  /// Of a token's experts, the share that the token before it used too.
  void observe_repeat(double share);

  /// Well enough to set others against it: the first passes of a process are not like the later ones.
  bool knows_plain(int rows = 1) const { return cell(rows).count >= 8; }
  bool measured(int rows) const { return cell(rows).count >= 2 && n_observed_ - cell(rows).last < kStale; }
  double ms(int rows, int64_t context) const;
  /// Predicted distinct experts per layer: measured, else grown from one token by the repeat rate.
  double experts(int rows) const { return experts_[static_cast<size_t>(rows < kMaxRows ? rows : kMaxRows)]; }
  const ExpertShape& shape() const { return shape_; }

 private:
  static constexpr int64_t kStale = 600;   // passes after which a number of rows counts as never measured

  struct Cell {
    int count = 0;
    int64_t last = 0;
    double ms = 0, context = 0, experts = 0;
  };
  const Cell& cell(int rows) const { return cells_[static_cast<size_t>(rows < kMaxRows ? rows : kMaxRows)]; }
  double raw_ms(int rows) const;
  double by_bytes(int rows) const;
  void grow_experts();

  ExpertShape shape_;
  std::array<Cell, kMaxRows + 1> cells_{};
  std::array<double, kMaxRows + 1> experts_{};   // kept, because a choice asks for many of them
  int64_t n_observed_ = 0;
  double repeat_ = 0.4;
  double grown_at_ = 0.4;   // repeat_ when experts_ was made
  // Cost of context: exponentially weighted moments of (context, ms) over one-row passes.
  double mean_context_ = 0, mean_ms_ = 0, var_context_ = 0, covariance_ = 0;
};

}  // namespace conclave
