// Requests through the engine's door, waited for: what the callbacks said.
#pragma once
#include <array>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "check.h"
#include "engine/engine.h"

namespace conclave::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::chrono::minutes kPatience{30};   // instrumented kernels take fifty times as long
#else
constexpr std::chrono::minutes kPatience{5};
#endif

/// What one request's callbacks said. Written on the scheduler's thread, read after wait(). The callbacks keep it alive, so that a
/// failing test may leave a request behind.
struct Outcome : std::enable_shared_from_this<Outcome> {
  std::vector<int32_t> tokens;
  std::vector<TokenEvent> events;
  std::vector<std::array<int, 3>> prefill;
  StopReason reason = StopReason::kMaxTokens;
  RunTimings timings;
  ErrorCode code = ErrorCode::kInternal;
  std::string failure;
  int n_last = 0;   // calls of on_ended and on_failed

  void wait() {
    std::unique_lock lock(mutex);
    CHECK_MSG(changed.wait_for(lock, kPatience, [&] { return n_last > 0; }), "a request did not end in " + std::to_string(kPatience.count()) + " minutes");
  }
  void wait_for_tokens(size_t n) {
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, kPatience, [&] { return tokens.size() >= n || n_last > 0; }));
  }

  RequestCallbacks callbacks() {
    return {.on_prefill = [self = shared_from_this()](int done, int reused, int total) { self->note([&] { self->prefill.push_back({done, reused, total}); }); },
            .on_token = [self = shared_from_this()](const TokenEvent& event) { self->note([&] { self->tokens.push_back(event.token), self->events.push_back(event); }); },
            .on_ended = [self = shared_from_this()](StopReason why, const RunTimings& t) { self->note([&] { self->reason = why, self->timings = t, ++self->n_last; }); },
            .on_failed = [self = shared_from_this()](ErrorCode why, const std::string& message) { self->note([&] { self->code = why, self->failure = message, ++self->n_last; }); }};
  }

 private:
  template <typename Change>
  void note(Change change) {
    const std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable changed;
};

inline std::shared_ptr<Outcome> run(Engine& engine, RequestOptions options) {
  auto outcome = std::make_shared<Outcome>();
  engine.submit(std::move(options), outcome->callbacks());
  outcome->wait();
  return outcome;
}

inline std::vector<std::shared_ptr<Outcome>> run_together(Engine& engine, const std::vector<RequestOptions>& requests) {
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (const RequestOptions& request : requests) {
    outcomes.push_back(std::make_shared<Outcome>());
    engine.submit(request, outcomes.back()->callbacks());
  }
  for (const auto& outcome : outcomes) outcome->wait();
  return outcomes;
}

}  // namespace conclave::test
