// What this addon keeps for each environment (the main thread, every worker): its mailbox and its classes.
#pragma once
#include <memory>
#include <string>

#include "addon/failure.h"
#include "addon/mailbox.h"
#include "addon/node_api.h"

namespace conclave {

/// "0.1.0+16 hex digits": the release, and what the sources and the compiler were (engine_fingerprint.cmake).
extern const char* const kEngineVersion;

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
