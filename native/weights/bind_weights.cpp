// Finds each tensor that the spec calls for, checks its shape and type, and hands out views; see weights.h. A tensor that
// nothing asked for is an error too: a model that has parts we would silently skip would answer wrongly.
#include <array>
#include <set>
#include <string>

#include "base/error.h"
#include "base/printable.h"
#include "weights/weights.h"

namespace conclave {
namespace {

/// GGUF order: the contiguous dimension first.
using Dims = std::array<int64_t, 4>;

std::string shape_text(const int64_t* dims) {
  int n = 4;
  while (n > 1 && dims[n - 1] == 1) --n;
  std::string text = "[";
  for (int i = 0; i < n; ++i) text += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

class Binder {
 public:
  explicit Binder(const GgufFile& file) : file_(file) {}

  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }

  /// [n_experts][d_out][d_in], of any type that the ops compute with.
  Weight matrix(const std::string& name, int64_t d_in, int64_t d_out, int64_t n_experts = 1) {
    const GgufTensor& tensor = find(name, {d_in, d_out, n_experts, 1});
    if (!dtype_traits(tensor.type)->computable) {
      throw Error(ErrorCode::kUnsupported, "tensor '" + printable(name) + "' is stored as " + dtype_traits(tensor.type)->name +
                                               ", which is not supported yet; choose another quantisation of this model");
    }
    return {.data = tensor.data, .type = tensor.type, .d_in = d_in, .d_out = d_out, .n_experts = n_experts, .name = tensor.name.c_str()};
  }

  /// [n_experts][1][d] of floats: norms, biases, tables, which the kernels read in place.
  Weight vector(const std::string& name, int64_t d, int64_t n_experts = 1) {
    const GgufTensor& tensor = find(name, {d, n_experts, 1, 1});
    if (tensor.type != DType::kF32) {
      throw Error(ErrorCode::kBadFile, "tensor '" + printable(name) + "' is stored as " + dtype_traits(tensor.type)->name + " but must be F32");
    }
    return {.data = tensor.data, .type = tensor.type, .d_in = d, .d_out = 1, .n_experts = n_experts, .name = tensor.name.c_str()};
  }
  Weight optional_vector(const std::string& name, int64_t d, int64_t n_experts = 1) { return has(name) ? vector(name, d, n_experts) : Weight{}; }

  /// A tensor that another one makes superfluous.
  void ignore(const std::string& name) {
    if (const GgufTensor* tensor = file_.find_tensor(name)) used_.insert(tensor->name);
  }
  void ignore_block(const std::string& block) {
    for (const GgufTensor& tensor : file_.tensors()) {
      if (tensor.name.starts_with(block)) used_.insert(tensor.name);
    }
  }

  /// Everything in the file must have been asked for, but for the table of angles that old converters wrote and everyone computes.
  void check_all_used() const {
    for (const GgufTensor& tensor : file_.tensors()) {
      if (used_.contains(tensor.name) || tensor.name.ends_with("attn_rot_embd.weight")) continue;
      throw Error(ErrorCode::kUnsupported, "tensor '" + printable(tensor.name) + "' belongs to a variant of the model that is not supported yet; without it the answers would be wrong");
    }
  }

 private:
  const GgufTensor& find(const std::string& name, const Dims& expected) {
    const GgufTensor* tensor = file_.find_tensor(name);
    if (tensor == nullptr) throw Error(ErrorCode::kBadFile, "the file lacks the tensor '" + printable(name) + "'");
    if (!std::equal(expected.begin(), expected.end(), tensor->dims)) {
      throw Error(ErrorCode::kBadFile, "tensor '" + printable(name) + "' has the shape " + shape_text(tensor->dims) + " but " + shape_text(expected.data()) + " is expected");
    }
    used_.insert(tensor->name);
    return *tensor;
  }

  const GgufFile& file_;
  std::set<std::string_view> used_;
};

/// Rows [first, first + count) of every expert, still in the fused tensor's place.
Weight row_view(const Weight& fused, int64_t first, int64_t count) {
  Weight view = fused;
  view.data = fused.row(first);
  view.d_out = count;
  if (fused.n_experts > 1) view.expert_stride = fused.expert_bytes();
  return view;
}

/// Elements [first, first + count) of a float vector.
Weight element_view(const Weight& fused, int64_t first, int64_t count) {
  Weight view = fused;
  view.data = fused.data + row_bytes(fused.type, first);
  view.d_in = count;
  return view;
}

void bind_gqa(Binder& binder, const std::string& block, const ModelSpec& spec, const AttentionSpec& attention, LayerWeights& layer) {
  const int64_t d = spec.d_model, d_q = int64_t{attention.n_heads} * attention.d_k * (attention.output_gate ? 2 : 1);
  const int64_t d_k = int64_t{attention.n_kv_heads} * attention.d_k, d_v = int64_t{attention.n_kv_heads} * attention.d_v;
  const int64_t d_out = int64_t{attention.n_heads} * attention.d_v;
  if (binder.has(block + "attn_qkv.weight")) {
    const Weight fused = binder.matrix(block + "attn_qkv.weight", d, d_q + d_k + d_v);
    layer.wq = row_view(fused, 0, d_q);
    layer.wk = row_view(fused, d_q, d_k);
    layer.wv = row_view(fused, d_q + d_k, d_v);
  } else {
    layer.wq = binder.matrix(block + "attn_q.weight", d, d_q);
    layer.wk = binder.matrix(block + "attn_k.weight", d, d_k);
    layer.wv = attention.v_norm && !binder.has(block + "attn_v.weight") ? layer.wk : binder.matrix(block + "attn_v.weight", d, d_v);   // Gemma 4's long-range layers
  }
  if (const Weight fused = binder.optional_vector(block + "attn_qkv.bias", d_q + d_k + d_v)) {
    layer.bq = element_view(fused, 0, d_q);
    layer.bk = element_view(fused, d_q, d_k);
    layer.bv = element_view(fused, d_q + d_k, d_v);
  } else {
    layer.bq = binder.optional_vector(block + "attn_q.bias", d_q);
    layer.bk = binder.optional_vector(block + "attn_k.bias", d_k);
    layer.bv = binder.optional_vector(block + "attn_v.bias", d_v);
  }
  layer.wo = binder.matrix(block + "attn_output.weight", d_out, d);
  layer.bo = binder.optional_vector(block + "attn_output.bias", d);
  if (attention.qk_norm != QkNorm::kNone) {
    const bool per_head = attention.qk_norm == QkNorm::kPerHead;
    layer.q_norm = binder.vector(block + "attn_q_norm.weight", per_head ? attention.d_k : d_q);
    layer.k_norm = binder.vector(block + "attn_k_norm.weight", per_head ? attention.d_k : d_k);
  }
  if (attention.sinks) layer.sinks = binder.vector(block + "attn_sinks.weight", attention.n_heads);
}

void bind_mla(Binder& binder, const std::string& block, const ModelSpec& spec, const AttentionSpec& a, LayerWeights& layer) {
  const int64_t d = spec.d_model, d_q = int64_t{a.n_heads} * a.d_head_k, d_nope = a.d_head_k - a.d_rope;
  if (a.d_q_latent > 0) {
    layer.wq_a = binder.matrix(block + "attn_q_a.weight", d, a.d_q_latent);
    layer.q_a_norm = binder.vector(block + "attn_q_a_norm.weight", a.d_q_latent);
    layer.wq_b = binder.matrix(block + "attn_q_b.weight", a.d_q_latent, d_q);
  } else {
    layer.wq = binder.matrix(block + "attn_q.weight", d, d_q);
  }
  layer.wkv_a = binder.matrix(block + "attn_kv_a_mqa.weight", d, a.d_kv_latent + a.d_rope);
  layer.kv_a_norm = binder.vector(block + "attn_kv_a_norm.weight", a.d_kv_latent);
  if (a.absorbed) {
    layer.k_heads = binder.matrix(block + "attn_k_b.weight", d_nope, a.d_kv_latent, a.n_heads);
    layer.v_heads = binder.matrix(block + "attn_v_b.weight", a.d_kv_latent, a.d_head_v, a.n_heads);
    binder.ignore(block + "attn_kv_b.weight");   // some converters keep the whole beside its halves
  } else {   // per head the rows of the key, then of the value
    Weight fused = binder.matrix(block + "attn_kv_b.weight", a.d_kv_latent, int64_t{a.n_heads} * (d_nope + a.d_head_v));
    fused.n_experts = a.n_heads;
    fused.d_out = d_nope + a.d_head_v;
    layer.k_heads = row_view(fused, 0, d_nope);
    layer.v_heads = row_view(fused, d_nope, a.d_head_v);
  }
  layer.wo = binder.matrix(block + "attn_output.weight", int64_t{a.n_heads} * a.d_head_v, d);
}

void bind_linear(Binder& binder, const std::string& block, const ModelSpec& spec, const AttentionSpec& a, LayerWeights& layer) {
  const int64_t d = spec.d_model, d_values = int64_t{a.n_heads} * a.d_v, d_mixed = 2 * int64_t{a.n_kv_heads} * a.d_k + d_values;
  if (binder.has(block + "ssm_in.weight")) {
    throw Error(ErrorCode::kUnsupported, "the file keeps queries, keys, values and gates of linear attention in one tensor ('" + block + "ssm_in.weight'), a layout given up in 2025; take a newer conversion of this model");
  }
  layer.wq = binder.matrix(block + "attn_qkv.weight", d, d_mixed);
  layer.attn_gate = binder.matrix(block + "attn_gate.weight", d, d_values);
  if (binder.has(block + "ssm_ba.weight")) {
    layer.ssm_beta_alpha = binder.matrix(block + "ssm_ba.weight", d, 2 * a.n_heads);
  } else {
    layer.ssm_beta = binder.matrix(block + "ssm_beta.weight", d, a.n_heads);
    layer.ssm_alpha = binder.matrix(block + "ssm_alpha.weight", d, a.n_heads);
  }
  layer.ssm_conv = binder.matrix(block + "ssm_conv1d.weight", a.d_conv, d_mixed);
  layer.ssm_dt = binder.vector(block + "ssm_dt.bias", a.n_heads);
  layer.ssm_a = binder.vector(block + "ssm_a", a.n_heads);
  layer.ssm_norm = binder.vector(block + "ssm_norm.weight", a.d_v);
  layer.wo = binder.matrix(block + "ssm_out.weight", d_values, d);
}

void bind_attention(Binder& binder, const std::string& block, const ModelSpec& spec, const AttentionSpec& attention, LayerWeights& layer) {
  switch (attention.kind) {
    case AttentionKind::kGqa: return bind_gqa(binder, block, spec, attention, layer);
    case AttentionKind::kMla: return bind_mla(binder, block, spec, attention, layer);
    case AttentionKind::kLinear: return bind_linear(binder, block, spec, attention, layer);
  }
}

/// gate, up and down with the given suffix; gate and up may lie in one tensor, gate rows first.
void bind_gated(Binder& binder, const std::string& block, const std::string& suffix, int64_t d, int64_t d_ff, int64_t n_experts, Weight& gate, Weight& up, Weight& down) {
  const std::string fused_name = block + "ffn_gate_up" + suffix + ".weight";
  if (binder.has(fused_name)) {
    const Weight fused = binder.matrix(fused_name, d, 2 * d_ff, n_experts);
    gate = row_view(fused, 0, d_ff);
    up = row_view(fused, d_ff, d_ff);
  } else {
    gate = binder.matrix(block + "ffn_gate" + suffix + ".weight", d, d_ff, n_experts);
    up = binder.matrix(block + "ffn_up" + suffix + ".weight", d, d_ff, n_experts);
  }
  down = binder.matrix(block + "ffn_down" + suffix + ".weight", d_ff, d, n_experts);
}

void bind_ffn(Binder& binder, const std::string& block, const ModelSpec& spec, const FfnSpec& ffn, LayerWeights& layer) {
  const int64_t d = spec.d_model;
  const bool moe = ffn.kind == FfnKind::kMoe;
  if (moe && binder.has(block + "ffn_gate.0.weight")) {
    throw Error(ErrorCode::kUnsupported, "the file keeps each expert in a tensor of its own ('" + block + "ffn_gate.0.weight'), a layout given up in 2024; take a newer conversion of this model");
  }
  const std::string suffix = moe ? "_exps" : "";
  const int64_t n_experts = moe ? ffn.n_experts : 1;
  bind_gated(binder, block, suffix, d, ffn.d_ff, n_experts, layer.gate, layer.up, layer.down);
  layer.gate_bias = binder.optional_vector(block + "ffn_gate" + suffix + ".bias", ffn.d_ff, n_experts);
  layer.up_bias = binder.optional_vector(block + "ffn_up" + suffix + ".bias", ffn.d_ff, n_experts);
  layer.down_bias = binder.optional_vector(block + "ffn_down" + suffix + ".bias", d, n_experts);
  if (!moe) return;
  layer.router = binder.matrix(block + "ffn_gate_inp.weight", d, ffn.n_experts);
  layer.router_bias = binder.optional_vector(block + "ffn_gate_inp.bias", ffn.n_experts);
  layer.router_selection_bias = binder.optional_vector(block + "exp_probs_b.bias", ffn.n_experts);
  if (ffn.router.own_input) layer.router_input_norm = binder.vector(block + "ffn_gate_inp.scale", d);
  if (ffn.router.expert_scale) layer.expert_scale = binder.vector(block + "ffn_down_exps.scale", ffn.n_experts);
  if (ffn.d_ff_beside > 0) {
    bind_gated(binder, block, "", d, ffn.d_ff_beside, 1, layer.beside_gate, layer.beside_up, layer.beside_down);
    layer.beside_post_norm = binder.vector(block + "post_ffw_norm_1.weight", d);
    layer.expert_norm = binder.vector(block + "pre_ffw_norm_2.weight", d);
    layer.expert_post_norm = binder.vector(block + "post_ffw_norm_2.weight", d);
  }
  if (ffn.d_ff_shared == 0) return;
  bind_gated(binder, block, "_shexp", d, ffn.d_ff_shared, 1, layer.shared_gate, layer.shared_up, layer.shared_down);
  if (ffn.shared_gate) layer.shared_output_gate = binder.matrix(block + "ffn_gate_inp_shexp.weight", d, 1);
}

}  // namespace

ModelWeights bind_weights(const GgufFile& file, const ModelSpec& spec) {
  Binder binder(file);
  ModelWeights weights;
  const int64_t d = spec.d_model;
  weights.token_embd = binder.matrix("token_embd.weight", d, spec.n_vocab);
  weights.output_norm = binder.vector("output_norm.weight", d);
  weights.output_norm_bias = binder.optional_vector("output_norm.bias", d);
  weights.output = spec.tied_embeddings ? weights.token_embd : binder.matrix("output.weight", d, spec.n_vocab);
  weights.output_bias = binder.optional_vector("output.bias", spec.n_vocab);
  for (const LayerSpec& layer : spec.layers) {
    const RopeSpec& rope = layer.attention.rope;
    if (rope.scaling == RopeScaling::kLlama3Factors) weights.rope_freqs = binder.vector("rope_freqs.weight", rope.n_dims / 2);
    if (rope.scaling != RopeScaling::kLongRope) continue;
    weights.rope_freqs = binder.vector("rope_factors_short.weight", rope.n_dims / 2);
    weights.rope_freqs_long = binder.vector("rope_factors_long.weight", rope.n_dims / 2);
  }
  weights.layers.resize(static_cast<size_t>(spec.n_layers));
  for (int i = 0; i < spec.n_layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    const LayerSpec& layer_spec = spec.layers[static_cast<size_t>(i)];
    LayerWeights& layer = weights.layers[static_cast<size_t>(i)];
    layer.attn_norm = binder.vector(block + "attn_norm.weight", d);
    layer.attn_norm_bias = binder.optional_vector(block + "attn_norm.bias", d);
    bind_attention(binder, block, spec, layer_spec.attention, layer);
    layer.ffn_norm = binder.vector(block + spec.ffn_norm_tensor + ".weight", d);
    layer.ffn_norm_bias = binder.optional_vector(block + spec.ffn_norm_tensor + ".bias", d);
    bind_ffn(binder, block, spec, layer_spec.ffn, layer);
    if (spec.post_norms) {
      layer.attn_post_norm = binder.vector(block + "post_attention_norm.weight", d);
      layer.ffn_post_norm = binder.vector(block + "post_ffw_norm.weight", d);
    }
    layer.output_scale = binder.optional_vector(block + "layer_output_scale.weight", 1);
  }
  for (int i = 0; i < spec.n_predict_layers; ++i) binder.ignore_block("blk." + std::to_string(spec.n_layers + i) + ".");
  binder.check_all_used();
  return weights;
}

size_t active_bytes_per_token(const ModelSpec& spec, const ModelWeights& weights) {
  const auto bytes = [](const Weight& weight) { return weight ? weight.bytes() : size_t{0}; };
  size_t total = weights.token_embd.row_bytes() + bytes(weights.output_norm) + bytes(weights.output_norm_bias) + bytes(weights.output) + bytes(weights.output_bias);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& l = weights.layers[i];
    const FfnSpec& ffn = spec.layers[i].ffn;
    for (const Weight* weight : {&l.attn_norm, &l.attn_norm_bias, &l.wq, &l.wk, &l.wv, &l.wo, &l.bq, &l.bk, &l.bv, &l.bo, &l.q_norm, &l.k_norm, &l.sinks, &l.ffn_norm,
                                 &l.ffn_norm_bias, &l.router, &l.router_bias, &l.router_selection_bias, &l.shared_gate, &l.shared_up, &l.shared_down,
                                 &l.shared_output_gate, &l.attn_post_norm, &l.ffn_post_norm, &l.wq_a, &l.wq_b, &l.wkv_a, &l.k_heads, &l.v_heads, &l.attn_gate, &l.ssm_beta_alpha,
                                 &l.ssm_beta, &l.ssm_alpha, &l.ssm_conv, &l.beside_gate, &l.beside_up, &l.beside_down}) {
      total += bytes(*weight);
    }
    const auto n_experts_read = static_cast<size_t>(ffn.kind == FfnKind::kMoe ? ffn.n_experts_used : 1);
    for (const Weight* weight : {&l.gate, &l.up, &l.down, &l.gate_bias, &l.up_bias, &l.down_bias}) {
      if (*weight) total += weight->expert_bytes() * n_experts_read;
    }
  }
  return total;
}

}  // namespace conclave
