// JS values -> checked C++ values. Every reader names the argument, what it found and what belongs there; absent
// (undefined) options keep their default. Values are copied: nothing here or later looks into JS memory again.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "addon/node_api.h"
#include "engine/engine.h"

namespace conclave {

/// `index` counts from 0; the names appear in the error.
std::string path_argument(const Napi::CallbackInfo& info, size_t index);
Napi::Object object_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
Napi::Function function_argument(const Napi::CallbackInfo& info, size_t index, const char* name);

EngineOptions engine_options(const Napi::Object& options);
PlanRequest plan_request(std::string path, const Napi::Object& options);
RequestOptions request_options(const Napi::Object& options);
/// Without the engine's version, which is this build's.
PrefixFile prefix_file(const Napi::Object& file);
std::vector<int32_t> tokens_argument(const Napi::CallbackInfo& info, size_t index);

}  // namespace conclave
