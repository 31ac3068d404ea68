// Engine.open: loads a model on a thread of its own, reports bytes to JS, and settles the promise with an engine object.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "addon/failure.h"
#include "addon/mailbox.h"
#include "engine/engine.h"

namespace conclave {

/// A loaded model, as EngineObject takes it over.
struct OpenedEngine {
  std::unique_ptr<Engine> engine;
  uint64_t file_bytes = 0;
};

class LoadJob : public Job, public std::enable_shared_from_this<LoadJob> {
 public:
  /// `on_progress` may be empty. A JS return value of false abandons the load, as does an exception.
  LoadJob(Napi::Env env, std::shared_ptr<Mailbox> mailbox, EngineOptions options, Napi::Function on_progress);
  Napi::Value promise() const { return deferred_.Promise(); }

  void work() override;
  void deliver(Napi::Env env) override;
  void release() override;
  void abandon() override { abandoned_ = true; }

 private:
  void report(Napi::Env env, uint64_t done, uint64_t total);
  void settle(Napi::Env env);

  const std::shared_ptr<Mailbox> mailbox_;
  const EngineOptions options_;
  const Napi::Promise::Deferred deferred_;
  Napi::FunctionReference on_progress_;        // JS thread
  std::optional<Napi::Error> thrown_;          // JS thread: by on_progress
  bool settled_ = false;                       // JS thread
  std::atomic<bool> abandoned_ = false;
  OpenedEngine opened_;                        // the job's thread, then (finished_) JS
  std::optional<Failure> failure_;             // likewise
  std::mutex mutex_;                           // guards the next three
  std::optional<std::pair<uint64_t, uint64_t>> progress_;
  bool posted_ = false;
  bool finished_ = false;
};

}  // namespace conclave
