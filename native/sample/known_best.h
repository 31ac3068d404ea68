// The best of a row of logits of which a device told only the best: what of that still holds when a penalty or a bias moved
// some. Says only what is certain; whoever needs more reads the whole row.
#pragma once
#include <span>
#include <vector>

#include "ops/top_logits.h"
#include "sample/distribution.h"

namespace conclave {

/// A token whose logit a penalty or a bias moves.
struct ChangedLogit {
  int32_t token;
  float original, now;
};

struct KnownBest {
  std::vector<Candidate> best;   // in order; no other token of the row comes before any of these
  bool is_all = false;           // there are no others
  float others = 0.f;            // whose logits are at most this
  double total = 0, error = 0;   // sum of exp(logit - the best) over the row, and how far at most sum_exp() may be from it
};

/// `changed` has each token once, and logits that are numbers or minus infinity. `top` is of a finite row.
KnownBest known_best(const TopLogits& top, std::span<const ChangedLogit> changed);

/// As of the whole row, within 1e-5.
float log_sum_exp(const TopLogits& top);

}  // namespace conclave
