// Fills a ModelSpec from a file's metadata and its family's row; see spec.h. Every number is checked against a range far
// above any real model before anything is computed from it, so that products in later code cannot overflow.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/printable.h"
#include "formats/gguf.h"
#include "model/families.h"
#include "model/spec.h"

namespace conclave {
namespace {

constexpr int64_t kMaxLayers = 1024, kMaxHeads = 1024, kMaxHeadWidth = 1024, kMaxModelWidth = 1 << 17, kMaxFfnWidth = 1 << 20;
constexpr int64_t kMaxExperts = 4096, kMaxExpertsUsed = 128, kMaxVocab = 1 << 22, kMaxContext = 1 << 28;

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::kBadFile, what); }

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

/// The metadata under the architecture's prefix, with ranges.
class Keys {
 public:
  Keys(const GgufFile& file, std::string architecture) : file_(file), prefix_(std::move(architecture) + ".") {}

  std::string name(const char* key) const { return prefix_ + key; }
  bool has(const char* key) const { return file_.find(name(key)) != nullptr; }
  const GgufFile& file() const { return file_; }

  int integer(const char* key, int64_t low, int64_t high) const { return checked(name(key), gguf_int(file_, name(key)), low, high); }
  int integer_or(const char* key, int64_t low, int64_t high, int64_t fallback) const {
    return has(key) ? integer(key, low, high) : static_cast<int>(fallback);
  }
  std::vector<int> per_layer(const char* key, int n_layers, int64_t low, int64_t high, int64_t fallback) const {
    std::vector<int> out;
    for (const int64_t value : gguf_ints_per_layer(file_, name(key), n_layers, fallback)) out.push_back(checked(name(key), value, low, high));
    return out;
  }
  float real(const char* key, double low, double high) const {
    const double value = gguf_float(file_, name(key));
    if (!(value >= low && value <= high)) bad("metadata key '" + name(key) + "' is " + shown(value) + "; " + shown(low) + " to " + shown(high) + " is allowed");
    return static_cast<float>(value);
  }
  float real_or(const char* key, double low, double high, double fallback) const { return has(key) ? real(key, low, high) : static_cast<float>(fallback); }

 private:
  static int checked(const std::string& key, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high) {
      bad("metadata key '" + key + "' is " + std::to_string(value) + "; " + std::to_string(low) + " to " + std::to_string(high) + " is allowed");
    }
    return static_cast<int>(value);
  }

  const GgufFile& file_;
  std::string prefix_;
};

std::string block_tensor(int layer, const char* name) { return "blk." + std::to_string(layer) + "." + name + ".weight"; }

RopeSpec read_rope(const Keys& keys, const Family& family, int d_k) {
  RopeSpec rope;
  rope.style = family.rope;
  rope.n_dims = keys.integer_or("rope.dimension_count", 2, d_k, d_k);
  if (rope.n_dims % 2 != 0) bad("metadata key '" + keys.name("rope.dimension_count") + "' is " + std::to_string(rope.n_dims) + ", but dimensions rotate in pairs");
  rope.base = keys.real_or("rope.freq_base", 1.0, 1e12, 10000.0);
  const std::string type = gguf_string_or(keys.file(), keys.name("rope.scaling.type"), "none");
  rope.original_context = keys.integer_or("rope.scaling.original_context_length", 0, kMaxContext, 0);
  rope.factor = keys.real_or("rope.scaling.factor", 0.0, 1e6, 1.0);
  if (rope.factor == 0.f) rope.factor = 1.f;   // written by some converters for "none"
  if (type == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    if (rope.original_context < 1) bad("the file uses YaRN but lacks '" + keys.name("rope.scaling.original_context_length") + "'");
    rope.ext_factor = keys.real_or("rope.scaling.yarn_ext_factor", 0.0, 100.0, 1.0);
    rope.beta_fast = keys.real_or("rope.scaling.yarn_beta_fast", 0.0, 1e6, 32.0);
    rope.beta_slow = keys.real_or("rope.scaling.yarn_beta_slow", 0.0, 1e6, 1.0);
    const float stated = keys.real_or("rope.scaling.yarn_attn_factor", 0.0, 1e3, keys.real_or("rope.scaling.attn_factor", 0.0, 1e3, 1.0));
    rope.attn_factor = stated * (1.f + 0.1f * std::log(std::max(1.f, rope.factor)));   // mscale of Peng et al. 2023, section 3.4
  } else if (type != "none") {
    throw Error(ErrorCode::kUnsupported, "position scaling '" + printable(type) + "' is not supported yet; none, linear and yarn are");
  } else if (keys.file().find_tensor("rope_freqs.weight") != nullptr) {
    rope.scaling = RopeScaling::kLlama3Factors;
  }
  return rope;
}

