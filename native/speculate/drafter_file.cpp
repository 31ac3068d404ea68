// Reading a drafter's file; see drafter_file.h.
#include "speculate/drafter_file.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/printable.h"

namespace conclave {

namespace {

constexpr int64_t kMaxWidth = 1 << 17, kMaxFfn = 1 << 20, kMaxHeads = 1024, kMaxHeadWidth = 1024, kMaxDraftLayers = 128, kMaxContext = 1 << 28;

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::kBadFile, "the drafter's file: " + what); }

std::string shape(int64_t d_in, int64_t d_out) { return std::string("[").append(std::to_string(d_in)).append(d_out == 1 ? "" : ", " + std::to_string(d_out)).append("]"); }

}  // namespace

DrafterFile::DrafterFile(const std::string& path) : file_(GgufFile::open(path)), architecture_(gguf_string(*file_, "general.architecture")) {}

int DrafterFile::integer(std::string_view name, int64_t low, int64_t high) const {
  const int64_t value = gguf_int(*file_, key(name));
  if (value < low || value > high) bad(quoted(name) + " is " + std::to_string(value) + "; " + std::to_string(low) + " to " + std::to_string(high) + " is allowed");
  return static_cast<int>(value);
}

float DrafterFile::real_or(std::string_view name, double low, double high, double fallback) const {
  if (!has(name)) return static_cast<float>(fallback);
  const double value = gguf_float(*file_, key(name));
  if (!(value >= low && value <= high)) bad(quoted(name) + " is " + std::to_string(value) + "; " + std::to_string(low) + " to " + std::to_string(high) + " is allowed");
  return static_cast<float>(value);
}

std::vector<int64_t> DrafterFile::integers(std::string_view name) const {
  const GgufValue* value = file_->find(key(name));
  const auto* array = value != nullptr ? std::get_if<GgufArray>(value) : nullptr;
  if (array == nullptr) bad(quoted(name) + " is missing or no array");
  if (const auto* flags = std::get_if<std::vector<bool>>(array)) return {flags->begin(), flags->end()};
  const auto* numbers = std::get_if<std::vector<int64_t>>(array);
  if (numbers == nullptr) bad(quoted(name) + " is no array of whole numbers");
  return *numbers;
}

const GgufTensor& DrafterFile::find(std::initializer_list<std::string> names, int64_t d_in, int64_t d_out) {
  for (const std::string& name : names) {
    const GgufTensor* tensor = file_->find_tensor(name);
    if (tensor == nullptr) continue;
    if (tensor->dims[0] != d_in || tensor->dims[1] != d_out || tensor->dims[2] != 1 || tensor->dims[3] != 1) {
      bad("tensor '" + printable(name) + "' has the shape " + shape(tensor->dims[0], tensor->dims[1]) + " but " + shape(d_in, d_out) + " is expected");
    }
    used_.insert(tensor->name);
    return *tensor;
  }
  bad("the tensor '" + printable(*names.begin()) + "' is missing");
}

Weight DrafterFile::matrix(std::initializer_list<std::string> names, int64_t d_in, int64_t d_out) {
  const GgufTensor& tensor = find(names, d_in, d_out);
  if (!dtype_traits(tensor.type)->computable) {
    throw Error(ErrorCode::kUnsupported, "tensor '" + printable(tensor.name) + "' of the drafter is stored as " + dtype_traits(tensor.type)->name + ", which is not supported yet; choose another quantisation of it");
  }
  return {.data = tensor.data, .type = tensor.type, .d_in = d_in, .d_out = d_out, .n_experts = 1, .name = tensor.name.c_str()};
}

Weight DrafterFile::vector(std::initializer_list<std::string> names, int64_t d) {
  const GgufTensor& tensor = find(names, d, 1);
  if (tensor.type != DType::kF32) bad("tensor '" + printable(tensor.name) + "' is stored as " + dtype_traits(tensor.type)->name + " but must be F32");
  return {.data = tensor.data, .type = tensor.type, .d_in = d, .d_out = 1, .n_experts = 1, .name = tensor.name.c_str()};
}

