// Fills a ModelSpec from a file's metadata and its family's row; see spec.h, and keys.h for the checks.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/printable.h"
#include "model/attention_from_gguf.h"
#include "model/families.h"
#include "model/keys.h"
#include "model/spec.h"

namespace conclave {
namespace {

void read_groups(const Keys& keys, int n_experts, int n_experts_used, RouterSpec& router) {
  router.n_groups = keys.integer_or("expert_group_count", 0, kMaxExperts, 0);
  router.n_groups_used = keys.integer_or("expert_group_used_count", 0, kMaxExperts, router.n_groups);
  if (router.n_groups <= 1) return;
  if (n_experts % router.n_groups != 0 || router.n_groups_used < 1 || router.n_groups_used > router.n_groups || n_experts / router.n_groups * router.n_groups_used < n_experts_used) {
    bad_file("the file routes to " + std::to_string(n_experts_used) + " experts in " + std::to_string(router.n_groups_used) + " of " + std::to_string(router.n_groups) + " groups, which is impossible with " +
             std::to_string(n_experts) + " experts");
  }
}

RouterSpec read_router(const Keys& keys, const Family& family, const ModelSpec& spec, int n_experts, int n_experts_used) {
  RouterSpec router;
  router.score = family.score;
  router.order = family.order;
  const int gating = keys.integer_or("expert_gating_func", 0, 3, 0);   // 0: as the family does
  if (gating == 1 || gating == 2) router.order = RouterOrder::kBeforeTopK;
  if (gating == 1) router.score = RouterScore::kSoftmax;
  if (gating == 2) router.score = RouterScore::kSigmoid;
  if (gating == 3) router.order = RouterOrder::kAfterTopK;
  router.renormalise = gguf_bool_or(keys.file(), keys.name("expert_weights_norm"), family.renormalise);
  router.scale = keys.real_or("expert_weights_scale", 0.0, 1e3, 1.0);
  if (router.scale == 0.f) router.scale = 1.f;   // written by some converters for "none"
  read_groups(keys, n_experts, n_experts_used, router);
  router.jitter = family.jitter;
  router.own_input = router.expert_scale = family.gemma;
  if (family.gemma) router.logit_scale = 1.f / std::sqrt(static_cast<float>(spec.d_model));
  return router;
}

/// Mixed stacks: a layer with a dense ffn and no router is dense. A file without tensors (vocabulary only) has no say.
bool is_dense_layer(const GgufFile& file, int layer, int n_leading_dense) {
  if (layer < n_leading_dense) return true;
  return file.find_tensor(block_tensor(layer, "ffn_gate_inp")) == nullptr && file.find_tensor(block_tensor(layer, "ffn_up")) != nullptr;
}

int shared_width(const Keys& keys, int layer, int d_ff, int d_expert) {
  if (keys.has("expert_shared_count")) return keys.integer("expert_shared_count", 0, 64) * d_expert;
  if (keys.has("expert_shared_feed_forward_length")) return keys.integer("expert_shared_feed_forward_length", 0, kMaxFfnWidth);
  // Early converters left the key out; the shared expert is then as wide as the dense layer would be.
  return keys.file().find_tensor(block_tensor(layer, "ffn_up_shexp")) != nullptr ? d_ff : 0;
}

int checked_experts_used(const Keys& keys, int n_experts) {
  const int used = keys.integer("expert_used_count", 1, kMaxExpertsUsed);
  if (used > n_experts) bad_file("the file uses " + std::to_string(used) + " experts per token but has only " + std::to_string(n_experts));
  return used;
}

void read_layers(const Keys& keys, const Family& family, ModelSpec& spec) {
  const int n = spec.n_layers;
  const std::vector<AttentionSpec> attentions = read_attentions(keys, family, spec);
  const std::vector<int> d_ff = keys.per_layer("feed_forward_length", n + spec.n_predict_layers, 0, kMaxFfnWidth, 0);
  const int n_experts = family.experts == ExpertUse::kNever ? 0 : keys.integer_or("expert_count", 0, kMaxExperts, 0);
  if (family.experts == ExpertUse::kRequired && n_experts == 0) bad_file("a file of the architecture " + spec.architecture + " must say how many experts it has in '" + keys.name("expert_count") + "'");
  const int n_experts_used = n_experts > 0 ? checked_experts_used(keys, n_experts) : 0;
  const int n_leading_dense = keys.integer_or("leading_dense_block_count", 0, n, 0);
  const RouterSpec router = n_experts > 0 ? read_router(keys, family, spec, n_experts, n_experts_used) : RouterSpec{};

  for (int i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    LayerSpec layer;
    layer.attention = attentions[at];
    layer.ffn.activation = family.activation;
    layer.ffn.d_ff = d_ff[at];
    if (n_experts > 0 && !is_dense_layer(keys.file(), i, n_leading_dense)) {
      layer.ffn.kind = FfnKind::kMoe;
      layer.ffn.d_ff = keys.integer_or("expert_feed_forward_length", 1, kMaxFfnWidth, d_ff[at]);
      layer.ffn.n_experts = n_experts;
      layer.ffn.n_experts_used = n_experts_used;
      if (family.gemma) layer.ffn.d_ff_beside = d_ff[at];
      else layer.ffn.d_ff_shared = shared_width(keys, i, d_ff[at], layer.ffn.d_ff);
      layer.ffn.shared_gate = layer.ffn.d_ff_shared > 0 && family.shared_gate;
      layer.ffn.router = router;
    }
    if (layer.ffn.d_ff < 1) bad_file("the file does not say how wide the feed-forward of layer " + std::to_string(i) + " is ('" + keys.name("feed_forward_length") + "')");
    spec.layers.push_back(layer);
  }
}

int vocabulary_size(const Keys& keys) {
  if (keys.has("vocab_size")) return keys.integer("vocab_size", 1, kMaxVocab);
  int64_t n = 0;
  if (const GgufTensor* table = keys.file().find_tensor("token_embd.weight")) {
    n = table->dims[1];
  } else if (const GgufValue* value = keys.file().find("tokenizer.ggml.tokens")) {
    const auto* array = std::get_if<GgufArray>(value);
    const auto* tokens = array != nullptr ? std::get_if<std::vector<std::string>>(array) : nullptr;
    n = tokens != nullptr ? static_cast<int64_t>(tokens->size()) : 0;
  }
  if (n < 1 || n > kMaxVocab) bad_file("the vocabulary has " + std::to_string(n) + " tokens; 1 to " + std::to_string(kMaxVocab) + " are allowed");
  return static_cast<int>(n);
}

int special_token(const GgufFile& file, const char* key, int n_vocab) {
  const int64_t id = gguf_int_or(file, key, -1);
  if (id == -1 || id == 0xffffffff) return -1;   // both are written for "none"
  if (id < 0 || id >= n_vocab) bad_file(std::string("metadata key '") + key + "' is " + std::to_string(id) + ", but the vocabulary has " + std::to_string(n_vocab) + " tokens");
  return static_cast<int>(id);
}

bool is_expert_tensor(std::string_view name) { return name.find("_exps.") != std::string_view::npos; }

void count_parameters(const GgufFile& file, ModelSpec& spec) {
  int n_experts = 1, n_used = 1;
  for (const LayerSpec& layer : spec.layers) {
    if (layer.ffn.kind == FfnKind::kMoe) n_experts = layer.ffn.n_experts, n_used = layer.ffn.n_experts_used;
  }
  std::map<DType, uint64_t> bytes_by_type;
  for (const GgufTensor& tensor : file.tensors()) {
    // At most the file's size times the densest block's values per byte: far below 2^63.
    const int64_t n = tensor.dims[0] * tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
    spec.n_params += n;
    spec.n_params_active += is_expert_tensor(tensor.name) ? n / n_experts * n_used : n;
    if (tensor.n_dims > 1) bytes_by_type[tensor.type] += tensor.bytes;
  }
  uint64_t most = 0;
  for (const auto& [type, bytes] : bytes_by_type) {
    if (bytes <= most) continue;
    most = bytes;
    spec.quantisation = dtype_traits(type)->name;
  }
}

}  // namespace

ModelSpec spec_from_gguf(const GgufFile& file) {
  ModelSpec spec;
  spec.architecture = gguf_string(file, "general.architecture");
  const Family* family = find_family(spec.architecture);
  if (family == nullptr) {
    throw Error(ErrorCode::kUnsupported, "the model architecture '" + printable(spec.architecture) + "' is not supported yet; the nearest supported one is '" +
                                             nearest_family(spec.architecture).architecture + "'");
  }
  const Keys keys(file, spec.architecture);
  spec.name = gguf_string_or(file, "general.name", spec.architecture);
  spec.n_layers = keys.integer("block_count", 1, kMaxLayers);
  const int n_predict_layers = keys.integer_or("nextn_predict_layers", 0, kMaxLayers, 0);   // block_count includes them
  if (n_predict_layers >= spec.n_layers) bad_file("all " + std::to_string(spec.n_layers) + " layers are multi-token prediction layers");
  spec.n_predict_layers = n_predict_layers;
  spec.n_layers -= n_predict_layers;
  spec.d_model = keys.integer("embedding_length", 1, kMaxModelWidth);
  spec.n_vocab = vocabulary_size(keys);
  spec.context_trained = keys.integer("context_length", 1, kMaxContext);
  spec.norm = family->norm;
  const bool layer_eps = family->norm == NormKind::kLayer && !keys.has("attention.layer_norm_rms_epsilon");   // Phi's converters use the RMS key
  spec.norm_eps = keys.real(layer_eps ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 0.0, 1.0);
  spec.post_norms = family->gemma;
  spec.ffn_norm_tensor = family->ffn_norm_tensor;
  spec.embedding_scale = keys.real_or("embedding_scale", 1e-6, 1e6, family->gemma ? std::sqrt(static_cast<double>(spec.d_model)) : 1.0);
  spec.residual_scale = keys.real_or("residual_scale", 1e-6, 1e6, 1.0);
  spec.logit_scale = 1.f / keys.real_or("logit_scale", 1e-6, 1e6, 1.0);   // the key is a divisor
  spec.logit_softcap = keys.real_or("final_logit_softcapping", 0.0, 1e6, 0.0);
  spec.tied_embeddings = file.find_tensor("output.weight") == nullptr;
  spec.bos_token = special_token(file, "tokenizer.ggml.bos_token_id", spec.n_vocab);
  spec.eos_token = special_token(file, "tokenizer.ggml.eos_token_id", spec.n_vocab);
  if (keys.integer_or("embedding_length_per_layer_input", 0, kMaxModelWidth, 0) > 0) throw Error(ErrorCode::kUnsupported, "embeddings per layer ('" + keys.name("embedding_length_per_layer_input") + "') are not supported yet");
  if (keys.integer_or("attention.shared_kv_layers", 0, kMaxLayers, 0) > 0) throw Error(ErrorCode::kUnsupported, "layers that share keys and values ('" + keys.name("attention.shared_kv_layers") + "') are not supported yet");
  read_layers(keys, *family, spec);
  count_parameters(file, spec);
  return spec;
}

}  // namespace conclave
