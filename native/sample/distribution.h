// Arithmetic on whole rows of logits, written so that compilers vectorise it: a vocabulary has 150,000 entries and a
// token's whole budget is milliseconds. Nothing here knows an option.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace conclave {

struct Candidate {
  float logit;
  int32_t token;
};
/// More probable first, ties to the lower id.
inline bool before(const Candidate& a, const Candidate& b) { return a.logit > b.logit || (a.logit == b.logit && a.token < b.token); }

bool all_finite(std::span<const float> values);
/// -infinity for an empty row; ignores NaN.
float maximum(std::span<const float> values);
/// sum of exp((value - max)): relative error below 3e-6 at worst, 1e-7 as a rule.
double sum_exp(std::span<const float> logits, float max);
/// log(sum exp(value)), the denominator of every log-probability of the row.
float log_sum_exp(std::span<const float> logits);
/// exp(x) for x <= 0, relative error below 3e-7; exactly 0 below -87.
float exp_nonpositive(float x);
/// The `count` best in order.
std::vector<Candidate> best_candidates(std::span<const float> logits, size_t count);
int32_t best_token(std::span<const float> logits);

}  // namespace conclave
