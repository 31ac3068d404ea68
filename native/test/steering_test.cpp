// Steered routers against models that are so by construction: a muted expert against the same model without that expert in its
// file, fewer experts against the same model trained (so its file says) with fewer. Then through the engine: what is computed
// under a steering is shared only with the same, drafting changes nothing, scores are those of the logits.
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "check.h"
#include "engine_run.h"
#include "formats/gguf_writer.h"
#include "golden.h"

using namespace conclave;
using namespace conclave::test;

namespace {

constexpr float kMute = -std::numeric_limits<float>::infinity();

EngineOptions options_for(const std::string& model, Precision precision) {
  EngineOptions options;
  options.path = model;
  options.n_threads = 2;
  options.n_context = 2048;
  options.precision = precision;
  options.kv_type = precision == Precision::kExact ? DType::kF32 : DType::kF16;
  return options;
}

std::vector<int> moe_layers(const ModelSpec& spec) {
  std::vector<int> found;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (spec.layers[i].ffn.kind == FfnKind::kMoe) found.push_back(static_cast<int>(i));
  }
  return found;
}

/// Every MoE layer without expert `gone`.
Steering muted_everywhere(const ModelSpec& spec, int gone) {
  Steering steering;
  for (size_t i = 0; i < moe_layers(spec).size(); ++i) steering.biases.push_back({static_cast<int>(i), gone, kMute});
  return steering;
}

bool has_experts(const GgufTensor& tensor, int64_t n_experts) {
  const bool named = tensor.name.find("_exps.") != std::string::npos || tensor.name.find("ffn_gate_inp.") != std::string::npos || tensor.name.find("exp_probs_b") != std::string::npos;
  return named && tensor.dims[tensor.n_dims - 1] == n_experts;
}

/// A copy of a model's file: without expert `gone` of every layer (-1: with all), using `k` experts per token (0: as it was).
std::string altered(const std::string& path, int gone, int k, const std::string& name) {
  const std::unique_ptr<GgufFile> file = GgufFile::open(path);
  std::vector<GgufEntry> metadata(file->metadata().begin(), file->metadata().end());
  int64_t n_experts = 0;
  for (GgufEntry& entry : metadata) {
    if (entry.key.ends_with(".expert_count")) {
      n_experts = std::get<int64_t>(entry.value);
      if (gone >= 0) entry.value = n_experts - 1;
    }
    if (k > 0 && entry.key.ends_with(".expert_used_count")) entry.value = int64_t{k};
  }
  CHECK(n_experts > 1);
  std::vector<GgufTensorPlan> plans;
  for (const GgufTensor& tensor : file->tensors()) {
    GgufTensorPlan plan{tensor.name, tensor.type, {tensor.dims, tensor.dims + tensor.n_dims}};
    if (gone >= 0 && has_experts(tensor, n_experts)) --plan.dims.back();
    plans.push_back(plan);
  }
  const std::string copy = (std::filesystem::temp_directory_path() / ("conclave-steering-" + std::to_string(std::random_device{}()) + name)).string();
  GgufWriter writer(copy, metadata, plans);
  for (const GgufTensor& tensor : file->tensors()) {
    const std::span<const std::byte> bytes(tensor.data, tensor.bytes);
    if (gone < 0 || !has_experts(tensor, n_experts)) {
      writer.write(bytes);
      continue;
    }
    const size_t each = tensor.bytes / static_cast<size_t>(n_experts), at = each * static_cast<size_t>(gone);
    writer.write(bytes.first(at));
    writer.write(bytes.subspan(at + each));
  }
  writer.finish();
  return copy;
}

struct TemporaryModel {
  std::string path;
  ~TemporaryModel() { std::filesystem::remove(path); }
};

double distance(const LogitsResult& a, const LogitsResult& b) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < a.logits.size(); ++i) {
    for (size_t j = 0; j < a.logits[i].size(); ++j) {
      const double expected = static_cast<double>(b.logits[i][j]), difference = static_cast<double>(a.logits[i][j]) - expected;
      error += difference * difference;
      norm += expected * expected;
    }
  }
  return std::sqrt(error / norm);
}

/// Every family once; those that choose among groups of experts cannot lose a single one.
std::vector<GoldenCase> families() {
  std::vector<GoldenCase> chosen;
  for (const GoldenCase& golden : golden_cases()) {
    const std::string family = golden.name.substr(0, golden.name.find('-'));
    if (std::none_of(chosen.begin(), chosen.end(), [&](const GoldenCase& known) { return known.name.starts_with(family + "-"); })) chosen.push_back(golden);
  }
  CHECK(chosen.size() > 3);
  return chosen;
}

ModelSpec spec_of(const std::string& model) { return Engine::open(options_for(model, Precision::kExact))->spec(); }

const RouterSpec& router_of(const ModelSpec& spec) { return spec.layers[static_cast<size_t>(moe_layers(spec).front())].ffn.router; }

