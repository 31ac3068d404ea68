// readMetadata, inspectModel and inspectDrafter: what the header of a GGUF file says, without its tensors.
#pragma once
#include "addon/node_api.h"

namespace conclave {

Napi::Value read_metadata(const Napi::CallbackInfo& info);
Napi::Value inspect_model(const Napi::CallbackInfo& info);
Napi::Value inspect_drafter(const Napi::CallbackInfo& info);

}  // namespace conclave
