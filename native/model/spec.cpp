// Small questions about a ModelSpec, and its JSON form; see spec.h.
#include "model/spec.h"

#include <algorithm>

#include "base/json_writer.h"

namespace conclave {
namespace {

const char* name(AttentionKind kind) {
  constexpr const char* kNames[] = {"gqa", "mla", "linear"};
  return kNames[static_cast<int>(kind)];
}
const char* name(QkNorm norm) {
  constexpr const char* kNames[] = {"none", "per-head", "whole-projection"};
  return kNames[static_cast<int>(norm)];
}
const char* name(RopeStyle style) {
  constexpr const char* kNames[] = {"none", "halves", "pairs"};
  return kNames[static_cast<int>(style)];
}
const char* name(RopeScaling scaling) {
  constexpr const char* kNames[] = {"none", "linear", "yarn", "llama3-factors", "longrope"};
  return kNames[static_cast<int>(scaling)];
}
const char* name(FfnKind kind) { return kind == FfnKind::kMoe ? "moe" : "dense"; }
const char* name(Activation activation) {
  constexpr const char* kNames[] = {"silu", "gelu-tanh", "clamped-swiglu"};
  return kNames[static_cast<int>(activation)];
}
const char* name(RouterScore score) { return score == RouterScore::kSigmoid ? "sigmoid" : "softmax"; }
const char* name(RouterOrder order) {
  constexpr const char* kNames[] = {"before-top-k", "after-top-k", "sparse-mixer"};
  return kNames[static_cast<int>(order)];
}
const char* name(NormKind norm) { return norm == NormKind::kLayer ? "layer" : "rms"; }

void write(JsonWriter& json, const RopeSpec& rope) {
  json.begin_object().field("style", name(rope.style)).field("n_dims", rope.n_dims).field("base", rope.base).field("scaling", name(rope.scaling));
  if (rope.scaling == RopeScaling::kLinear || rope.scaling == RopeScaling::kYarn) json.field("factor", rope.factor);
  if (rope.scaling == RopeScaling::kYarn) {
    json.field("original_context", rope.original_context).field("attn_factor", rope.attn_factor);
    json.field("beta_fast", rope.beta_fast).field("beta_slow", rope.beta_slow).field("ext_factor", rope.ext_factor);
  }
  json.end_object();
}

void write(JsonWriter& json, const AttentionSpec& attention) {
  json.begin_object().field("kind", name(attention.kind)).field("n_heads", attention.n_heads).field("n_kv_heads", attention.n_kv_heads);
  json.field("d_k", attention.d_k).field("d_v", attention.d_v).field("window", attention.window).field("sinks", attention.sinks);
  json.field("output_gate", attention.output_gate).field("qk_norm", name(attention.qk_norm)).field("v_norm", attention.v_norm);
  json.field("scale", attention.scale).field("softcap", attention.softcap);
  if (attention.kind == AttentionKind::kMla) {
    json.field("absorbed", attention.absorbed).field("d_kv_latent", attention.d_kv_latent).field("d_q_latent", attention.d_q_latent);
    json.field("d_rope", attention.d_rope).field("d_head_k", attention.d_head_k).field("d_head_v", attention.d_head_v);
  }
  if (attention.kind == AttentionKind::kLinear) json.field("d_conv", attention.d_conv);
  json.key("rope");
  write(json, attention.rope);
  json.end_object();
}

void write(JsonWriter& json, const FfnSpec& ffn) {
  json.begin_object().field("kind", name(ffn.kind)).field("activation", name(ffn.activation)).field("d_ff", ffn.d_ff);
  if (ffn.kind == FfnKind::kMoe) {
    json.field("n_experts", ffn.n_experts).field("n_experts_used", ffn.n_experts_used);
    json.field("d_ff_shared", ffn.d_ff_shared).field("shared_gate", ffn.shared_gate).field("d_ff_beside", ffn.d_ff_beside);
    json.key("router").begin_object().field("score", name(ffn.router.score)).field("order", name(ffn.router.order));
    json.field("renormalise", ffn.router.renormalise).field("scale", ffn.router.scale);
    json.field("n_groups", ffn.router.n_groups).field("n_groups_used", ffn.router.n_groups_used).end_object();
  }
  json.end_object();
}

}  // namespace

int ModelSpec::n_moe_layers() const {
  return static_cast<int>(std::count_if(layers.begin(), layers.end(), [](const LayerSpec& layer) { return layer.ffn.kind == FfnKind::kMoe; }));
}

bool ModelSpec::is_moe() const { return n_moe_layers() > 0; }

bool ModelSpec::is_recurrent() const {
  return std::any_of(layers.begin(), layers.end(), [](const LayerSpec& layer) { return layer.state_bytes() > 0; });
}

int64_t LayerSpec::state_bytes() const {
  const AttentionSpec& a = attention;
  if (a.kind != AttentionKind::kLinear) return 0;
  const int64_t keys = int64_t{a.n_kv_heads} * a.d_k, values = int64_t{a.n_heads} * a.d_v;
  return 4 * (int64_t{a.d_conv - 1} * (2 * keys + values) + values * a.d_k);
}

std::string spec_to_json(const ModelSpec& spec) {
  JsonWriter json;
  json.begin_object().field("architecture", spec.architecture).field("name", spec.name).field("quantisation", spec.quantisation);
  json.field("is_moe", spec.is_moe()).field("n_layers", spec.n_layers).field("n_moe_layers", spec.n_moe_layers()).field("d_model", spec.d_model);
  json.field("n_vocab", spec.n_vocab).field("context_trained", spec.context_trained).field("norm", name(spec.norm)).field("norm_eps", spec.norm_eps);
  json.field("post_norms", spec.post_norms).field("tied_embeddings", spec.tied_embeddings).field("embedding_scale", spec.embedding_scale);
  json.field("residual_scale", spec.residual_scale).field("logit_scale", spec.logit_scale).field("logit_softcap", spec.logit_softcap);
  json.field("bos_token", spec.bos_token).field("eos_token", spec.eos_token);
  json.field("n_params", spec.n_params).field("n_params_active", spec.n_params_active);
  json.key("layers").begin_array();
  for (const LayerSpec& layer : spec.layers) {
    json.begin_object().key("attention");
    write(json, layer.attention);
    json.key("ffn");
    write(json, layer.ffn);
    if (layer.state_bytes() > 0) json.field("state_bytes", layer.state_bytes());
    json.end_object();
  }
  json.end_array().end_object();
  return json.take();
}

}  // namespace conclave
