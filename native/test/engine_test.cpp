// The engine through its door, on the embedded model: what batching, reuse, pressure and cancelling must not change, and
// what a caller is promised (callbacks, limits, statistics). Runs under ThreadSanitizer too.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <memory>
#include <thread>

#include "check.h"
#include "engine_run.h"
#include "engine/pace.h"
#include "forward/profiling_ops.h"
#include "ops/gpu_host/host_device.h"

using namespace conclave;
using namespace conclave::test;
using Tokens = std::vector<int32_t>;

namespace {

const char* kModel = CONCLAVE_FIXTURES "/../../models/default/tiny-Q8_0.gguf";
constexpr int kLayers = 4, kUsed = 2, kExperts = 8, kVocab = 4096;

EngineOptions exact_options() {
  EngineOptions options;
  options.path = kModel;
  options.n_threads = 2;
  options.precision = Precision::kExact;
  options.kv_type = DType::kF32;
  return options;
}

EngineOptions plain_options() {
  EngineOptions options = exact_options();
  options.plain = true;
  return options;
}

Tokens prompt_of(int n, int variant = 0) {
  Tokens tokens{0, 1, 201};
  for (int i = 3; i < n; ++i) tokens.push_back(5 + (i * 37 + variant * 101) % 4000);
  return tokens;
}

RequestOptions greedy(Tokens tokens, int max_tokens = 16) {
  RequestOptions options;
  options.tokens = std::move(tokens);
  options.max_tokens = max_tokens;
  options.sampler.temperature = 0.f;
  return options;
}

/// The plain twin's answers: one request at a time, nothing reused.
std::vector<Tokens> reference(const std::vector<RequestOptions>& requests) {
  const std::unique_ptr<Engine> engine = Engine::open(plain_options());
  std::vector<Tokens> answers;
  for (const RequestOptions& request : requests) answers.push_back(run(*engine, request)->tokens);
  return answers;
}

EngineStats stats_when_idle(const Engine& engine) {
  for (int i = 0; i < 1000; ++i) {
    const EngineStats stats = engine.stats();
    if (stats.n_requests_running == 0 && stats.n_requests_waiting == 0) return stats;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  conclave::test::fail(__FILE__, __LINE__, "the engine does not become idle");
}

std::string message_of(const std::function<void()>& action, ErrorCode expected) {
  try {
    action();
  } catch (const Error& error) {
    CHECK_MSG(error.code() == expected, error.what());
    return error.what();
  }
  conclave::test::fail(__FILE__, __LINE__, "nothing was thrown");
}

}  // namespace

TEST("the chunk follows the measured pace: whole steps are short when shared, half layers when alone") {
  Pace pace(256, 32);
  CHECK(pace.prefill_rows(false) == 64 && pace.prefill_rows(true) == 64);
  for (int i = 0; i < 20; ++i) pace.observe(64, 6400);   // 100 ms a row
  CHECK(pace.prefill_rows(true) == 8 && pace.prefill_rows(false) == 38);
  for (int i = 0; i < 30; ++i) pace.observe(64, 64);
  CHECK(pace.prefill_rows(true) >= 59 && pace.prefill_rows(false) == 256);
  const double before = pace.prefill_rows(true);
  pace.observe(1, 1000);   // a step for one leftover row says nothing about rows
  CHECK(pace.prefill_rows(true) == before);
  CHECK(Pace(1, 4).prefill_rows(false) == 1);
}

TEST("the first greedy token is the largest of the logits, and each event carries its routing") {
  const Tokens prompt = prompt_of(40);
  const LogitsResult logits = compute_logits(exact_options(), prompt);
  CHECK(logits.logits.size() == 40 && logits.logits[0].size() == kVocab && logits.n_moe_layers == kLayers);
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  RequestOptions request = greedy(prompt, 5);
  request.sampler.n_top_logprobs = 3;
  const auto outcome = run(*engine, request);
  CHECK(outcome->failure.empty() && outcome->tokens.size() == 5 && outcome->reason == StopReason::kMaxTokens);
  CHECK(outcome->tokens[0] == std::max_element(logits.logits[39].begin(), logits.logits[39].end()) - logits.logits[39].begin());
  CHECK(outcome->events[0].choice.experts == logits.choices[39].experts && outcome->events[0].choice.weights == logits.choices[39].weights);
  for (const TokenEvent& event : outcome->events) {
    CHECK(event.choice.experts.size() == kLayers * kUsed && event.choice.weights.size() == kLayers * kUsed);
    for (size_t i = 0; i < event.choice.experts.size(); i += kUsed) {
      CHECK(event.choice.experts[i] < kExperts && event.choice.experts[i + 1] < kExperts && event.choice.experts[i] != event.choice.experts[i + 1]);
      CHECK(event.choice.weights[i] >= event.choice.weights[i + 1] && event.choice.weights[i + 1] > 0);
    }
    CHECK(event.top.size() == 3 && event.top[0].token == event.token && event.top[0].logprob == event.logprob && event.logprob <= 0);
  }
}

TEST("a request answers the same alone and among seven others") {
  std::vector<RequestOptions> requests;
  for (int i = 0; i < 8; ++i) {
    requests.push_back(greedy(prompt_of(20 + 13 * i, i), 24));
    if (i % 2) requests.back().sampler = {.temperature = 1.f, .seed = static_cast<uint64_t>(i), .logit_bias = {}};
  }
  const std::vector<Tokens> expected = reference(requests);
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  const auto outcomes = run_together(*engine, requests);
  for (size_t i = 0; i < requests.size(); ++i) CHECK_MSG(outcomes[i]->tokens == expected[i], "request " + std::to_string(i) + " " + outcomes[i]->failure);
}

TEST("the prefill chunk changes nothing") {
  const std::vector<RequestOptions> requests{greedy(prompt_of(150), 12)};
  const std::vector<Tokens> expected = reference(requests);
  for (const int chunk : {1, 7, 32, 33, 1000}) {
    EngineOptions options = exact_options();
    options.prefill_chunk = chunk;
    CHECK_MSG(run(*Engine::open(options), requests[0])->tokens == expected[0], "chunk " + std::to_string(chunk));
  }
}

TEST("a known prefix is reused to the token and changes nothing") {
  const Tokens base = prompt_of(100);
  Tokens branch(base.begin(), base.begin() + 77);
  for (int i = 0; i < 30; ++i) branch.push_back(1000 + i);
  const std::vector<Tokens> expected = reference({greedy(base), greedy(branch)});
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  const auto first = run(*engine, greedy(base));
  CHECK(first->timings.n_reused == 0 && first->tokens == expected[0]);
  const auto again = run(*engine, greedy(base));
  CHECK(again->timings.n_reused == 99 && again->tokens == expected[0]);
  const auto other = run(*engine, greedy(branch));
  CHECK(other->timings.n_reused == 77 && other->tokens == expected[1]);

  Tokens next = base;   // the next turn: the answer, then more
  next.insert(next.end(), first->tokens.begin(), first->tokens.end());
  next.insert(next.end(), {1, 300, 301});
  const auto turn = run(*engine, greedy(next));
  CHECK(turn->timings.n_reused == 100 + 15 && turn->tokens == reference({greedy(next)})[0]);
}

TEST("requests with one prompt share it while both run") {
  const Tokens base = prompt_of(128);
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  const auto first = std::make_shared<Outcome>(), second = std::make_shared<Outcome>();
  engine->submit(greedy(base, 200), first->callbacks());
  first->wait_for_tokens(1);
  engine->submit(greedy(base, 4), second->callbacks());
  second->wait();
  CHECK(second->timings.n_reused >= 96);
  first->wait();
  CHECK(Tokens(first->tokens.begin(), first->tokens.begin() + 4) == second->tokens);
}

namespace {

/// What `requests` over `base`, which is known before, answer together or one by one, and the bytes of keys and values that this took.
struct Answers { std::vector<Tokens> tokens; double attended_bytes = 0; };
Answers answers_over(const Tokens& base, const std::vector<RequestOptions>& requests, bool together, const std::function<std::unique_ptr<Ops>()>& make) {
  ProfilingOps* profile = nullptr;
  EngineOptions options = exact_options();
  options.precision = Precision::kFast;
  options.kv_type = DType::kF16;
  options.make_ops = [&] {
    auto ops = std::make_unique<ProfilingOps>(make());
    profile = ops.get();
    return ops;
  };
  const std::unique_ptr<Engine> engine = Engine::open(options);
  run(*engine, greedy(base, 0));
  stats_when_idle(*engine);
  profile->start();
  Answers result;
  if (together)
    for (const auto& outcome : run_together(*engine, requests)) result.tokens.push_back(outcome->tokens);
  else
    for (const RequestOptions& request : requests) result.tokens.push_back(run(*engine, request)->tokens);
  stats_when_idle(*engine);
  for (const StageProfile& stage : profile->stop())
    if (stage.name == "attend") result.attended_bytes = stage.bytes;
  return result;
}

void check_over_template(int n_base, int n_requests, int n_tokens, double share, const std::function<std::unique_ptr<Ops>()>& make) {
  const Tokens base = prompt_of(n_base);
  std::vector<RequestOptions> requests;
  for (int i = 0; i < n_requests; ++i) {
    Tokens tokens = base;
    for (int j = 0; j < 5; ++j) tokens.push_back(300 + 11 * i + j);
    requests.push_back(greedy(tokens, n_tokens));
    if (i % 2) requests.back().draft = {.mode = DraftMode::kLookup, .length = 3};
  }
  const Answers apart = answers_over(base, requests, false, make), together = answers_over(base, requests, true, make);
  for (size_t i = 0; i < requests.size(); ++i) CHECK_MSG(together.tokens[i] == apart.tokens[i] && together.tokens[i].size() == static_cast<size_t>(n_tokens), "request " + std::to_string(i) + " differs");
  CHECK_MSG(together.attended_bytes < share * apart.attended_bytes, std::to_string(together.attended_bytes) + " bytes together, " + std::to_string(apart.attended_bytes) + " one by one");
}

}  // namespace

TEST("eight requests over one template answer as one by one, drafting or not, and read its keys far less often") {
  check_over_template(400, 8, 40, 0.5, [] { return make_cpu_ops({.n_threads = 2}); });
}

#if !defined(__SANITIZE_THREAD__)   // which loses its way when a kernel changes stacks
TEST("the same on a graphics card's kernels") {
  check_over_template(270, 3, 6, 0.8, [] { return gpu::make_gpu_ops(gpu_host::make_host_device("cuda-on-host")); });
}
#endif

TEST("when pages are short, requests wait or start over, and still answer the same") {
  std::vector<RequestOptions> requests;
  for (int i = 0; i < 6; ++i) requests.push_back(greedy(prompt_of(40 + i, i), 60));
  const std::vector<Tokens> expected = reference(requests);
  for (const int n_context : {128, 224, 320}) {
    EngineOptions options = exact_options();
    options.n_context = n_context;
    const std::unique_ptr<Engine> engine = Engine::open(options);
    const auto outcomes = run_together(*engine, requests);
    for (size_t i = 0; i < requests.size(); ++i) CHECK_MSG(outcomes[i]->failure.empty() && outcomes[i]->tokens == expected[i], "context " + std::to_string(n_context) + " request " + std::to_string(i) + " " + outcomes[i]->failure);
    const EngineStats stats = stats_when_idle(*engine);
    CHECK(stats.kv_pages_total == static_cast<uint64_t>(n_context) / 32 && stats.kv_pages_free + stats.kv_pages_cached == stats.kv_pages_total);
  }
}

TEST("progress through the prompt is told in order and ends at the whole") {
  EngineOptions options = exact_options();
  options.prefill_chunk = 32;
  const std::unique_ptr<Engine> engine = Engine::open(options);
  run(*engine, greedy(prompt_of(50), 0));
  const auto outcome = run(*engine, greedy(prompt_of(150), 1));
  CHECK(outcome->prefill.size() >= 3 && (outcome->prefill.back() == std::array<int, 3>{150, 50, 150}));
  for (size_t i = 1; i < outcome->prefill.size(); ++i) CHECK(outcome->prefill[i][0] > outcome->prefill[i - 1][0]);
}

TEST("no tokens asked: the prompt is computed and kept") {
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  const auto warm = run(*engine, greedy(prompt_of(90), 0));
  CHECK(warm->tokens.empty() && warm->reason == StopReason::kMaxTokens && warm->timings.n_prompt == 90);
  CHECK(run(*engine, greedy(prompt_of(90), 1))->timings.n_reused == 89);
}

TEST("stop tokens end the answer and are not part of it") {
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  const Tokens all = run(*engine, greedy(prompt_of(60), 30))->tokens;
  const auto first = std::find(all.begin(), all.end(), all[10]);
  RequestOptions request = greedy(prompt_of(60), 30);
  request.stop_tokens = {all[10]};
  const auto outcome = run(*engine, request);
  CHECK(outcome->reason == StopReason::kEndOfText && outcome->tokens == Tokens(all.begin(), first));
}

TEST("a full context ends the answer with that reason") {
  EngineOptions options = exact_options();
  options.n_context = 64;
  const std::unique_ptr<Engine> engine = Engine::open(options);
  CHECK(engine->n_context() == 64);
  const auto outcome = run(*engine, greedy(prompt_of(50), 1000));
  CHECK(outcome->reason == StopReason::kContextFull && outcome->tokens.size() == 14);
  CHECK(run(*engine, greedy(prompt_of(64), 1000))->reason == StopReason::kContextFull);
}

TEST("what can never run is refused at once, with the numbers") {
  EngineOptions options = exact_options();
  options.n_context = 64;
  const std::unique_ptr<Engine> engine = Engine::open(options);
  const auto refused = [&](RequestOptions request) { return message_of([&] { engine->submit(std::move(request), {}); }, ErrorCode::kBadArgument); };
  CHECK(refused(greedy({})).find("empty") != std::string::npos);
  const std::string too_long = refused(greedy(prompt_of(65)));
  CHECK(too_long.find("65") != std::string::npos && too_long.find("64") != std::string::npos);
  CHECK(refused(greedy({0, kVocab})).find("4096") != std::string::npos);
  CHECK(refused(greedy({-1})).find("-1") != std::string::npos);
  CHECK(refused(greedy({1}, -5)).find("-5") != std::string::npos);
  RequestOptions hot = greedy({1});
  hot.sampler.temperature = -1.f;
  CHECK(refused(hot).find("temperature") != std::string::npos);
  CHECK(run(*engine, greedy({1}, 2))->tokens.size() == 2);
}

TEST("bad load options and files are refused in a sentence") {
  const auto refused = [](const std::function<void(EngineOptions&)>& spoil, ErrorCode code) {
    EngineOptions options = exact_options();
    spoil(options);
    return message_of([&] { Engine::open(options); }, code);
  };
  refused([](auto& o) { o.path = "/nowhere/model.gguf"; }, ErrorCode::kIo);
  refused([](auto& o) { o.n_threads = -1; }, ErrorCode::kBadArgument);
  refused([](auto& o) { o.n_context = -1; }, ErrorCode::kBadArgument);
  refused([](auto& o) { o.prefill_chunk = 0; }, ErrorCode::kBadArgument);
  refused([](auto& o) { o.kv_type = DType::kQ4_K; }, ErrorCode::kUnsupported);
  message_of([] { compute_logits(exact_options(), {}); }, ErrorCode::kBadArgument);
  message_of([] { compute_logits(exact_options(), {kVocab}); }, ErrorCode::kBadArgument);
}

TEST("loading reports bytes and can be abandoned") {
  uint64_t last = 0, total = 0;
  const auto engine = Engine::open(exact_options(), [&](uint64_t done, uint64_t all) {
    CHECK(done >= last && done <= all);
    last = done, total = all;
    return true;
  });
  CHECK(last == total && total > 10'000'000u && engine->stats().weight_bytes == total);
  const std::string message = message_of([] { Engine::open(exact_options(), [](uint64_t, uint64_t) { return false; }); }, ErrorCode::kBadArgument);
  CHECK(message == "cancelled");
}

TEST("one request's failure leaves the others alone") {
  std::vector<RequestOptions> requests{greedy(prompt_of(30, 1), 20), greedy(prompt_of(30, 2), 20), greedy(prompt_of(30, 3), 20)};
  const std::vector<Tokens> expected = reference(requests);
  for (int token = 0; token < kVocab; ++token) requests[1].sampler.logit_bias.push_back({token, -std::numeric_limits<float>::infinity()});
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  const auto outcomes = run_together(*engine, requests);
  CHECK(outcomes[1]->code == ErrorCode::kBadArgument && !outcomes[1]->failure.empty() && outcomes[1]->tokens.empty() && outcomes[1]->n_last == 1);
  CHECK(outcomes[0]->tokens == expected[0] && outcomes[2]->tokens == expected[2]);
}

TEST("a callback that throws fails its own request only") {
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  const auto bad = std::make_shared<Outcome>(), good = std::make_shared<Outcome>();
  RequestCallbacks callbacks = bad->callbacks();
  callbacks.on_token = [](const TokenEvent&) { throw std::runtime_error("the listener is gone"); };
  engine->submit(greedy(prompt_of(30), 20), callbacks);
  engine->submit(greedy(prompt_of(40), 20), good->callbacks());
  bad->wait();
  good->wait();
  CHECK(bad->failure == "the listener is gone" && bad->n_last == 1 && good->tokens.size() == 20);
}

TEST("cancelling ends a request once, soon, and in every stage of its life") {
  EngineOptions options = exact_options();
  options.n_context = 1024;
  const std::unique_ptr<Engine> engine = Engine::open(options);
  const auto decoding = std::make_shared<Outcome>(), waiting = std::make_shared<Outcome>(), prefilling = std::make_shared<Outcome>();
  const Request first = engine->submit(greedy(prompt_of(20), 1000), decoding->callbacks());
  decoding->wait_for_tokens(3);
  const Request second = engine->submit(greedy(prompt_of(900, 5), 10), waiting->callbacks());
  second.cancel();
  waiting->wait();
  CHECK(waiting->reason == StopReason::kCancelled && waiting->tokens.empty());
  const auto start = std::chrono::steady_clock::now();
  first.cancel();
  decoding->wait();
  std::printf("      seen after %.1f ms\n", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  CHECK(decoding->reason == StopReason::kCancelled && decoding->tokens.size() >= 3 && decoding->timings.n_generated == static_cast<int>(decoding->tokens.size()));
  const Request third = engine->submit(greedy(prompt_of(1000, 7), 10), prefilling->callbacks());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  third.cancel();
  third.cancel();
  prefilling->wait();
  CHECK(prefilling->n_last == 1);
  const EngineStats stats = stats_when_idle(*engine);
  CHECK(stats.kv_pages_free + stats.kv_pages_cached == stats.kv_pages_total);
  CHECK(run(*engine, greedy(prompt_of(20), 3))->tokens == Tokens(decoding->tokens.begin(), decoding->tokens.begin() + 3));
}

TEST("closing the engine ends every request as cancelled") {
  std::vector<std::shared_ptr<Outcome>> outcomes;
  {
    const std::unique_ptr<Engine> engine = Engine::open(exact_options());
    for (int i = 0; i < 6; ++i) {
      outcomes.push_back(std::make_shared<Outcome>());
      engine->submit(greedy(prompt_of(30, i), 900), outcomes.back()->callbacks());
    }
    outcomes[0]->wait_for_tokens(2);
  }
  for (const auto& outcome : outcomes) CHECK(outcome->n_last == 1 && outcome->reason == StopReason::kCancelled);
}

TEST("statistics: what is loaded, reserved and running") {
  const std::unique_ptr<Engine> engine = Engine::open(exact_options());
  EngineStats stats = engine->stats();
  CHECK(stats.kv_pages_total == 32 && stats.kv_pages_free == 32 && stats.kv_pages_cached == 0 && !stats.backend.empty());
  CHECK(stats.kv_bytes_reserved == uint64_t{1024} * kLayers * 2 * 256 * 4);
  CHECK(stats.active_bytes_per_token > 1'000'000u && stats.active_bytes_per_token < stats.weight_bytes);
  const auto outcome = std::make_shared<Outcome>();
  const Request request = engine->submit(greedy(prompt_of(100), 900), outcome->callbacks());
  outcome->wait_for_tokens(5);
  stats = engine->stats();
  CHECK(stats.n_requests_running == 1 && stats.kv_pages_free < 32 && stats.kv_pages_cached == 3);
  request.cancel();
  outcome->wait();
  stats = stats_when_idle(*engine);
  CHECK(stats.kv_pages_cached >= 4 && stats.kv_pages_free + stats.kv_pages_cached == 32);
}

TEST("many threads submit, cancel and look at once") {
  EngineOptions options = exact_options();
  options.n_context = 512;
  const std::unique_ptr<Engine> engine = Engine::open(options);
  std::atomic<int> n_ended{0}, n_right_stats{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const auto outcome = std::make_shared<Outcome>();
        const Request request = engine->submit(greedy(prompt_of(10 + 11 * t + i, i % 3), 6), outcome->callbacks());
        if (i % 3 == 0) request.cancel();
        n_right_stats += engine->stats().kv_pages_total == 16;
        outcome->wait();
        n_ended += outcome->n_last;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(n_ended == 40 && n_right_stats == 40);
  const EngineStats stats = stats_when_idle(*engine);
  CHECK(stats.kv_pages_free + stats.kv_pages_cached == 16);
}

int main(int argc, char** argv) {
#ifndef _WIN32
  setenv("CONCLAVE_CHECK_KV", "1", 1);   // a lost page ends the test with a sentence
#endif
  return conclave::test::run_tests(argc, argv);
}
