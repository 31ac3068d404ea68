// The engine's one exception type. Thrown for bad input (files, arguments) and exhausted resources; broken
// invariants use assert. Messages are one sentence: the cause, the number, the way out where there is one.
#pragma once
#include <stdexcept>
#include <string>

namespace conclave {

enum class ErrorCode {
  kBadFile,       // the bytes of a file break its format
  kUnsupported,   // well-formed, but a type, architecture or option that this build does not have
  kBadArgument,   // a caller's value is out of range
  kOutOfMemory,   // an allocation or a plan does not fit
  kIo,            // the operating system refused (open, map, write)
  kDeviceLost,    // the graphics card answers nothing any more: only a new process can use it again
  kInternal,      // a bug of ours, caught at a boundary
};

/// Stable lower-case name ("bad-file", ...), used on the wire and by the command line.
const char* error_code_name(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string message) : std::runtime_error(std::move(message)), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace conclave
