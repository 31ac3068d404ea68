// Measured and estimated pass times; see step_costs.h.
#include "speculate/step_costs.h"

#include <algorithm>
#include <cmath>

namespace conclave {

namespace {

constexpr double kNew = 0.2;             // weight of the newest measurement
constexpr double kMostSurprise = 0.3;    // a measurement further off than this is cut: another program woke up
constexpr double kRepeatMatters = 0.01;  // a smaller change of the repeat rate changes no choice
constexpr double kRowShare = 0.02;       // of a one-row pass, what a row costs that reads no new byte

}  // namespace

void StepCosts::observe(int rows, int64_t context, double ms) {
  if (rows < 1) return;
  Cell& c = cells_[static_cast<size_t>(std::min(rows, kMaxRows))];
  const double at = static_cast<double>(context);
  if (++n_observed_ - c.last >= kStale) c.count = 0;
  c.last = n_observed_;
  ++c.count;
  // The first few: mean, so that a bad first one does not stay.
  const double weight = std::max(kNew, 1.0 / c.count);
  if (c.count > 3) ms = std::clamp(ms, c.ms * (1 - kMostSurprise), c.ms * (1 + kMostSurprise));
  c.ms += weight * (ms - c.ms);
  c.context += weight * (at - c.context);
  if (rows != 1) return;
  const double w = std::max(0.02, 1.0 / c.count);
  const double d_context = at - mean_context_, d_ms = ms - mean_ms_;
  mean_context_ += w * d_context;
  mean_ms_ += w * d_ms;
  var_context_ = (1 - w) * (var_context_ + w * d_context * d_context);
  covariance_ = (1 - w) * (covariance_ + w * d_context * d_ms);
}

void StepCosts::observe_union(int rows, double distinct) {
  if (rows < 1 || rows > kMaxRows) return;
  double& experts = cells_[static_cast<size_t>(rows)].experts;
  experts = experts == 0 ? distinct : experts + kNew * (distinct - experts);
  if (rows > 1) grow_experts();
}

void StepCosts::observe_repeat(double share) {
  repeat_ += 0.02 * (share - repeat_);
  if (std::abs(repeat_ - grown_at_) > kRepeatMatters) grow_experts();
}

/// From the largest measured number of rows below, row by row.
void StepCosts::grow_experts() {
  grown_at_ = repeat_;
  const double used = shape_.n_used, all = shape_.n_experts;
  double distinct = used;
  for (size_t n = 1; n <= kMaxRows; ++n) {
    if (n > 1) {
      const double already = all > used ? std::clamp((distinct - used) / (all - used), 0.0, 1.0) : 1.0;
      distinct = cells_[n].experts > 0 ? cells_[n].experts : distinct + used * (1 - repeat_) * (1 - already);
    }
    experts_[n] = distinct;
  }
}

double StepCosts::by_bytes(int rows) const {
  const double growth = shape_.n_used > 0 ? experts(rows) / experts(1) - 1 : 0;
  return 1 + shape_.expert_share * growth + kRowShare * (rows - 1);
}

/// At the contexts where it was measured.
double StepCosts::raw_ms(int rows) const {
  rows = std::min(rows, kMaxRows);
  if (measured(rows)) return cell(rows).ms;
  int below = 0, above = 0;
  for (int n = rows - 1; n >= 1 && below == 0; --n) below = measured(n) ? n : 0;
  for (int n = rows + 1; n <= kMaxRows && above == 0; ++n) above = measured(n) ? n : 0;
  if (below == 0) return above == 0 ? cell(rows).ms : cell(above).ms;
  double grown = cell(below).ms * by_bytes(rows) / by_bytes(below);
  if (below > 1 && measured(1)) {   // this machine's rows may cost more or less than their bytes: as much so beyond as up to here
    const double per_byte = std::max(0.0, cell(below).ms - cell(1).ms) / (by_bytes(below) - 1);
    grown = cell(below).ms + per_byte * (by_bytes(rows) - by_bytes(below));
  }
  if (above == 0) return grown;
  // The union of experts saturates, so the curve lies above the chord.
  const double chord = cell(below).ms + (cell(above).ms - cell(below).ms) * (rows - below) / (above - below);
  return std::max(grown, chord);
}

double StepCosts::ms(int rows, int64_t context) const {
  const double raw = raw_ms(rows);
  const double spread = std::sqrt(var_context_);
  if (!measured(std::min(rows, kMaxRows)) || spread < 64) return raw;
  const double slope = std::max(0.0, covariance_ / var_context_);
  const double moved = raw + slope * (static_cast<double>(context) - cell(rows).context);
  return std::clamp(moved, 0.5 * raw, 2 * raw);
}

}  // namespace conclave
