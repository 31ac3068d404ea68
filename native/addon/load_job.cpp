#include "addon/load_job.h"

#include "addon/engine_object.h"
#include "formats/gguf.h"

namespace conclave {

LoadJob::LoadJob(Napi::Env env, std::shared_ptr<Mailbox> mailbox, EngineOptions options, Napi::Function on_progress)
    : mailbox_(std::move(mailbox)), options_(std::move(options)), deferred_(Napi::Promise::Deferred::New(env)) {
  if (!on_progress.IsEmpty()) on_progress_ = Napi::Persistent(on_progress);
}

void LoadJob::work() {
  try {
    opened_.file_bytes = GgufFile::open(options_.path)->file_bytes();
    opened_.engine = Engine::open(options_, [this](uint64_t done, uint64_t total) {
      bool post = false;
      {
        const std::lock_guard lock(mutex_);
        progress_.emplace(done, total);
        post = !std::exchange(posted_, true);
      }
      if (post) mailbox_->post(shared_from_this());
      return !abandoned_;
    });
  } catch (...) {
    failure_ = current_failure();
  }
  const std::lock_guard lock(mutex_);
  finished_ = true;
}

void LoadJob::deliver(Napi::Env env) {
  std::optional<std::pair<uint64_t, uint64_t>> progress;
  bool finished = false;
  {
    const std::lock_guard lock(mutex_);
    progress.swap(progress_);
    posted_ = false;
    finished = finished_;
  }
  if (progress && !abandoned_) report(env, progress->first, progress->second);
  if (finished) settle(env);
}

void LoadJob::report(Napi::Env env, uint64_t done, uint64_t total) {
  if (on_progress_.IsEmpty()) return;
  try {
    const Napi::Value go_on = on_progress_.Call({Napi::Number::New(env, static_cast<double>(done)), Napi::Number::New(env, static_cast<double>(total))});
    if (go_on.IsBoolean() && !go_on.As<Napi::Boolean>().Value()) abandoned_ = true;
  } catch (const Napi::Error& error) {
    thrown_ = error;
    abandoned_ = true;
  }
}

void LoadJob::settle(Napi::Env env) {
  // A wake-up for progress can find the job finished; the job's own posting then comes second and finds it settled.
  const auto self = shared_from_this();
  if (std::exchange(settled_, true)) return;
  if (thrown_) {
    deferred_.Reject(thrown_->Value());
  } else if (abandoned_) {
    deferred_.Reject(to_js(env, {"cancelled", "Loading the model was cancelled."}).Value());
  } else if (failure_) {
    deferred_.Reject(to_js(env, *failure_).Value());
  } else {
    try {
      deferred_.Resolve(EngineObject::create(env, opened_));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  }
  opened_.engine.reset();
  mailbox_->finish(env, *this);
}

void LoadJob::release() {
  on_progress_.Reset();
  thrown_.reset();
}

}  // namespace conclave
