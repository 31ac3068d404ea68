#include "addon/mailbox.h"

#include <utility>

#include "addon/failure.h"

namespace conclave {
namespace {

/// Hands an exception that nobody awaits to the environment's 'uncaughtException'.
void report_uncaught(Napi::Env env, napi_value error) {
  // A terminating worker refuses this; it has no one left to tell.
  static_cast<void>(napi_fatal_exception(env, error));
}

}  // namespace

std::shared_ptr<Mailbox> Mailbox::create(Napi::Env env) {
  auto mailbox = std::make_shared<Mailbox>();
  mailbox->wake_up_ = WakeUp::New(env, "conclave", 0, 1, mailbox.get());
  mailbox->wake_up_.Unref(env);
  // Hooks run newest first: this one, added after the wake-up's own, still finds the wake-up open and closes it.
  env.AddCleanupHook([mailbox] { mailbox->end(); });
  return mailbox;
}

void Mailbox::post(std::shared_ptr<Delivery> delivery) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  queue_.push_back(std::move(delivery));
  if (awake_) return;
  awake_ = true;
  // With the mutex held the wake-up cannot close in between. The queue of wake-ups is unbounded, so this never blocks.
  wake_up_.NonBlockingCall();
}

void Mailbox::wake(Napi::Env env, Napi::Function, Mailbox* mailbox, void*) {
  if (static_cast<napi_env>(env) != nullptr) mailbox->drain(env);   // nullptr: the environment ends with the call still queued
}

void Mailbox::drain(Napi::Env env) {
  std::vector<std::shared_ptr<Delivery>> deliveries;
  {
    const std::lock_guard lock(mutex_);
    awake_ = false;
    deliveries.swap(queue_);
  }
  for (const auto& delivery : deliveries) {
    const Napi::HandleScope scope(env);
    try {
      delivery->deliver(env);
    } catch (const Napi::Error& error) {
      report_uncaught(env, error.Value());
    } catch (...) {
      report_uncaught(env, to_js(env, current_failure()).Value());
    }
  }
}

void Mailbox::keep(Napi::Env env, std::shared_ptr<Delivery> delivery) {
  if (kept_.empty()) wake_up_.Ref(env);
  const Delivery* key = delivery.get();
  kept_.emplace(key, Kept{std::move(delivery), {}});
}

void Mailbox::start(Napi::Env env, std::shared_ptr<Job> job) {
  const Delivery* key = job.get();
  keep(env, job);
  try {
    kept_.at(key).thread = std::thread([self = shared_from_this(), job] {
      job->work();
      self->post(job);
    });
  } catch (...) {
    finish(env, *job);
    throw;
  }
}

void Mailbox::finish(Napi::Env env, Delivery& delivery) {
  auto kept = kept_.extract(&delivery);
  if (kept.empty()) return;
  if (kept.mapped().thread.joinable()) kept.mapped().thread.join();
  delivery.release();
  if (kept_.empty()) wake_up_.Unref(env);
}

void Mailbox::at_end(const void* key, std::function<void()> stop) { at_end_[key] = std::move(stop); }

void Mailbox::forget_end(const void* key) { at_end_.erase(key); }

void Mailbox::end() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    queue_.clear();
  }
  for (auto& [key, kept] : kept_) kept.delivery->abandon();
  for (auto& [key, stop] : std::exchange(at_end_, {})) stop();
  for (auto& [key, kept] : kept_) {
    if (kept.thread.joinable()) kept.thread.join();
    kept.delivery->release();
  }
  kept_.clear();
  wake_up_.Release();
}

}  // namespace conclave
