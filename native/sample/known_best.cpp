// What is certain; see known_best.h.
#include "sample/known_best.h"

#include <algorithm>
#include <cmath>

namespace conclave {

namespace {

/// Of two sums over the same row, relative: the device's is off by kTopSumError, sum_exp() by 3e-6 (each at worst), and both
/// subtract the largest logit in float, perhaps in two steps.
constexpr double kTwoSums = 1e-5;
static_assert(kTwoSums > kTopSumError + 3e-6 + 1e-6);

}  // namespace

KnownBest known_best(const TopLogits& top, std::span<const ChangedLogit> changed) {
  KnownBest known;
  known.is_all = static_cast<size_t>(top.n_vocab) == top.ids.size();
  const Candidate last{top.values.back(), top.ids.back()};   // tokens that were not told of come after it
  known.others = last.logit;
  known.best.reserve(top.ids.size() + changed.size());
  for (size_t i = 0; i < top.ids.size(); ++i) known.best.push_back({top.values[i], top.ids[i]});
  if (!changed.empty()) {
    const auto is_changed = [&](const Candidate& candidate) {
      const auto at = std::lower_bound(changed.begin(), changed.end(), candidate.token, [](const ChangedLogit& entry, int32_t token) { return entry.token < token; });
      return at != changed.end() && at->token == candidate.token;
    };
    std::erase_if(known.best, is_changed);
    for (const ChangedLogit& entry : changed)
      if (known.is_all || !before(last, {entry.now, entry.token})) known.best.push_back({entry.now, entry.token});
    std::sort(known.best.begin(), known.best.end(), before);
  }
  if (known.best.empty()) return known;
  const double best = known.best.front().logit;
  known.total = top.sum * std::exp(top.values.front() - best);
  double moved = 0;   // no less than any sum on the way to the total
  for (const ChangedLogit& entry : changed) {
    const double now = std::exp(entry.now - best);
    moved += now;
    known.total += now - std::exp(entry.original - best);
  }
  known.error = kTwoSums * (top.sum * std::exp(top.values.front() - best) + moved);
  return known;
}

float log_sum_exp(const TopLogits& top) { return top.values.front() + static_cast<float>(std::log(static_cast<double>(top.sum))); }

}  // namespace conclave
