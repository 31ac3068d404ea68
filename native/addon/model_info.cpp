#include "addon/model_info.h"

namespace conclave {

Napi::Object model_info(Napi::Env env, const ModelSpec& spec, uint64_t file_bytes) {
  int n_experts = 0, n_experts_used = 0;
  for (const LayerSpec& layer : spec.layers) {
    if (layer.ffn.kind != FfnKind::kMoe) continue;
    n_experts = layer.ffn.n_experts;
    n_experts_used = layer.ffn.n_experts_used;
    break;
  }
  Napi::Object info = Napi::Object::New(env);
  info.Set("architecture", spec.architecture);
  info.Set("name", spec.name);
  info.Set("quantisation", spec.quantisation);
  info.Set("layers", spec.n_layers);
  info.Set("moeLayers", spec.n_moe_layers());
  info.Set("experts", n_experts);
  info.Set("expertsUsed", n_experts_used);
  info.Set("vocab", spec.n_vocab);
  info.Set("contextTrained", spec.context_trained);
  info.Set("params", static_cast<double>(spec.n_params));
  info.Set("paramsActive", static_cast<double>(spec.n_params_active));
  info.Set("fileBytes", static_cast<double>(file_bytes));
  return info;
}

}  // namespace conclave
