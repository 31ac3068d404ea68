#include "addon/failure.h"

#include <exception>
#include <new>

#include "base/error.h"

namespace conclave {

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error_code_name(error.code()), error.what()};
  } catch (const std::bad_alloc&) {
    return {error_code_name(ErrorCode::kOutOfMemory), "There is not enough memory; close other programs or choose a smaller model."};
  } catch (const std::exception& error) {
    return {error_code_name(ErrorCode::kInternal), error.what()};
  } catch (...) {
    return {error_code_name(ErrorCode::kInternal), "The engine failed for a reason it does not know."};
  }
}

Napi::Error to_js(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

void refuse(Napi::Env env, const std::string& message) {
  throw to_js(env, {error_code_name(ErrorCode::kBadArgument), message});
}

}  // namespace conclave
