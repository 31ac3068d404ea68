// How much of a draft stands. Two rules, both lossless where they may be used, and the choice between them; nothing here
// knows a model. A draft is right for the rule "sample and match" whatever made it. The ratio test needs more: q must be the
// distribution that the draft token was drawn from given only the tokens before it.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace conclave {

/// How the draft's tokens came about, as far as the verifier must know.
enum class DraftOrigin {
  kAny,        // look-up, several denoising steps, a walk, argmax: only sample and match is right
  kOneStep,    // every token drawn from its own q, all in one pass: q does not depend on later tokens
};

enum class VerifyRule { kMatch, kRatio };

/// The ratio test where it was asked for and is right; with q from several steps in free order it is not: two uniform binary
/// tokens, the second revealed first and the first set equal to it, come out equal with probability 3/4 instead of 1/2.
inline VerifyRule rule_for(VerifyRule asked, DraftOrigin origin, bool has_q) {
  return asked == VerifyRule::kRatio && origin == DraftOrigin::kOneStep && has_q ? VerifyRule::kRatio : VerifyRule::kMatch;
}

/// Sample and match. `next(row)` draws the target's token after the row (0: the anchor, i: draft[i - 1]) with whatever sampler
/// the request has and emits it; nullopt: the request is over. Goes to the next row while the token equals the draft's.
/// Returns how many draft tokens stood. Called for at most draft.size() + 1 rows.
int match_draft(std::span<const int32_t> draft, const std::function<std::optional<int32_t>(int row)>& next);

/// A distribution by its tokens with non-zero probability, ascending token ids, summing to 1.
using SparseDistribution = std::vector<std::pair<int32_t, double>>;

/// One position of the ratio test (Leviathan et al. 2023): the drafted token with probability min(1, p/q), else a token of
/// norm(max(0, p - q)). The two draws are uniform in [0, 1) and used for nothing else.
struct RatioOutcome {
  int32_t token;
  bool accepted;
};
RatioOutcome ratio_test(const SparseDistribution& p, const SparseDistribution& q, int32_t drafted, double accept_draw, double residual_draw);

/// The token at `draw` of the cumulative distribution.
int32_t token_at(const SparseDistribution& p, double draw);

}  // namespace conclave
