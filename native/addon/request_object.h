// EngineRequest: the JS handle of one request. It owns nothing but the flag that cancels; letting it be collected
// changes nothing about the run.
#pragma once
#include "addon/node_api.h"
#include "engine/engine.h"

namespace conclave {

class RequestObject : public Napi::ObjectWrap<RequestObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// JS thread.
  static Napi::Object create(Napi::Env env, const Request& request);

  explicit RequestObject(const Napi::CallbackInfo& info);

 private:
  void cancel(const Napi::CallbackInfo& info);

  Request request_;
};

}  // namespace conclave
