// Engine.knownPrefix, savePrefix and loadPrefix: each waits for the scheduler (and the disk) on a thread of its own and
// settles a promise with a number. A job holds the engine, which therefore outlives it, whatever JS does meanwhile.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "addon/failure.h"
#include "addon/mailbox.h"
#include "engine/engine.h"

namespace conclave {

class PrefixJob : public Job {
 public:
  using Work = std::function<double(Engine&)>;

  PrefixJob(Napi::Env env, std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Engine> engine, Work work)
      : mailbox_(std::move(mailbox)), engine_(std::move(engine)), work_(std::move(work)), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Value promise() const { return deferred_.Promise(); }

  void work() override {
    try {
      result_ = work_(*engine_);
    } catch (...) {
      failure_ = current_failure();
    }
    // Here, off the JS thread: this may be the last hold on the engine, and destroying it joins its scheduler.
    engine_.reset();
  }
  void deliver(Napi::Env env) override {
    if (failure_) {
      deferred_.Reject(to_js(env, *failure_).Value());
    } else {
      deferred_.Resolve(Napi::Number::New(env, result_));
    }
    mailbox_->finish(env, *this);
  }
  void release() override {}

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Engine> engine_;
  const Work work_;
  const Napi::Promise::Deferred deferred_;
  double result_ = 0;                   // the job's thread, then JS
  std::optional<Failure> failure_;      // likewise
};

}  // namespace conclave
