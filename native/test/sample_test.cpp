// The sampler against a plain double-precision chain (sort everything, cut, normalise), its distribution by chi-square,
// and the edges: ties, cuts of one, forbidden tokens, damaged logits.
#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <random>

#include "base/error.h"
#include "check.h"
#include "sample/distribution.h"
#include "sample/sampler.h"

using namespace conclave;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Everything off: the model's own distribution.
SamplerOptions plain(float temperature = 1.f) {
  SamplerOptions options;
  options.temperature = temperature;
  options.top_k = 0;
  options.top_p = 1.f;
  options.min_p = 0.f;
  return options;
}

std::vector<float> random_logits(uint32_t seed, int n, float spread = 3.f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.f, spread);
  std::vector<float> logits(static_cast<size_t>(n));
  for (float& logit : logits) logit = normal(random);
  return logits;
}

SampledToken sample(const SamplerOptions& options, std::vector<float> logits, const std::vector<int32_t>& history = {}) {
  return Sampler(options, static_cast<int>(logits.size())).sample(logits, history);
}

/// Probability of each token under the documented chain (no penalties), the obvious way.
std::vector<double> reference_distribution(const SamplerOptions& o, const std::vector<float>& logits) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
  if (o.top_k > 0) order.resize(std::min<size_t>(order.size(), static_cast<size_t>(o.top_k)));
  std::vector<double> p;
  for (const int token : order) p.push_back(std::exp(double{logits[token]} - logits[order[0]]));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  double held = 0;
  size_t kept = 0;
  while (kept < p.size() && (kept == 0 || o.top_p >= 1.f || held < double{o.top_p} * total)) held += p[kept++];
  while (kept > 1 && p[kept - 1] < o.min_p * p[0]) --kept;
  std::vector<double> result(logits.size(), 0.0);
  double sum = 0;
  for (size_t i = 0; i < kept; ++i) sum += result[static_cast<size_t>(order[i])] = std::exp((double{logits[order[i]]} - logits[order[0]]) / o.temperature);
  for (double& probability : result) probability /= sum;
  return result;
}

/// Draws at many positions; the statistic must stay below the 1 - 1e-6 quantile, about mean + 7 standard deviations here.
void check_distribution(const SamplerOptions& options, const std::vector<float>& logits) {
  constexpr int kDraws = 20000;
  const std::vector<double> expected = reference_distribution(options, logits);
  std::vector<int> seen(logits.size(), 0);
  const Sampler sampler(options, static_cast<int>(logits.size()));
  std::vector<int32_t> history;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<float> copy = logits;
    ++seen[static_cast<size_t>(sampler.sample(copy, history).token)];
    history.push_back(0);
  }
  double statistic = 0;
  int cells = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    if (expected[i] == 0) {
      CHECK_MSG(seen[i] == 0, "token " + std::to_string(i) + " was cut and came up all the same");
      continue;
    }
    if (expected[i] * kDraws < 5) continue;
    statistic += (seen[i] - expected[i] * kDraws) * (seen[i] - expected[i] * kDraws) / (expected[i] * kDraws);
    ++cells;
  }
  CHECK_MSG(statistic < cells + 7 * std::sqrt(2.0 * cells) + 10, "chi-square " + std::to_string(statistic) + " over " + std::to_string(cells) + " cells");
}

ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  conclave::test::fail(__FILE__, __LINE__, "nothing was thrown");
}

}  // namespace

TEST("exp is within 3e-7 of the library's, and exactly 0 far below") {
  for (double x = 0; x > -87; x -= 0.00137) {
    const float argument = static_cast<float>(x);
    const double expected = std::exp(double{argument});
    CHECK_MSG(std::abs(exp_nonpositive(argument) - expected) <= 3e-7 * expected, "at " + std::to_string(x));
  }
  CHECK(exp_nonpositive(0.f) == 1.f && exp_nonpositive(-88.f) == 0.f && exp_nonpositive(-kInfinity) == 0.f);
}

TEST("temperature 0 is the largest logit, ties to the lowest id") {
  CHECK(sample(plain(0.f), {1.f, 3.f, 2.f, 3.f}).token == 1);
  CHECK(sample(plain(0.f), std::vector<float>(100, -5.f)).token == 0);
}

TEST("the plain distribution at three temperatures") {
  for (const float temperature : {0.5f, 1.f, 2.f}) check_distribution(plain(temperature), random_logits(1, 30, 1.5f));
}

