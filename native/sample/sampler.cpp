// The sampler chain; see sampler.h and sampler_options.h for the order.
#include "sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "sample/distribution.h"
#include "sample/known_best.h"

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

using Candidates = std::vector<Candidate>;

/// Keeps the shortest head of `sorted`, all of a row's, that holds p of its own mass.
void keep_nucleus(Candidates& sorted, float max, double p) {
  double total = 0, held = 0;
  for (const Candidate& candidate : sorted) total += exp_nonpositive(candidate.logit - max);
  for (size_t i = 0; i < sorted.size(); ++i) {
    held += exp_nonpositive(sorted[i].logit - max);
    if (held >= p * total) return sorted.resize(i + 1);
  }
}

/// Top-p over the whole vocabulary: looks at as few of the best as it takes.
Candidates nucleus_of_all(std::span<const float> logits, float max, double p) {
  const double total = sum_exp(logits, max);
  for (size_t count = 64;; count *= 8) {
    Candidates best = best_candidates(logits, count);
    double held = 0;
    for (size_t i = 0; i < best.size(); ++i) {
      held += exp_nonpositive(best[i].logit - max);
      if (held >= p * total) return best.resize(i + 1), best;
    }
    if (count >= logits.size()) return best;
  }
}

/// The same from the best alone: where every total that nucleus_of_all() may find cuts at the same place.
std::optional<Candidates> nucleus_of_known(const KnownBest& known, float max, double p) {
  double held = 0;
  for (size_t i = 0; i < known.best.size(); ++i) {
    held += exp_nonpositive(known.best[i].logit - max);
    if (held >= p * (known.total + known.error)) return Candidates(known.best.begin(), known.best.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    if (!(held < p * (known.total - known.error))) return std::nullopt;
  }
  return std::nullopt;
}

const ChangedLogit* find(std::span<const ChangedLogit> changed, int32_t token) {
  const auto at = std::lower_bound(changed.begin(), changed.end(), token, [](const ChangedLogit& entry, int32_t id) { return entry.token < id; });
  return at != changed.end() && at->token == token ? &*at : nullptr;
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

  std::vector<ChangedLogit> changed;
  for (const int32_t token : changed_tokens(history)) changed.push_back({token, logits[static_cast<size_t>(token)], logits[static_cast<size_t>(token)]});
  change(changed, history);
  for (const ChangedLogit& entry : changed) logits[static_cast<size_t>(entry.token)] = entry.now;
  result.token = options_.temperature == 0.f ? best_token(logits) : draw(logits, history.size());
  const float logit = logits[static_cast<size_t>(result.token)];
  if (logit == kForbidden) throw Error(ErrorCode::kBadArgument, "the logit biases forbid every token");
  const ChangedLogit* moved = find(changed, result.token);
  result.logprob = std::min(0.f, (moved ? moved->original : logit) - log_total);
  return result;
}

std::optional<SampledToken> Sampler::sample(const TopLogits& top, std::span<const int32_t> history) const {
  if (!top.is_finite) return std::nullopt;
  std::vector<ChangedLogit> changed;
  for (const int32_t token : changed_tokens(history)) {
    const auto at = std::lower_bound(top.asked_ids.begin(), top.asked_ids.end(), token);
    if (at == top.asked_ids.end() || *at != token) return std::nullopt;
    const float logit = top.asked[static_cast<size_t>(at - top.asked_ids.begin())];
    changed.push_back({token, logit, logit});
  }
  change(changed, history);
  if (std::any_of(changed.begin(), changed.end(), [](const ChangedLogit& entry) { return !std::isfinite(entry.now) && entry.now != kForbidden; })) return std::nullopt;

  const KnownBest known = known_best(top, changed);
  if (known.best.empty() || known.best.front().logit == kForbidden) return std::nullopt;
  std::optional<Candidate> chosen = known.best.front();
  if (options_.temperature > 0.f) chosen = draw(known, history.size());
  if (!chosen) return std::nullopt;
  const float log_total = log_sum_exp(top);
  const ChangedLogit* moved = find(changed, chosen->token);
  SampledToken result{chosen->token, std::min(0.f, (moved ? moved->original : chosen->logit) - log_total), {}};
  const size_t n_top = std::min(top.ids.size(), static_cast<size_t>(options_.n_top_logprobs));
  for (size_t i = 0; i < n_top; ++i) result.top.push_back({top.ids[i], top.values[i] - log_total});
  return result;
}

/// The last tokens that the penalty looks at, each once, ascending.
std::vector<int32_t> Sampler::recent(std::span<const int32_t> history) const {
  if (options_.repetition_penalty == 1.f) return {};
  const std::span<const int32_t> window = history.last(std::min<size_t>(history.size(), static_cast<size_t>(options_.repetition_window)));
  std::vector<int32_t> tokens(window.begin(), window.end());
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

std::vector<int32_t> Sampler::changed_tokens(std::span<const int32_t> history) const {
  std::vector<int32_t> tokens = recent(history);
  if (options_.logit_bias.empty()) return tokens;
  for (const auto& [token, bias] : options_.logit_bias) tokens.push_back(token);
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

void Sampler::change(std::span<ChangedLogit> changed, std::span<const int32_t> history) const {
  const auto now = [&](int32_t token) -> float& { return std::lower_bound(changed.begin(), changed.end(), token, [](const ChangedLogit& entry, int32_t id) { return entry.token < id; })->now; };
  for (const int32_t token : recent(history)) {
    float& logit = now(token);
    logit = logit > 0.f ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
  for (const auto& [token, bias] : options_.logit_bias) now(token) += bias;
}

/// The least logit that min-p keeps.
float Sampler::floor_below(float max) const { return options_.min_p > 0.f ? max + std::log(options_.min_p) : std::numeric_limits<float>::lowest(); }

int32_t Sampler::draw(std::span<const float> logits, size_t position) const {
  const float max = maximum(logits), floor = floor_below(max);
  if (max == kForbidden) return 0;
  Candidates kept;
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < logits.size()) {
    kept = best_candidates(logits, static_cast<size_t>(options_.top_k));
    if (options_.top_p < 1.f) keep_nucleus(kept, max, options_.top_p);
  } else if (options_.top_p < 1.f) {
    kept = nucleus_of_all(logits, max, options_.top_p);
  } else {
    for (size_t token = 0; token < logits.size(); ++token) {
      if (logits[token] >= floor) kept.push_back({logits[token], static_cast<int32_t>(token)});
    }
  }
  return draw_of(kept, max, position).token;
}

/// The same cuts where the best alone decide them.
std::optional<Candidate> Sampler::draw(const KnownBest& known, size_t position) const {
  const float max = known.best.front().logit, floor = floor_below(max);
  Candidates kept = known.best;
  if (options_.top_k > 0 && !(known.is_all && static_cast<size_t>(options_.top_k) >= kept.size())) {
    if (kept.size() < static_cast<size_t>(options_.top_k)) return std::nullopt;
    kept.resize(static_cast<size_t>(options_.top_k));
    if (options_.top_p < 1.f) keep_nucleus(kept, max, options_.top_p);
  } else if (options_.top_p < 1.f) {
    std::optional<Candidates> nucleus = nucleus_of_known(known, max, options_.top_p);
    if (!nucleus) return std::nullopt;
    kept = std::move(*nucleus);
  } else {
    if (!known.is_all && !(known.others < floor)) return std::nullopt;
    std::erase_if(kept, [floor](const Candidate& candidate) { return !(candidate.logit >= floor); });
    std::sort(kept.begin(), kept.end(), [](const Candidate& a, const Candidate& b) { return a.token < b.token; });   // the order of the whole row's sums
  }
  return draw_of(kept, max, position);
}

/// By exp((logit - max) / temperature) among those that min-p keeps.
Candidate Sampler::draw_of(std::span<const Candidate> kept, float max, size_t position) const {
  const float floor = floor_below(max);
  std::vector<double> cumulative;
  cumulative.reserve(kept.size());
  double total = 0;
  for (const Candidate& candidate : kept) {
    if (candidate.logit >= floor) total += exp_nonpositive((candidate.logit - max) / options_.temperature);
    cumulative.push_back(total);
  }
  const double target = uniform_draw(options_.seed, position) * total;
  auto at = std::upper_bound(cumulative.begin(), cumulative.end(), target);
  if (at == cumulative.end()) at = std::lower_bound(cumulative.begin(), cumulative.end(), total);   // the product rounded up to the total
  return kept[static_cast<size_t>(at - cumulative.begin())];
}

}  // namespace conclave
