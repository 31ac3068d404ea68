// Destroys an engine off the JS thread and settles the promise of Engine.close, if there is one. The last batches of the
// engine's requests are posted before this job is, so they arrive first.
#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "addon/mailbox.h"
#include "engine/engine.h"

namespace conclave {

class CloseJob : public Job {
 public:
  CloseJob(std::shared_ptr<Mailbox> mailbox, std::unique_ptr<Engine> engine, std::optional<Napi::Promise::Deferred> deferred)
      : mailbox_(std::move(mailbox)), engine_(std::move(engine)), deferred_(deferred) {}

  void work() override { engine_.reset(); }
  void deliver(Napi::Env env) override {
    if (deferred_) deferred_->Resolve(env.Undefined());
    mailbox_->finish(env, *this);
  }
  void release() override { deferred_.reset(); }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<Engine> engine_;
  std::optional<Napi::Promise::Deferred> deferred_;
};

}  // namespace conclave
