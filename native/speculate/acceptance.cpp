// Counting what stands; see acceptance.h.
#include "speculate/acceptance.h"

#include <algorithm>

namespace conclave {

namespace {

constexpr double kKeep = 0.97;          // of the old tries at each new one: about the last 30 count
constexpr double kPriorTries = 1.5;
constexpr double kPrior[kDraftKinds] = {0.25, 0.5, 0.75, 0.5, 0.6};

}  // namespace

void AcceptanceMeter::observe(int kind, int n, int n_accepted) {
  auto& cells = cells_[static_cast<size_t>(kind)];
  const int n_seen = std::min({n, n_accepted + 1, kMaxPositions});
  for (int i = 0; i < n_seen; ++i) {
    Cell& cell = cells[static_cast<size_t>(i)];
    cell.tries = cell.tries * kKeep + 1;
    cell.hits = cell.hits * kKeep + (i < n_accepted ? 1 : 0);
  }
}

double AcceptanceMeter::next_rate(int kind, int at, double before) const {
  if (at >= kMaxPositions) return before;
  const Cell& cell = cells_[static_cast<size_t>(kind)][static_cast<size_t>(at)];
  return (cell.hits + kPriorTries * before) / (cell.tries + kPriorTries);
}

double AcceptanceMeter::estimate(int kind, int at) const {
  double rate = kPrior[kind];
  for (int i = 0; i <= at; ++i) rate = next_rate(kind, i, rate);
  return rate;
}

std::vector<double> AcceptanceMeter::estimates(int kind, int n) const {
  std::vector<double> rates;
  rates.reserve(static_cast<size_t>(n));
  double rate = kPrior[kind];
  for (int i = 0; i < n; ++i) rates.push_back(rate = next_rate(kind, i, rate));
  return rates;
}

AcceptanceMeter AcceptanceMeter::faded(double weight) const {
  AcceptanceMeter result = *this;
  for (auto& kind : result.cells_) {
    for (Cell& cell : kind) {
      if (cell.tries <= weight) continue;
      cell.hits *= weight / cell.tries;
      cell.tries = weight;
    }
  }
  return result;
}

bool ShadowDraft::follow(int32_t token) {
  if (tokens_[static_cast<size_t>(n_right_)] != token) return true;
  return ++n_right_ == length();
}

}  // namespace conclave
