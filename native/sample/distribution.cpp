// Row arithmetic; see distribution.h. Reductions keep kLanes separate sums because a compiler may not reorder float
// additions by itself.
#include "sample/distribution.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace conclave {

namespace {

constexpr size_t kLanes = 16;

/// 2^n * p(r) with x = n ln2 + r, |r| <= ln2 / 2; p is the Taylor polynomial of degree 7 (its remainder is below 1e-8).
inline float exp_lane(float x) {
  const float clamped = x < -87.f ? -87.f : x;
  const float shifted = clamped * 1.44269504f + 12582912.f;   // 1.5 * 2^23: the sum's low bits are the rounded integer
  const float n = shifted - 12582912.f;
  const float r = (clamped - n * 0.693145752f) - n * 1.42860677e-6f;   // ln2 in two parts
  float p = 1.f / 5040.f;
  p = p * r + 1.f / 720.f;
  p = p * r + 1.f / 120.f;
  p = p * r + 1.f / 24.f;
  p = p * r + 1.f / 6.f;
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  const int32_t bits = std::bit_cast<int32_t>(p) + (static_cast<int32_t>(n) << 23);
  return x < -87.f ? 0.f : std::bit_cast<float>(bits);
}

}  // namespace

float exp_nonpositive(float x) { return exp_lane(x); }

bool all_finite(std::span<const float> values) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += values[i + j] * 0.f;   // NaN and infinity times 0 are NaN, and stay
  }
  for (; i < values.size(); ++i) lanes[0] += values[i] * 0.f;
  float sum = 0.f;
  for (const float lane : lanes) sum += lane;
  return sum == 0.f;
}

float maximum(std::span<const float> values) {
  float lanes[kLanes];
  std::fill(std::begin(lanes), std::end(lanes), -std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] = values[i + j] > lanes[j] ? values[i + j] : lanes[j];
  }
  for (; i < values.size(); ++i) lanes[0] = values[i] > lanes[0] ? values[i] : lanes[0];
  return *std::max_element(std::begin(lanes), std::end(lanes));
}

double sum_exp(std::span<const float> logits, float max) {
  double sum = 0;
  for (size_t block = 0; block < logits.size(); block += 512) {   // short float sums: 47 terms a lane at most, each rounded by 2^-24
    const std::span<const float> part = logits.subspan(block, std::min<size_t>(512, logits.size() - block));
    float lanes[kLanes] = {};
    size_t i = 0;
    for (; i + kLanes <= part.size(); i += kLanes) {
      for (size_t j = 0; j < kLanes; ++j) lanes[j] += exp_lane(part[i + j] - max);
    }
    for (; i < part.size(); ++i) lanes[0] += exp_lane(part[i] - max);
    for (const float lane : lanes) sum += lane;
  }
  return sum;
}

std::vector<Candidate> best_candidates(std::span<const float> logits, size_t count) {
  count = std::min(count, logits.size());
  std::vector<Candidate> kept;
  if (count == 0) return kept;
  kept.reserve(2 * count);
  // Ids ascend, so a later equal of the count-th best loses the tie: strictly greater is right.
  float threshold = -std::numeric_limits<float>::infinity();
  bool filled = false;
  for (size_t token = 0; token < logits.size(); ++token) {
    if (filled && !(logits[token] > threshold)) continue;
    kept.push_back({logits[token], static_cast<int32_t>(token)});
    if (kept.size() == 2 * count) {
      std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(count) - 1, kept.end(), before);
      kept.resize(count);
      threshold = kept.back().logit;
      filled = true;
    }
  }
  std::sort(kept.begin(), kept.end(), before);
  kept.resize(count);
  return kept;
}

int32_t best_token(std::span<const float> logits) {
  const float max = maximum(logits);
  return static_cast<int32_t>(std::find(logits.begin(), logits.end(), max) - logits.begin());
}

float log_sum_exp(std::span<const float> logits) {
  const float max = maximum(logits);
  return max + static_cast<float>(std::log(sum_exp(logits, max)));
}

}  // namespace conclave