AttentionSpec read_attention(const Keys& keys, const Family& family, int d_model, int n_heads, int n_kv_heads, int layer) {
  AttentionSpec attention;
  attention.n_heads = n_heads;
  attention.n_kv_heads = n_kv_heads;
  if (n_heads % n_kv_heads != 0) {
    bad("layer " + std::to_string(layer) + " has " + std::to_string(n_heads) + " attention heads, which " + std::to_string(n_kv_heads) + " key-value heads do not divide");
  }
  if (!keys.has("attention.key_length") && d_model % n_heads != 0) {
    bad("a width of " + std::to_string(d_model) + " does not divide into " + std::to_string(n_heads) + " heads and the file lacks '" + keys.name("attention.key_length") + "'");
  }
  attention.d_k = keys.integer_or("attention.key_length", 1, kMaxHeadWidth, d_model / n_heads);
  if (attention.d_k < 2 || attention.d_k > kMaxHeadWidth) bad("heads of width " + std::to_string(attention.d_k) + " are not supported");
  attention.d_v = keys.integer_or("attention.value_length", 1, kMaxHeadWidth, attention.d_k);
  attention.qk_norm = family.qk_norm;
  attention.scale = keys.real_or("attention.scale", 0.0, 1e3, 0.0);
  if (attention.scale == 0.f) attention.scale = 1.f / std::sqrt(static_cast<float>(attention.d_k));
  attention.rope = read_rope(keys, family, attention.d_k);
  return attention;
}

RouterSpec read_router(const Keys& keys, const Family& family) {
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
  router.n_groups = keys.integer_or("expert_group_count", 0, kMaxExperts, 0);
  router.n_groups_used = keys.integer_or("expert_group_used_count", 0, kMaxExperts, 0);
  if (router.n_groups > 1) throw Error(ErrorCode::kUnsupported, "routing in groups of experts ('" + keys.name("expert_group_count") + "') is not supported yet");
  return router;
}

/// Mixed stacks: a layer with a dense ffn and no router is dense. A file without tensors (vocabulary only) has no say.
bool is_dense_layer(const GgufFile& file, int layer, int n_leading_dense) {
  if (layer < n_leading_dense) return true;
  return file.find_tensor(block_tensor(layer, "ffn_gate_inp")) == nullptr && file.find_tensor(block_tensor(layer, "ffn_up")) != nullptr;
}

int shared_width(const Keys& keys, int layer, int d_ff) {
  if (keys.has("expert_shared_feed_forward_length")) return keys.integer("expert_shared_feed_forward_length", 0, kMaxFfnWidth);
  // Early converters left the key out; the shared expert is then as wide as the dense layer would be.
  return keys.file().find_tensor(block_tensor(layer, "ffn_up_shexp")) != nullptr ? d_ff : 0;
}

int checked_experts_used(const Keys& keys, int n_experts) {
  const int used = keys.integer("expert_used_count", 1, kMaxExpertsUsed);
  if (used > n_experts) bad("the file uses " + std::to_string(used) + " experts per token but has only " + std::to_string(n_experts));
  return used;
}

