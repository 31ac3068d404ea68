// Lets go of an engine off the JS thread and settles the promise of Engine.close, if there is one, when the engine is
// gone. The last batches of the engine's requests are posted before this job is, so they arrive first.
#pragma once
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "addon/mailbox.h"
#include "engine/engine.h"

namespace conclave {

class CloseJob : public Job {
 public:
  /// `gone` becomes ready when the last hold on the engine is dropped.
  CloseJob(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Engine> engine, std::shared_future<void> gone, std::optional<Napi::Promise::Deferred> deferred)
      : mailbox_(std::move(mailbox)), engine_(std::move(engine)), gone_(std::move(gone)), deferred_(deferred) {}

  void work() override {
    engine_.reset();
    gone_.wait();
  }
  void deliver(Napi::Env env) override {
    if (deferred_) deferred_->Resolve(env.Undefined());
    mailbox_->finish(env, *this);
  }
  void release() override { deferred_.reset(); }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Engine> engine_;
  const std::shared_future<void> gone_;
  std::optional<Napi::Promise::Deferred> deferred_;
};

}  // namespace conclave
