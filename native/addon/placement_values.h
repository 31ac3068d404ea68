// Plans and places as JS values, and planModel.
#pragma once
#include "addon/node_api.h"
#include "engine/engine.h"

namespace conclave {

/// planModel(path, options): a promise.
Napi::Value plan_model(const Napi::CallbackInfo& info);

Napi::Object residence_value(Napi::Env env, const Residence& residence);

}  // namespace conclave
