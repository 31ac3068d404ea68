// The sampler chain; see sampler.h and sampler_options.h for the order.
#include "sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "sample/distribution.h"

namespace conclave {

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

[[noreturn]] void out_of_range(const char* option, double value, const char* range) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  throw Error(ErrorCode::kBadArgument, std::string(option) + " is " + text + "; it must be " + range);
}

void check(const SamplerOptions& o, int n_vocab) {
  if (!(o.temperature >= 0.f && o.temperature <= 100.f)) out_of_range("temperature", o.temperature, "between 0 and 100");
  if (o.top_k < 0) out_of_range("top-k", o.top_k, "0 (off) or more");
  if (!(o.top_p > 0.f && o.top_p <= 1.f)) out_of_range("top-p", o.top_p, "above 0 and at most 1");
  if (!(o.min_p >= 0.f && o.min_p <= 1.f)) out_of_range("min-p", o.min_p, "between 0 and 1");
  if (!(o.repetition_penalty > 0.f && o.repetition_penalty <= 100.f)) out_of_range("repetition penalty", o.repetition_penalty, "above 0 and at most 100");
  if (o.repetition_window < 0) out_of_range("repetition window", o.repetition_window, "0 or more");
  if (o.n_top_logprobs < 0 || o.n_top_logprobs > 20) out_of_range("the number of top log-probabilities", o.n_top_logprobs, "between 0 and 20");
  for (const auto& [token, bias] : o.logit_bias) {
    if (token < 0 || token >= n_vocab) out_of_range("a biased token", token, ("below the vocabulary size " + std::to_string(n_vocab)).c_str());
    if (std::isnan(bias) || bias == std::numeric_limits<float>::infinity()) out_of_range("a logit bias", bias, "a number or minus infinity");
  }
}

uint64_t mix(uint64_t x) {   // the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

/// How many of `sorted` top-p keeps: the shortest head that holds p of `total` (in units of exp(logit - max)).
size_t nucleus(std::span<const Candidate> sorted, float max, double p, double total, bool& reached) {
  double held = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    held += exp_nonpositive(sorted[i].logit - max);
    if (held >= p * total) return reached = true, i + 1;
  }
  reached = false;
  return sorted.size();
}

/// Top-p over the whole vocabulary: looks at as few of the best as it takes.
std::vector<Candidate> nucleus_of_all(std::span<const float> logits, float max, double p) {
  const double total = sum_exp(logits, max);
  for (size_t count = 64;; count *= 8) {
    std::vector<Candidate> best = best_candidates(logits, count);
    bool reached = false;
    const size_t kept = nucleus(best, max, p, total, reached);
    if (reached || count >= logits.size()) return best.resize(kept), best;
  }
}

}  // namespace

double uniform_draw(uint64_t seed, uint64_t position, uint64_t index) {
  uint64_t x = mix(seed + 0x9E3779B97F4A7C15ull);
  x = mix(x ^ (position + 1) * 0x9E3779B97F4A7C15ull);
  x = mix(x ^ (index + 1) * 0xD1B54A32D192ED03ull);
  return static_cast<double>(x >> 11) * 0x1p-53;
}

Sampler::Sampler(SamplerOptions options, int n_vocab) : options_(std::move(options)) { check(options_, n_vocab); }

SampledToken Sampler::sample(std::span<float> logits, std::span<const int32_t> history) const {
  if (!all_finite(logits)) {
    const auto bad = std::find_if(logits.begin(), logits.end(), [](float x) { return !std::isfinite(x); });
    throw Error(ErrorCode::kBadFile, "the model gave a logit that is not a number (token " + std::to_string(bad - logits.begin()) + " at position " +
                                         std::to_string(history.size()) + "); its weights may be damaged: check the file");
  }
  const float log_total = log_sum_exp(logits);
  SampledToken result{0, 0.f, {}};
  for (const Candidate& candidate : best_candidates(logits, static_cast<size_t>(options_.n_top_logprobs))) {
    result.top.push_back({candidate.token, candidate.logit - log_total});
  }

  std::vector<std::pair<int32_t, float>> originals;   // logits as the model gave them, where a penalty or bias changed them
  penalise(logits, history, originals);
  result.token = options_.temperature == 0.f ? best_token(logits) : draw(logits, history.size());
  if (logits[static_cast<size_t>(result.token)] == kForbidden) throw Error(ErrorCode::kBadArgument, "the logit biases forbid every token");
  float logit = logits[static_cast<size_t>(result.token)];
  for (const auto& [token, original] : originals) {
    if (token == result.token) {
      logit = original;
      break;   // the first record is the untouched one
    }
  }
  result.logprob = std::min(0.f, logit - log_total);
  return result;
}

void Sampler::penalise(std::span<float> logits, std::span<const int32_t> history, std::vector<std::pair<int32_t, float>>& originals) const {
  if (options_.repetition_penalty != 1.f) {
    const size_t window = std::min<size_t>(history.size(), static_cast<size_t>(options_.repetition_window));
    std::vector<int32_t> recent(history.end() - static_cast<std::ptrdiff_t>(window), history.end());
    std::sort(recent.begin(), recent.end());
    recent.erase(std::unique(recent.begin(), recent.end()), recent.end());
    for (const int32_t token : recent) {
      float& logit = logits[static_cast<size_t>(token)];
      originals.emplace_back(token, logit);
      logit = logit > 0.f ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
    }
  }
  for (const auto& [token, bias] : options_.logit_bias) {
    float& logit = logits[static_cast<size_t>(token)];
    originals.emplace_back(token, logit);
    logit += bias;
  }
}

int32_t Sampler::draw(std::span<const float> logits, size_t position) const {
  const float max = maximum(logits);
  if (max == kForbidden) return 0;
  const float floor = options_.min_p > 0.f ? max + std::log(options_.min_p) : std::numeric_limits<float>::lowest();
  std::vector<Candidate> kept;
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < logits.size()) {
    kept = best_candidates(logits, static_cast<size_t>(options_.top_k));
    if (options_.top_p < 1.f) {
      double total = 0;
      for (const Candidate& candidate : kept) total += exp_nonpositive(candidate.logit - max);
      bool reached = false;
      kept.resize(nucleus(kept, max, options_.top_p, total, reached));
    }
  } else if (options_.top_p < 1.f) {
    kept = nucleus_of_all(logits, max, options_.top_p);
  } else {
    for (size_t token = 0; token < logits.size(); ++token) {
      if (logits[token] >= floor) kept.push_back({logits[token], static_cast<int32_t>(token)});
    }
  }

  std::vector<double> cumulative;   // of exp((logit - max) / temperature) over those that min-p keeps
  cumulative.reserve(kept.size());
  double total = 0;
  for (const Candidate& candidate : kept) {
    if (candidate.logit >= floor) total += exp_nonpositive((candidate.logit - max) / options_.temperature);
    cumulative.push_back(total);
  }
  const double target = uniform_draw(options_.seed, position) * total;
  auto at = std::upper_bound(cumulative.begin(), cumulative.end(), target);
  if (at == cumulative.end()) at = std::lower_bound(cumulative.begin(), cumulative.end(), total);   // the product rounded up to the total
  return kept[static_cast<size_t>(at - cumulative.begin())].token;
}

}  // namespace conclave