void read_layers(const Keys& keys, const Family& family, ModelSpec& spec) {
  const int n = spec.n_layers;
  const std::vector<int> heads = keys.per_layer("attention.head_count", n, 1, kMaxHeads, 0);
  const std::vector<int> kv_heads = keys.has("attention.head_count_kv") ? keys.per_layer("attention.head_count_kv", n, 1, kMaxHeads, 0) : heads;
  const std::vector<int> d_ff = keys.per_layer("feed_forward_length", n, 0, kMaxFfnWidth, 0);
  const int n_experts = family.experts == ExpertUse::kNever ? 0 : keys.integer_or("expert_count", 0, kMaxExperts, 0);
  if (family.experts == ExpertUse::kRequired && n_experts == 0) bad("a file of the architecture " + spec.architecture + " must say how many experts it has in '" + keys.name("expert_count") + "'");
  const int n_experts_used = n_experts > 0 ? checked_experts_used(keys, n_experts) : 0;
  const int n_leading_dense = keys.integer_or("leading_dense_block_count", 0, n, 0);
  const RouterSpec router = n_experts > 0 ? read_router(keys, family) : RouterSpec{};

  for (int i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    LayerSpec layer;
    layer.attention = read_attention(keys, family, spec.d_model, heads[at], kv_heads[at], i);
    layer.ffn.activation = family.activation;
    layer.ffn.d_ff = d_ff[at];
    if (n_experts > 0 && !is_dense_layer(keys.file(), i, n_leading_dense)) {
      layer.ffn.kind = FfnKind::kMoe;
      layer.ffn.d_ff = keys.integer_or("expert_feed_forward_length", 1, kMaxFfnWidth, d_ff[at]);
      layer.ffn.n_experts = n_experts;
      layer.ffn.n_experts_used = n_experts_used;
      layer.ffn.d_ff_shared = shared_width(keys, i, d_ff[at]);
      layer.ffn.shared_gate = layer.ffn.d_ff_shared > 0 && family.shared_gate;
      layer.ffn.router = router;
    }
    if (layer.ffn.d_ff < 1) bad("the file does not say how wide the feed-forward of layer " + std::to_string(i) + " is ('" + keys.name("feed_forward_length") + "')");
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
  if (n < 1 || n > kMaxVocab) bad("the vocabulary has " + std::to_string(n) + " tokens; 1 to " + std::to_string(kMaxVocab) + " are allowed");
  return static_cast<int>(n);
}

int special_token(const GgufFile& file, const char* key, int n_vocab) {
  const int64_t id = gguf_int_or(file, key, -1);
  if (id == -1 || id == 0xffffffff) return -1;   // both are written for "none"
  if (id < 0 || id >= n_vocab) bad(std::string("metadata key '") + key + "' is " + std::to_string(id) + ", but the vocabulary has " + std::to_string(n_vocab) + " tokens");
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
  if (n_predict_layers >= spec.n_layers) bad("all " + std::to_string(spec.n_layers) + " layers are multi-token prediction layers");
  if (n_predict_layers > 0) throw Error(ErrorCode::kUnsupported, "multi-token prediction layers ('" + keys.name("nextn_predict_layers") + "') are not supported yet");
  spec.d_model = keys.integer("embedding_length", 1, kMaxModelWidth);
  spec.n_vocab = vocabulary_size(keys);
  spec.context_trained = keys.integer("context_length", 1, kMaxContext);
  spec.norm = family->norm;
  spec.norm_eps = keys.real(family->norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 0.0, 1.0);
  spec.embedding_scale = keys.real_or("embedding_scale", 1e-6, 1e6, 1.0);
  spec.residual_scale = keys.real_or("residual_scale", 1e-6, 1e6, 1.0);
  spec.logit_scale = 1.f / keys.real_or("logit_scale", 1e-6, 1e6, 1.0);   // the key is a divisor
  spec.logit_softcap = keys.real_or("final_logit_softcapping", 0.0, 1e6, 0.0);
  spec.tied_embeddings = file.find_tensor("output.weight") == nullptr;
  spec.bos_token = special_token(file, "tokenizer.ggml.bos_token_id", spec.n_vocab);
  spec.eos_token = special_token(file, "tokenizer.ggml.eos_token_id", spec.n_vocab);
  read_layers(keys, *family, spec);
  count_parameters(file, spec);
  return spec;
}

}  // namespace conclave