TEST("each truncation and all of them, by distribution") {
  const std::vector<float> logits = random_logits(2, 50, 1.5f);
  SamplerOptions options = plain();
  options.top_k = 7;
  check_distribution(options, logits);
  options = plain();
  options.top_p = 0.7f;
  check_distribution(options, logits);
  options = plain(1.3f);
  options.min_p = 0.1f;
  check_distribution(options, logits);
  options = {};
  options.top_k = 20, options.top_p = 0.9f, options.min_p = 0.02f, options.temperature = 0.8f;
  check_distribution(options, logits);
}

TEST("on big vocabularies the kept set is that of a full sort") {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    const std::vector<float> logits = random_logits(static_cast<uint32_t>(round), 5000, round % 3 == 0 ? 0.1f : 4.f);
    SamplerOptions options = plain(0.7f + 0.01f * static_cast<float>(round));
    const int mode = round % 5;
    if (mode == 0 || mode == 3) options.top_k = 1 + static_cast<int>(random() % 6000);
    if (mode == 1 || mode == 3) options.top_p = 0.05f + 0.9f * static_cast<float>(random() % 1000) / 1000.f;
    if (mode == 2 || mode == 3) options.min_p = 0.001f * static_cast<float>(random() % 100);
    const std::vector<double> expected = reference_distribution(options, logits);
    for (uint64_t seed = 0; seed < 50; ++seed) {
      options.seed = seed;
      const int32_t token = sample(options, logits).token;
      CHECK(expected[static_cast<size_t>(token)] > 0);
    }
  }
}

TEST("a cut to one token leaves the best at any temperature") {
  const std::vector<float> logits = random_logits(4, 1000);
  const int32_t best = best_token(logits);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SamplerOptions options = plain(5.f);
    options.seed = seed;
    options.top_k = 1;
    CHECK(sample(options, logits).token == best);
    options.top_k = 0, options.top_p = 1e-6f;
    CHECK(sample(options, logits).token == best);
    options.top_p = 1.f, options.min_p = 1.f;
    CHECK(sample(options, logits).token == best);
  }
}

TEST("top-k among equals keeps the lowest ids") {
  SamplerOptions options = plain();
  options.top_k = 3;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    options.seed = seed;
    CHECK(sample(options, std::vector<float>(50, 1.f)).token < 3);
  }
}

TEST("extreme temperatures neither overflow nor escape the row") {
  SamplerOptions options = plain(1e-30f);
  CHECK(sample(options, {0.f, 1000.f, 999.9f}).token == 1);
  options.temperature = 100.f;
  CHECK(sample(options, {-3e38f, 3e38f}).token == 1);
  CHECK(sample(plain(), {7.f}).token == 0);
}

TEST("the repetition penalty divides positive and multiplies negative logits, once per token, within its window") {
  SamplerOptions options = plain(0.f);
  options.repetition_penalty = 2.f;
  CHECK(sample(options, {5.f, 3.f, 0.f}, {0, 0, 0}).token == 1);
  CHECK(sample(options, {5.f, 2.f, 0.f}, {0, 0, 0}).token == 0);
  CHECK(sample(options, {-1.f, -1.5f}, {0}).token == 1);
  options.repetition_window = 2;
  CHECK(sample(options, {5.f, 3.f, 0.f}, {0, 2, 2}).token == 0);
  options.repetition_window = 0;
  CHECK(sample(options, {5.f, 3.f, 0.f}, {0}).token == 0);
}

TEST("biases move and forbid tokens; forbidding all is an error") {
  SamplerOptions options = plain(0.f);
  options.logit_bias = {{2, 10.f}};
  CHECK(sample(options, {5.f, 3.f, 0.f}).token == 2);
  options = plain(1.f);
  options.logit_bias = {{0, -kInfinity}, {1, -kInfinity}};
  for (uint64_t seed = 0; seed < 50; ++seed) {
    options.seed = seed;
    CHECK(sample(options, {50.f, 50.f, 0.f}).token == 2);
  }
  options.logit_bias.push_back({2, -kInfinity});
  CHECK(code_of([&] { sample(options, {5.f, 3.f, 0.f}); }) == ErrorCode::kBadArgument);
  options.temperature = 0.f;
  CHECK(code_of([&] { sample(options, {5.f, 3.f, 0.f}); }) == ErrorCode::kBadArgument);
}

