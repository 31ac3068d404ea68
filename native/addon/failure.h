// Errors on their way from C++ to JS: a code of base/error.h's list (or 'cancelled') and one sentence.
#pragma once
#include <string>

#include "addon/node_api.h"

namespace conclave {

struct Failure {
  std::string code;
  std::string message;
};

/// What is being caught, as plain data that may cross threads. Only inside a catch block.
Failure current_failure();

/// An `Error` with a `code`. JS thread.
Napi::Error to_js(Napi::Env env, const Failure& failure);

/// Throws kBadArgument as a JS error.
[[noreturn]] void refuse(Napi::Env env, const std::string& message);

/// Runs `body` on behalf of JS: whatever it throws leaves as a JS exception with a `code`.
template <class Body>
auto guarded(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js(env, current_failure());
  }
}

}  // namespace conclave
