// Requests through the engine's door, waited for: what the callbacks said.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "check.h"
#include "engine/engine.h"

namespace conclave::test {

/// Written on the scheduler's thread, read after wait(). The callbacks keep it alive.
struct Outcome : std::enable_shared_from_this<Outcome> {
  std::vector<int32_t> tokens;
  std::vector<TokenEvent> events;
  StopReason reason = StopReason::kMaxTokens;
  RunTimings timings;
  std::string failure;

  void wait() {
    std::unique_lock lock(mutex);
    CHECK_MSG(changed.wait_for(lock, std::chrono::seconds(300), [&] { return over; }), "a request did not end in five minutes");
  }
  RequestCallbacks callbacks() {
    return {.on_prefill = {},
            .on_token = [self = shared_from_this()](const TokenEvent& event) { self->tokens.push_back(event.token), self->events.push_back(event); },
            .on_ended = [self = shared_from_this()](StopReason why, const RunTimings& t) { self->reason = why, self->timings = t, self->end(); },
            .on_failed = [self = shared_from_this()](ErrorCode, const std::string& message) { self->failure = message, self->end(); }};
  }

 private:
  void end() {
    const std::lock_guard lock(mutex);
    over = true;
    changed.notify_all();
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
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
