// A model's spec as the plain object that JS sees.
#pragma once
#include <cstdint>

#include "addon/node_api.h"
#include "engine/engine.h"

namespace conclave {

/// ModelInfo of index.d.ts without `context` and `backend`, which only a loaded model has.
Napi::Object model_info(Napi::Env env, const ModelSpec& spec, uint64_t file_bytes);

}  // namespace conclave
