// What this addon keeps for each environment (the main thread, every worker): its mailbox and its classes.
#pragma once
#include <memory>
#include <string>

#include "addon/failure.h"
#include "addon/mailbox.h"
#include "addon/node_api.h"

#ifndef CONCLAVE_ENGINE_VERSION
#define CONCLAVE_ENGINE_VERSION "0.1.0"
#endif

namespace conclave {

inline constexpr const char* kEngineVersion = CONCLAVE_ENGINE_VERSION;

struct Addon {
  std::shared_ptr<Mailbox> mailbox;
  Napi::FunctionReference engine_class;
  Napi::FunctionReference request_class;

  static Addon& of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }
};

/// Set while our own code calls a class's constructor; JS cannot call it. One per thread: no allocation runs JS in between.
template <class T>
class Constructing {
 public:
  explicit Constructing(T& value) { current_ = &value; }
  ~Constructing() { current_ = nullptr; }
  Constructing(const Constructing&) = delete;
  Constructing& operator=(const Constructing&) = delete;
  /// nullptr: called from JS.
  static T* current() { return current_; }

 private:
  static thread_local inline T* current_ = nullptr;
};

/// Throws a JS error unless `object` carries `tag`, so that no method ever runs on another kind of object.
inline void check_tag(const Napi::Object& object, const napi_type_tag& tag, const char* name) {
  if (!object.CheckTypeTag(&tag)) refuse(object.Env(), std::string("This is not ") + name + ".");
}

}  // namespace conclave
