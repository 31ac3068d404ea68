// Engine: the JS object over one loaded model. Lives and dies on the JS thread; the model itself is destroyed on a thread
// of its own, because joining the scheduler may take as long as one forward chunk.
#pragma once
#include <future>
#include <memory>

#include "addon/load_job.h"
#include "addon/mailbox.h"
#include "addon/node_api.h"
#include "addon/promise_job.h"
#include "engine/engine.h"

namespace conclave {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// Takes the engine out of `opened`. JS thread.
  static Napi::Object create(Napi::Env env, OpenedEngine& opened);

  explicit EngineObject(const Napi::CallbackInfo& info);
  /// Collected without close(): no request can be live (each holds this object), so nothing waits for the end.
  ~EngineObject() override;

 private:
  static Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value request(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value residence(const Napi::CallbackInfo& info);
  Napi::Value known_prefix(const Napi::CallbackInfo& info);
  Napi::Value save_prefix(const Napi::CallbackInfo& info);
  Napi::Value load_prefix(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  /// On a thread of its own, which holds the engine.
  Napi::Value start(const Napi::CallbackInfo& info, std::function<PromiseJob::Result(Engine&)> work);
  /// The engine, or a JS error after close().
  Engine& opened(const Napi::CallbackInfo& info) const;

  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Engine> engine_;          // nullptr after close(); jobs on their threads hold it too
  std::shared_future<void> gone_;           // ready when nobody holds it any more
  Napi::ObjectReference info_;
  Napi::ObjectReference closing_;           // the promise of close(), once called
};

}  // namespace conclave
