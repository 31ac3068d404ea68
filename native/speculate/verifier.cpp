// The two rules; see verifier.h.
#include "speculate/verifier.h"

#include <algorithm>
#include <cassert>

namespace conclave {

namespace {

double probability(const SparseDistribution& p, int32_t token) {
  const auto at = std::lower_bound(p.begin(), p.end(), token, [](const auto& entry, int32_t id) { return entry.first < id; });
  return at != p.end() && at->first == token ? at->second : 0;
}

}  // namespace

int match_draft(std::span<const int32_t> draft, const std::function<std::optional<int32_t>(int row)>& next) {
  for (size_t row = 0; row < draft.size(); ++row) {
    const std::optional<int32_t> token = next(static_cast<int>(row));
    if (token != draft[row]) return static_cast<int>(row);
  }
  next(static_cast<int>(draft.size()));
  return static_cast<int>(draft.size());
}

int32_t token_at(const SparseDistribution& p, double draw) {
  assert(!p.empty());
  double total = 0;
  for (const auto& [token, mass] : p) total += mass;
  double held = 0;
  for (const auto& [token, mass] : p) {
    held += mass;
    if (draw * total < held) return token;
  }
  return p.back().first;
}

RatioOutcome ratio_test(const SparseDistribution& p, const SparseDistribution& q, int32_t drafted, double accept_draw, double residual_draw) {
  const double target = probability(p, drafted), proposed = probability(q, drafted);
  if (accept_draw * proposed < target) return {drafted, true};
  SparseDistribution residual;
  for (const auto& [token, mass] : p) {
    const double rest = mass - probability(q, token);
    if (rest > 0) residual.emplace_back(token, rest);
  }
  // p == q up to rounding: then rejection itself was rounding, and p is the distribution that is meant.
  return {token_at(residual.empty() ? p : residual, residual_draw), false};
}

}  // namespace conclave
