// Names of the error codes; see error.h.
#include "base/error.h"

namespace conclave {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadFile: return "bad-file";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kBadArgument: return "bad-argument";
    case ErrorCode::kOutOfMemory: return "out-of-memory";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kDeviceLost: return "device-lost";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

}  // namespace conclave
