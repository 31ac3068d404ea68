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

void bind_attention(Binder& binder, const std::string& block, const ModelSpec& spec, const AttentionSpec& attention, LayerWeights& layer) {
  const int64_t d = spec.d_model, d_q = int64_t{attention.n_heads} * attention.d_k;
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
    layer.wv = binder.matrix(block + "attn_v.weight", d, d_v);
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
  const RopeSpec& rope = spec.layers.front().attention.rope;
  if (rope.scaling == RopeScaling::kLlama3Factors) weights.rope_freqs = binder.vector("rope_freqs.weight", rope.n_dims / 2);
  weights.layers.resize(static_cast<size_t>(spec.n_layers));
  for (int i = 0; i < spec.n_layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    const LayerSpec& layer_spec = spec.layers[static_cast<size_t>(i)];
    LayerWeights& layer = weights.layers[static_cast<size_t>(i)];
    layer.attn_norm = binder.vector(block + "attn_norm.weight", d);
    layer.attn_norm_bias = binder.optional_vector(block + "attn_norm.bias", d);
    bind_attention(binder, block, spec, layer_spec.attention, layer);
    layer.ffn_norm = binder.vector(block + "ffn_norm.weight", d);
    layer.ffn_norm_bias = binder.optional_vector(block + "ffn_norm.bias", d);
    bind_ffn(binder, block, spec, layer_spec.ffn, layer);
    if (spec.post_norms) {
      layer.attn_post_norm = binder.vector(block + "post_attention_norm.weight", d);
      layer.ffn_post_norm = binder.vector(block + "post_ffw_norm.weight", d);
    }
  }
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
                                 &l.shared_output_gate, &l.attn_post_norm, &l.ffn_post_norm}) {
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
