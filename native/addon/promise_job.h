// Work that may wait (for the scheduler, the disk, a driver) on a thread of its own, and a promise of its result. What the work
// holds, an engine above all, is let go on that thread.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "addon/failure.h"
#include "addon/mailbox.h"

namespace conclave {

class PromiseJob : public Job {
 public:
  /// Makes the JS value, on the JS thread.
  using Result = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<Result()>;

  PromiseJob(Napi::Env env, std::shared_ptr<Mailbox> mailbox, Work work)
      : mailbox_(std::move(mailbox)), work_(std::move(work)), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Value promise() const { return deferred_.Promise(); }

  void work() override {
    try {
      result_ = work_();
    } catch (...) {
      failure_ = current_failure();
    }
    // Here, off the JS thread: this may be the last hold on an engine, and destroying it joins its scheduler.
    work_ = nullptr;
  }
  void deliver(Napi::Env env) override {
    if (failure_) {
      deferred_.Reject(to_js(env, *failure_).Value());
    } else {
      deferred_.Resolve(result_(env));
    }
    mailbox_->finish(env, *this);
  }
  void release() override {}

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  Work work_;
  const Napi::Promise::Deferred deferred_;
  Result result_;                       // the job's thread, then JS
  std::optional<Failure> failure_;      // likewise
};

}  // namespace conclave