TEST("log-probabilities are the model's own, whatever the options did") {
  const std::vector<float> logits = random_logits(5, 5001);
  double total = 0;
  for (const float logit : logits) total += std::exp(double{logit});
  SamplerOptions options = plain(0.3f);
  options.top_k = 5;
  options.repetition_penalty = 1.7f;
  options.n_top_logprobs = 20;
  options.logit_bias = {{best_token(logits), 3.f}};
  const SampledToken sampled = sample(options, logits, {best_token(logits)});
  CHECK(std::abs(sampled.logprob - (logits[static_cast<size_t>(sampled.token)] - std::log(total))) < 1e-5);
  CHECK(sampled.top.size() == 20 && sampled.top[0].token == best_token(logits));
  for (size_t i = 0; i < sampled.top.size(); ++i) {
    CHECK(std::abs(sampled.top[i].logprob - (logits[static_cast<size_t>(sampled.top[i].token)] - std::log(total))) < 1e-5);
    CHECK(i == 0 || sampled.top[i].logprob <= sampled.top[i - 1].logprob);
  }
}

TEST("a draw depends on seed and position only") {
  const std::vector<float> logits = random_logits(6, 200, 0.5f);
  SamplerOptions options = plain();
  options.seed = 42;
  std::vector<int32_t> first, again;
  for (int n = 0; n < 40; ++n) first.push_back(sample(options, logits, std::vector<int32_t>(static_cast<size_t>(n), 1)).token);
  for (int n = 39; n >= 0; --n) again.insert(again.begin(), sample(options, logits, std::vector<int32_t>(static_cast<size_t>(n), 1)).token);
  CHECK(first == again);
  options.seed = 43;
  std::vector<int32_t> other;
  for (int n = 0; n < 40; ++n) other.push_back(sample(options, logits, std::vector<int32_t>(static_cast<size_t>(n), 1)).token);
  CHECK(first != other);
}

TEST("uniform draws are uniform and uncorrelated over positions and seeds") {
  double sum = 0, product = 0;
  constexpr int kDraws = 100000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const double a = uniform_draw(i % 7, i), b = uniform_draw(i % 7, i + 1);
    CHECK(a >= 0 && a < 1);
    sum += a;
    product += (a - 0.5) * (b - 0.5);
  }
  CHECK(std::abs(sum / kDraws - 0.5) < 5 * 0.2887 / std::sqrt(kDraws));
  CHECK(std::abs(product / kDraws) < 5 * 0.0833 / std::sqrt(kDraws));
}

TEST("a logit that is not a number is an error, wherever it stands") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    for (const size_t at : {0, 17, 99, 100}) {
      for (const float temperature : {0.f, 1.f}) {
        std::vector<float> logits = random_logits(7, 101);
        logits[at] = bad;
        CHECK(code_of([&] { sample(plain(temperature), logits); }) == ErrorCode::kBadFile);
      }
    }
  }
}

TEST("options out of range are refused by name") {
  const auto refused = [](const std::function<void(SamplerOptions&)>& spoil, const char* name) {
    SamplerOptions options;
    spoil(options);
    try {
      const Sampler sampler(options, 10);
    } catch (const Error& error) {
      return error.code() == ErrorCode::kBadArgument && std::strstr(error.what(), name) != nullptr;
    }
    return false;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(refused([](auto& o) { o.temperature = -1.f; }, "temperature"));
  CHECK(refused([&](auto& o) { o.temperature = nan; }, "temperature"));
  CHECK(refused([](auto& o) { o.top_k = -1; }, "top-k"));
  CHECK(refused([](auto& o) { o.top_p = 0.f; }, "top-p"));
  CHECK(refused([](auto& o) { o.top_p = 1.5f; }, "top-p"));
  CHECK(refused([](auto& o) { o.min_p = -0.1f; }, "min-p"));
  CHECK(refused([](auto& o) { o.repetition_penalty = 0.f; }, "repetition penalty"));
  CHECK(refused([](auto& o) { o.repetition_window = -1; }, "repetition window"));
  CHECK(refused([](auto& o) { o.n_top_logprobs = 21; }, "log-probabilities"));
  CHECK(refused([](auto& o) { o.logit_bias = {{10, 1.f}}; }, "biased token"));
  CHECK(refused([&](auto& o) { o.logit_bias = {{1, nan}}; }, "bias"));
}

TEST("a vocabulary of 152,000 costs well under a millisecond or two (printed, not judged)") {
  const std::vector<float> logits = random_logits(8, 152000);
  for (const char* name : {"default", "top-p only", "plain"}) {
    SamplerOptions options = std::strcmp(name, "default") == 0 ? SamplerOptions{} : plain();
    if (std::strcmp(name, "top-p only") == 0) options.top_p = 0.9f;
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < 20; ++i) {
      options.seed = i;
      CHECK(sample(options, logits).token >= 0);
    }
    std::printf("      %-10s %.0f us per token\n", name, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / 20);
  }
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
