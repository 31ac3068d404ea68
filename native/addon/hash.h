// hashFile: SHA-256 of a file, off the JS thread.
#pragma once
#include "addon/node_api.h"

namespace conclave {

Napi::Value hash_file(const Napi::CallbackInfo& info);

}  // namespace conclave
