#include "addon/request_object.h"

#include "addon/addon.h"
#include "addon/failure.h"

namespace conclave {
namespace {

constexpr napi_type_tag kRequestTag{0x5b1f6f0e9c3a4d27, 0xa1f7c8e2640d93b5};

}  // namespace

Napi::Function RequestObject::define(Napi::Env env) {
  return DefineClass(env, "EngineRequest", {InstanceMethod<&RequestObject::cancel>("cancel")});
}

Napi::Object RequestObject::create(Napi::Env env, const Request& request) {
  const Constructing<const Request> constructing(request);
  return Addon::of(env).request_class.New({});
}

RequestObject::RequestObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RequestObject>(info) {
  const Request* request = Constructing<const Request>::current();
  if (request == nullptr) refuse(info.Env(), "Requests are made by Engine.request.");
  request_ = *request;
  info.This().As<Napi::Object>().TypeTag(&kRequestTag);
}

void RequestObject::cancel(const Napi::CallbackInfo& info) {
  check_tag(info.This().As<Napi::Object>(), kRequestTag, "an engine request");
  request_.cancel();
}

}  // namespace conclave
