// From a row of logits to a token. Stateless but for its options: a draw depends on (seed, position) alone, so a request
// gives the same tokens alone, in a batch, or restarted in the middle.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

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

  const SamplerOptions& options() const { return options_; }

 private:
  void penalise(std::span<float> logits, std::span<const int32_t> history, std::vector<std::pair<int32_t, float>>& originals) const;
  int32_t draw(std::span<const float> logits, size_t position) const;

  SamplerOptions options_;
};

/// A number in [0, 1) that depends on its arguments only; `index` tells several draws for one position apart.
double uniform_draw(uint64_t seed, uint64_t position, uint64_t index = 0);

}  // namespace conclave
