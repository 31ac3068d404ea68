// How a token is chosen, as plain data (part of the engine's door).
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace conclave {

/// Applied in this order: repetition penalty, bias, top-k, top-p, min-p, temperature. Top-p and min-p look at the distribution
/// at temperature 1 (after top-k), so the temperature reshapes what they kept and does not change what they keep.
struct SamplerOptions {
  float temperature = 0.8f;         // 0: greedy
  int top_k = 40;                   // 0: off
  float top_p = 0.95f;              // 1: off
  float min_p = 0.05f;              // 0: off
  float repetition_penalty = 1.f;   // 1: off (Keskar et al. 2019)
  int repetition_window = 64;       // last tokens considered, prompt included
  uint64_t seed = 0;                // the same seed, prompt and options give the same tokens, alone or in a batch
  std::vector<std::pair<int32_t, float>> logit_bias;   // -infinity forbids a token
  int n_top_logprobs = 0;           // alternatives reported per token, at most 20
};

struct TopLogprob { int32_t token; float logprob; };

}  // namespace conclave