void DrafterFile::check_all_used(std::initializer_list<std::string_view> spared) const {
  for (const GgufTensor& tensor : file_->tensors()) {
    if (used_.contains(tensor.name) || std::find(spared.begin(), spared.end(), tensor.name) != spared.end()) continue;
    throw Error(ErrorCode::kUnsupported, "tensor '" + printable(tensor.name) + "' belongs to a variant of the drafter '" + printable(architecture_) + "' that is not supported yet");
  }
}

ModelSpec DrafterFile::read_layers() const {
  ModelSpec spec;
  spec.architecture = architecture_;
  spec.name = gguf_string_or(*file_, "general.name", architecture_);
  spec.n_layers = integer("block_count", 1, kMaxDraftLayers);
  spec.d_model = integer("embedding_length", 1, kMaxWidth);
  spec.context_trained = integer_or("context_length", 1, kMaxContext, 4096);
  spec.norm_eps = real_or("attention.layer_norm_rms_epsilon", 0, 1, 1e-6);
  LayerSpec layer;
  AttentionSpec& attention = layer.attention;
  attention.n_heads = integer("attention.head_count", 1, kMaxHeads);
  attention.n_kv_heads = integer_or("attention.head_count_kv", 1, kMaxHeads, attention.n_heads);
  if (attention.n_heads % attention.n_kv_heads != 0) bad(std::to_string(attention.n_heads) + " attention heads are not divided by " + std::to_string(attention.n_kv_heads) + " key-value heads");
  attention.d_k = integer_or("attention.key_length", 2, kMaxHeadWidth, std::max(2, spec.d_model / attention.n_heads));
  attention.d_v = integer_or("attention.value_length", 1, kMaxHeadWidth, attention.d_k);
  attention.qk_norm = QkNorm::kPerHead;
  attention.scale = 1.f / std::sqrt(static_cast<float>(attention.d_k));
  attention.rope = {.style = RopeStyle::kHalves, .n_dims = integer_or("rope.dimension_count", 2, attention.d_k, attention.d_k), .base = real_or("rope.freq_base", 1, 1e12, 1e6)};
  if (attention.rope.n_dims % 2 != 0) bad(quoted("rope.dimension_count") + " is odd, but dimensions rotate in pairs");
  layer.ffn.d_ff = integer("feed_forward_length", 1, kMaxFfn);
  spec.layers.assign(static_cast<size_t>(spec.n_layers), layer);
  return spec;
}

void DrafterFile::bind_layers(const ModelSpec& spec, ModelWeights& weights) {
  const int64_t d = spec.d_model;
  weights.output_norm = vector({"output_norm.weight"}, d);
  if (has_tensor("mask_embd.weight")) weights.mask_embd = vector({"mask_embd.weight"}, d);
  weights.layers.resize(spec.layers.size());
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const AttentionSpec& a = spec.layers[i].attention;
    const int64_t d_ff = spec.layers[i].ffn.d_ff;
    const std::string block = "blk." + std::to_string(i) + ".";
    LayerWeights& layer = weights.layers[i];
    layer.attn_norm = vector({block + "attn_norm.weight"}, d);
    layer.wq = matrix({block + "attn_q.weight"}, d, int64_t{a.n_heads} * a.d_k);
    layer.wk = matrix({block + "attn_k.weight"}, d, int64_t{a.n_kv_heads} * a.d_k);
    layer.wv = matrix({block + "attn_v.weight"}, d, int64_t{a.n_kv_heads} * a.d_v);
    layer.wo = matrix({block + "attn_output.weight"}, int64_t{a.n_heads} * a.d_v, d);
    layer.q_norm = vector({block + "attn_q_norm.weight"}, a.d_k);
    layer.k_norm = vector({block + "attn_k_norm.weight"}, a.d_k);
    layer.ffn_norm = vector({block + "ffn_norm.weight", block + "post_attention_norm.weight"}, d);
    layer.gate = matrix({block + "ffn_gate.weight"}, d, d_ff);
    layer.up = matrix({block + "ffn_up.weight"}, d, d_ff);
    layer.down = matrix({block + "ffn_down.weight"}, d_ff, d);
  }
}

}  // namespace conclave