void check_muted(Precision precision) {
  constexpr int kGone = 1;
  for (const GoldenCase& golden : families()) {
    const ModelSpec spec = spec_of(golden.model);
    const FfnSpec& ffn = spec.layers[static_cast<size_t>(moe_layers(spec).front())].ffn;
    if (router_of(spec).n_groups > 1 || ffn.n_experts - 1 < ffn.n_experts_used) continue;
    const TemporaryModel without{altered(golden.model, kGone, 0, golden.name + "-muted.gguf")};
    const LogitsResult steered = compute_logits(options_for(golden.model, precision), golden.prompt, muted_everywhere(spec, kGone));
    const LogitsResult expected = compute_logits(options_for(without.path, precision), golden.prompt);
    const LogitsResult unsteered = compute_logits(options_for(golden.model, precision), golden.prompt);
    for (size_t i = 0; i < steered.choices.size(); ++i) {
      for (size_t j = 0; j < steered.choices[i].experts.size(); ++j) {
        const int expert = steered.choices[i].experts[j], there = expected.choices[i].experts[j];
        CHECK_MSG(expert != kGone, golden.name + ": a muted expert was chosen");
        CHECK_MSG(expert == (there >= kGone ? there + 1 : there), golden.name + ": routing differs from that of the model without the expert");
      }
    }
    CHECK_MSG(distance(steered, expected) < 1e-6, golden.name + ": logits differ from those of the model without the expert");
    CHECK_MSG(distance(unsteered, expected) > 1e-4, golden.name + ": muting changed nothing, so nothing was tested");
  }
}

void check_fewer(Precision precision) {
  for (const GoldenCase& golden : families()) {
    const int k = static_cast<int>(golden.n_experts_used);
    if (k < 2) continue;
    const TemporaryModel fewer{altered(golden.model, -1, k - 1, golden.name + "-fewer.gguf")};
    const LogitsResult steered = compute_logits(options_for(golden.model, precision), golden.prompt, {.n_experts_used = k - 1, .biases = {}});
    const LogitsResult expected = compute_logits(options_for(fewer.path, precision), golden.prompt);
    for (size_t i = 0; i < steered.choices.size(); ++i) {
      CHECK_MSG(steered.choices[i].experts == expected.choices[i].experts, golden.name + ": routing differs from that of the model with fewer experts");
    }
    CHECK_MSG(distance(steered, expected) < 1e-6, golden.name + ": logits differ from those of the model with fewer experts");
  }
}

std::string small_model() {
  for (const GoldenCase& golden : golden_cases()) {
    if (golden.name.starts_with("mixtral-")) return golden.model;
  }
  fail(__FILE__, __LINE__, "no mixtral case");
}

std::vector<int32_t> a_prompt(size_t n) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < n; ++i) tokens.push_back(static_cast<int32_t>(3 + (i * 37) % 400));
  return tokens;
}

RequestOptions greedy(std::vector<int32_t> tokens, int n, Steering steering) {
  RequestOptions request;
  request.tokens = std::move(tokens);
  request.max_tokens = n;
  request.sampler.temperature = 0.f;
  request.steering = std::move(steering);
  return request;
}

std::string refusal(Engine& engine, Steering steering) {
  try {
    engine.submit(greedy(a_prompt(4), 1, std::move(steering)), {});
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kBadArgument);
    return error.what();
  }
  fail(__FILE__, __LINE__, "the steering was taken");
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST("a muted expert: the model without it, on the exact path") { check_muted(Precision::kExact); }
TEST("a muted expert: the model without it, on the fast path") { check_muted(Precision::kFast); }
TEST("fewer experts: the model trained with fewer, on the exact path") { check_fewer(Precision::kExact); }
TEST("fewer experts: the model trained with fewer, on the fast path") { check_fewer(Precision::kFast); }

TEST("a boosted expert is chosen by every token of its layer, and of its layer only") {
  const LogitsResult result = compute_logits(options_for(small_model(), Precision::kExact), a_prompt(40), {.n_experts_used = 0, .biases = {{1, 2, 100.f}}});
  const size_t k = result.choices.front().experts.size() / static_cast<size_t>(result.n_moe_layers);
  size_t elsewhere = 0;
  for (const ExpertChoice& choice : result.choices) {
    CHECK(choice.experts[k] == 2 && choice.weights[k] > 0.99f);
    elsewhere += choice.experts[0] == 2;
  }
  CHECK(elsewhere < result.choices.size());
}

TEST("what was computed under a steering is shared with the same steering only") {
  const std::unique_ptr<Engine> engine = Engine::open(options_for(small_model(), Precision::kFast));
  const std::vector<int32_t> prompt = a_prompt(100);
  const Steering mute{.n_experts_used = 0, .biases = {{0, 1, kMute}}}, fewer{.n_experts_used = 1, .biases = {}};
  const auto plain = run(*engine, greedy(prompt, 8, {}));
  CHECK(plain->timings.n_reused == 0);
  for (const Steering& steering : {mute, fewer}) {
    const auto first = run(*engine, greedy(prompt, 8, steering));
    CHECK_MSG(first->failure.empty(), first->failure);
    CHECK(first->timings.n_reused == 0);
    const auto again = run(*engine, greedy(prompt, 8, steering));
    CHECK(again->timings.n_reused == 99 && again->tokens == first->tokens);
  }
  const auto again = run(*engine, greedy(prompt, 8, {}));
  CHECK(again->timings.n_reused == 99 && again->tokens == plain->tokens);
  CHECK(engine->known_prefix(prompt) == 100);
}

