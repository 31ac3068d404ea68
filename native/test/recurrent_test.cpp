// Models that keep a recurrent state, which cannot go back: sequences among others, and prefixes taken up at checkpoints.
#include <algorithm>
#include <future>
#include <memory>

#include "check.h"
#include "engine/engine.h"
#include "kv/kv_cache.h"

using namespace conclave;
using Tokens = std::vector<int32_t>;

namespace {

const char* kModel = CONCLAVE_FIXTURES "/golden/qwen35moe-Q8_0.gguf";

EngineOptions options(bool plain) {
  EngineOptions options;
  options.path = kModel;
  options.n_threads = 2;
  options.precision = Precision::kExact;
  options.kv_type = DType::kF32;
  options.plain = plain;
  return options;
}

Tokens tokens_of(int n, int variant) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 37 + variant * 11 + i * i % 7) % 256);
  return tokens;
}

struct Answer {
  Tokens tokens;
  RunTimings timings;
};

std::future<Answer> ask(Engine& engine, Tokens prompt, int n_new) {
  struct Pending { Answer answer; std::promise<Answer> done; };
  auto pending = std::make_shared<Pending>();
  RequestOptions request;
  request.tokens = std::move(prompt);
  request.max_tokens = n_new;
  request.sampler.temperature = 0.f;
  engine.submit(request, {.on_prefill = {}, .on_token = [pending](const TokenEvent& event) { pending->answer.tokens.push_back(event.token); },
                          .on_ended = [pending](StopReason, const RunTimings& timings) { pending->answer.timings = timings, pending->done.set_value(pending->answer); },
                          .on_failed = [pending](ErrorCode, const std::string& what) { pending->done.set_exception(std::make_exception_ptr(std::runtime_error(what))); }});
  return pending->done.get_future();
}

Tokens joined(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST("a state kept per sequence: together as alone") {
  const std::unique_ptr<Engine> alone = Engine::open(options(true)), engine = Engine::open(options(false));
  std::vector<std::future<Answer>> together;
  for (int i = 0; i < 6; ++i) together.push_back(ask(*engine, tokens_of(20 + 13 * i, i), 24));
  for (int i = 0; i < 6; ++i) CHECK(together[static_cast<size_t>(i)].get().tokens == ask(*alone, tokens_of(20 + 13 * i, i), 24).get().tokens);
}

TEST("a changed last message and the next turn begin at the checkpoint before them") {
  const std::unique_ptr<Engine> alone = Engine::open(options(true)), engine = Engine::open(options(false));
  const Tokens history = tokens_of(200, 1);
  const Answer first = ask(*engine, joined(history, tokens_of(30, 2)), 40).get();
  CHECK(first.timings.n_reused == 0);
  // Another last message: the prompt's last full page is common to both.
  const Answer changed = ask(*engine, joined(history, joined(tokens_of(25, 2), tokens_of(5, 3))), 20).get();
  CHECK_MSG(changed.timings.n_reused == 224, std::to_string(changed.timings.n_reused));
  CHECK(changed.tokens == ask(*alone, joined(history, joined(tokens_of(25, 2), tokens_of(5, 3))), 20).get().tokens);
  // The next turn: from the last full page of the answer.
  const Tokens turn = joined(joined(joined(history, tokens_of(30, 2)), first.tokens), tokens_of(12, 4));
  const Answer next = ask(*engine, turn, 20).get();
  CHECK_MSG(next.timings.n_reused == 256, std::to_string(next.timings.n_reused));
  CHECK(next.tokens == ask(*alone, turn, 20).get().tokens);
  // Where nothing was kept, nothing is assumed.
  const Answer early = ask(*engine, joined(tokens_of(100, 1), tokens_of(50, 5)), 20).get();
  CHECK(early.timings.n_reused == 0 && early.tokens == ask(*alone, joined(tokens_of(100, 1), tokens_of(50, 5)), 20).get().tokens);
}

TEST("short of pages, checkpoints go with their pages and answers stay the same") {
  EngineOptions tight = options(false);
  tight.n_context = 288;
  const std::unique_ptr<Engine> alone = Engine::open(options(true)), engine = Engine::open(tight);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::future<Answer>> together;
    for (int i = 0; i < 5; ++i) together.push_back(ask(*engine, joined(tokens_of(64, i % 2), tokens_of(40, i + round)), 30));
    for (int i = 0; i < 5; ++i) CHECK(together[static_cast<size_t>(i)].get().tokens == ask(*alone, joined(tokens_of(64, i % 2), tokens_of(40, i + round)), 30).get().tokens);
  }
}

TEST("states run out: checkpoints give way, sequences wait, and every state is accounted for") {
  const std::unique_ptr<Ops> ops = make_cpu_ops({.n_threads = 1, .precision = Precision::kExact});
  const KvShape shapes[] = {{1, 1, 1}, {0, 0, 0, 100}};
  KvCache cache(*ops, shapes, DType::kF32, 64, true, 3);
  const auto mark = [](const Sequence& sequence) -> char& { return *static_cast<char*>(sequence.state); };
  const Tokens a = tokens_of(100, 1), b = tokens_of(100, 2), c = tokens_of(100, 3), d = tokens_of(100, 4);
  Sequence one, two, three, four;
  CHECK(cache.open(one, a) == 0);
  mark(one) = 'a';
  cache.publish(one, std::span(a).first(64));
  cache.keep_checkpoint(one, std::span(a).first(64), false);
  mark(one) = 'z';
  cache.close(one, a);
  CHECK(cache.n_checkpoints() == 1);
  cache.check_integrity({});
  CHECK(cache.open(one, a) == 64 && mark(one) == 'a');
  CHECK(cache.open(two, b) == 0 && cache.n_checkpoints() == 1);
  CHECK(cache.open(three, c) == 0 && cache.n_checkpoints() == 0);   // the checkpoint's state is a sequence's now
  CHECK(!cache.open(four, d) && !four.is_open() && four.state == nullptr);
  const Sequence* open[] = {&one, &two, &three};
  cache.check_integrity(open);
  cache.keep_checkpoint(one, std::span(a).first(64), false);   // no room: not kept, and nothing breaks
  CHECK(cache.n_checkpoints() == 0);
  cache.close(two, {});
  // A rolling checkpoint takes the place of the one before it.
  cache.publish(one, std::span(a).first(96));
  cache.keep_checkpoint(one, std::span(a).first(64), true);
  cache.keep_checkpoint(one, std::span(a).first(96), true);
  CHECK(cache.n_checkpoints() == 1);
  cache.close(one, a);
  cache.close(three, {});
  CHECK(cache.open(one, joined(a, b)) == 96);
  cache.close(one, {});
  cache.check_integrity({});
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
