// From a row of logits, or the best of it, to a token. Stateless but for its options: a draw depends on (seed, position) alone, so a request
// gives the same tokens alone, in a batch, or restarted in the middle.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ops/top_logits.h"
#include "sample/known_best.h"
#include "sample/sampler_options.h"

namespace conclave {

struct SampledToken {
  int32_t token;
  float logprob;                 // of the model's own distribution: no penalty, bias, truncation or temperature
  std::vector<TopLogprob> top;   // of the same distribution, most probable first, ties to the lower id
};

class Sampler {
 public:
  /// Throws Error(kBadArgument) naming the option, its value and its range.
  Sampler(SamplerOptions options, int n_vocab);

  /// Chooses the token that follows `history` (the prompt and everything generated). Overwrites `logits` ([n_vocab]).
  /// Throws Error: kBadFile when a logit is not a finite number, kBadArgument when the biases forbid every token.
  SampledToken sample(std::span<float> logits, std::span<const int32_t> history) const;

  /// The same token from what a device told of the row, and log-probabilities within 1e-5; nullopt where that does not decide it
  /// for certain, and for a row that is not finite. The logits of changed_tokens(history) must have been asked for.
  std::optional<SampledToken> sample(const TopLogits& top, std::span<const int32_t> history) const;
  bool changes_logits() const { return options_.repetition_penalty != 1.f || !options_.logit_bias.empty(); }
  /// Whose logits the penalty and the biases change after `history`, ascending.
  std::vector<int32_t> changed_tokens(std::span<const int32_t> history) const;

  const SamplerOptions& options() const { return options_; }

 private:
  std::vector<int32_t> recent(std::span<const int32_t> history) const;
  void change(std::span<ChangedLogit> changed, std::span<const int32_t> history) const;
  float floor_below(float max) const;
  int32_t draw(std::span<const float> logits, size_t position) const;
  std::optional<Candidate> draw(const KnownBest& known, size_t position) const;
  Candidate draw_of(std::span<const Candidate> kept, float max, size_t position) const;

  SamplerOptions options_;
};

/// A number in [0, 1) that depends on its arguments only; `index` tells several draws for one position apart.
double uniform_draw(uint64_t seed, uint64_t position, uint64_t index = 0);

}  // namespace conclave