TEST("steered and unsteered requests in one batch are each as alone") {
  const std::unique_ptr<Engine> engine = Engine::open(options_for(small_model(), Precision::kFast));
  const Steering mute{.n_experts_used = 1, .biases = {{0, 1, kMute}, {1, 3, 2.5f}}};
  const std::vector<RequestOptions> requests{greedy(a_prompt(20), 24, mute), greedy(a_prompt(20), 24, {}), greedy(a_prompt(33), 24, mute)};
  const auto together = run_together(*engine, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::unique_ptr<Engine> fresh = Engine::open(options_for(small_model(), Precision::kFast));
    const auto alone = run(*fresh, requests[i]);
    CHECK(alone->tokens == together[i]->tokens);
    for (size_t t = 0; t < alone->events.size(); ++t) CHECK(alone->events[t].choice.experts == together[i]->events[t].choice.experts);
  }
  const size_t per_token = together[1]->events.front().choice.experts.size();
  CHECK(together[0]->events.front().choice.experts.size() == per_token / 2);   // one of two
}

TEST("a steered answer is the same with and without drafting") {
  const std::unique_ptr<Engine> engine = Engine::open(options_for(small_model(), Precision::kFast));
  RequestOptions request = greedy(a_prompt(30), 60, {.n_experts_used = 1, .biases = {{1, 0, kMute}}});
  const auto plain = run(*engine, request);
  request.draft = {.mode = DraftMode::kLookup, .length = 4};
  const auto drafted = run(*engine, request);
  CHECK(drafted->timings.n_drafted > 0 && drafted->tokens == plain->tokens);
}

TEST("scores are the log-probabilities of the logits, steered or not, however the prompt is cut and whatever is known of it") {
  constexpr int kFrom = 21;
  const std::vector<int32_t> prompt = a_prompt(90);
  for (const Steering& steering : {Steering{}, Steering{.n_experts_used = 1, .biases = {{0, 2, kMute}}}}) {
    const LogitsResult reference = compute_logits(options_for(small_model(), Precision::kFast), prompt, steering);
    const std::unique_ptr<Engine> engine = Engine::open(options_for(small_model(), Precision::kFast));
    for (int round = 0; round < 2; ++round) {
      std::vector<float> scores;
      auto outcome = std::make_shared<Outcome>();
      RequestOptions request = greedy(prompt, 0, steering);
      request.score_from = kFrom;
      RequestCallbacks callbacks = outcome->callbacks();
      callbacks.on_scored = [&](const std::vector<float>& part) { scores.insert(scores.end(), part.begin(), part.end()); };
      engine->submit(request, std::move(callbacks));
      outcome->wait();
      CHECK_MSG(outcome->failure.empty(), outcome->failure);
      CHECK(outcome->timings.n_reused == (round == 0 ? 0 : kFrom - 1));
      CHECK(scores.size() == prompt.size() - kFrom);
      for (size_t i = 0; i < scores.size(); ++i) {
        const std::vector<float>& logits = reference.logits[kFrom + i - 1];
        double sum = 0;
        for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
        const double expected = static_cast<double>(logits[static_cast<size_t>(prompt[kFrom + i])]) - std::log(sum);
        CHECK(std::abs(static_cast<double>(scores[i]) - expected) < 1e-3);
      }
    }
  }
}

TEST("a steering that cannot be is refused with one sentence") {
  const std::unique_ptr<Engine> engine = Engine::open(options_for(small_model(), Precision::kFast));
  const FfnSpec& ffn = engine->spec().layers.front().ffn;
  CHECK(contains(refusal(*engine, {.n_experts_used = ffn.n_experts_used + 1, .biases = {}}), "experts per token were asked for"));
  CHECK(contains(refusal(*engine, {.n_experts_used = -1, .biases = {}}), "-1 experts per token"));
  CHECK(contains(refusal(*engine, {.n_experts_used = 0, .biases = {{99, 0, 1.f}}}), "MoE layer 99"));
  CHECK(contains(refusal(*engine, {.n_experts_used = 0, .biases = {{0, ffn.n_experts, 1.f}}}), "counted from 0"));
  CHECK(contains(refusal(*engine, {.n_experts_used = 0, .biases = {{0, 1, 1.f}, {0, 1, 2.f}}}), "twice"));
  CHECK(contains(refusal(*engine, {.n_experts_used = 0, .biases = {{0, 1, std::numeric_limits<float>::quiet_NaN()}}}), "must be a number"));
  Steering all;
  for (int expert = 0; expert < ffn.n_experts - 1; ++expert) all.biases.push_back({0, expert, kMute});
  CHECK(contains(refusal(*engine, all), "which leaves 1 where a token needs 2; mute fewer"));
  all.n_experts_used = 1;
  CHECK(run(*engine, greedy(a_prompt(5), 3, all))->failure.empty());
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
