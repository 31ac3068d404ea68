// See hf_dflash.h. Facts: the config.json and tensor names of the published drafters, and the keys of llama.cpp's `dflash` files,
// whose target layers count from one.
#include "convert/hf_dflash.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"
#include "base/printable.h"
#include "convert/hf_derived.h"

namespace conclave {
namespace {

constexpr const char* kPrefix = "dflash.";

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::kBadFile, what); }
[[noreturn]] void unsupported(const std::string& what) { throw Error(ErrorCode::kUnsupported, what); }

struct Rule {
  const char* source;
  const char* target;
};
constexpr Rule kOutside[] = {{"fc.weight", "fc.weight"}, {"hidden_norm.weight", "enc.output_norm.weight"}, {"norm.weight", "output_norm.weight"}};
constexpr Rule kInLayer[] = {
    {"input_layernorm.weight", "attn_norm.weight"},       {"post_attention_layernorm.weight", "ffn_norm.weight"}, {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},         {"self_attn.v_proj.weight", "attn_v.weight"},           {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},    {"self_attn.k_norm.weight", "attn_k_norm.weight"},      {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},              {"mlp.down_proj.weight", "ffn_down.weight"},
};
/// Copies of what the target has, and angles that everyone computes.
bool is_the_targets(std::string_view name) { return name == "embed_tokens.weight" || name == "lm_head.weight" || name.ends_with("rotary_emb.inv_freq"); }

bool is_true(const Json* value) { return hf_is_set(value) && value->boolean() != nullptr && *value->boolean(); }

double real_of(const Json& json, const char* key, double fallback) {
  const Json* value = json.find(key);
  if (hf_is_set(value) && !value->number(fallback)) bad(std::string("config.json's '") + key + "' is not a number");
  return fallback;
}

/// Of the drafter's own part, or of the whole.
const Json* either(const Json& own, const Json& config, const char* key) { return hf_is_set(own.find(key)) ? own.find(key) : config.find(key); }

void refuse_variants(const Json& config, const Json& own) {
  for (const Json& name : config.find("architectures") != nullptr && config.find("architectures")->array() != nullptr ? *config.find("architectures")->array() : Json::Array{}) {
    if (name.text() != nullptr && *name.text() != "DFlashDraftModel") unsupported("drafters of the kind '" + printable(*name.text()) + "' cannot be converted yet; DFlashDraftModel can");
  }
  if (hf_is_set(config.find("quantization_config"))) unsupported("config.json sets 'quantization_config', which is not supported");
  if (is_true(config.find("attention_bias"))) unsupported("config.json sets 'attention_bias', which drafters cannot have yet");
  const Json* scaling = config.find("rope_scaling");
  const Json* type = hf_is_set(scaling) ? scaling->find("rope_type") : nullptr;
  if (hf_is_set(scaling) && !(hf_is_set(type) && type->text() != nullptr && *type->text() == "default")) unsupported("config.json sets 'rope_scaling', which drafters cannot have yet");
  for (const char* key : {"attention_value_scale", "input_embedding_scale", "output_multiplier"}) {
    if (real_of(own, key, 1) != 1) unsupported(std::string("config.json sets '") + key + "', which belongs to a variant of block diffusion that is not supported yet");
  }
}

double rope_base(const Json& config, const Json& own) {
  const Json* parameters = config.find("rope_parameters");
  const double base = real_of(hf_is_set(parameters) ? *parameters : config, "rope_theta", 10000);
  return real_of(own, "backbone_rotary_base", base);
}

/// Which layers see a window only, and how wide it is.
void append_windows(const Json& config, const Json& own, int64_t n_layers, std::vector<GgufEntry>& out) {
  const std::string prefix = kPrefix;
  if (is_true(own.find("use_swa"))) {
    out.push_back(u32_entry(prefix + "attention.sliding_window", hf_number(own, "swa_window_size")));
    return;
  }
  const Json *types = config.find("layer_types"), *uses = config.find("use_sliding_window");
  if (hf_is_set(uses) && !is_true(uses)) return;
  std::vector<bool> sliding;
  if (hf_is_set(types) && types->array() != nullptr) {
    for (const Json& type : *types->array()) sliding.push_back(type.text() != nullptr && *type.text() == "sliding_attention");
    if (static_cast<int64_t>(sliding.size()) != n_layers) bad("config.json has a list 'layer_types' of " + std::to_string(sliding.size()) + " for " + std::to_string(n_layers) + " layers");
  }
  if (std::find(sliding.begin(), sliding.end(), true) == sliding.end()) return;
  out.push_back(u32_entry(prefix + "attention.sliding_window", hf_number(config, "sliding_window")));
  out.push_back(array_entry(prefix + "attention.sliding_window_pattern", sliding));
}

void append_taps(const Json& own, std::vector<GgufEntry>& out) {
  const Json* ids = own.find("target_layer_ids");
  if (!hf_is_set(ids)) return;   // a loader then spreads them as the paper does
  if (ids->array() == nullptr) bad("config.json's 'target_layer_ids' is not a list");
  std::vector<int64_t> from_one;
  for (const Json& id : *ids->array()) {
    if (id.whole() == nullptr || *id.whole() < 0 || *id.whole() > 4096) bad("config.json's 'target_layer_ids' holds something that is no layer");
    from_one.push_back(*id.whole() + 1);
  }
  out.push_back(array_entry(std::string(kPrefix) + "target_layers", from_one));
}

std::vector<GgufEntry> metadata_of(const Json& config, const std::string& name) {
  const Json& own = hf_is_set(config.find("dflash_config")) ? *config.find("dflash_config") : config;
  refuse_variants(config, own);
  const std::string prefix = kPrefix;
  const int64_t n_layers = hf_number(config, "num_hidden_layers"), n_heads = hf_number(config, "num_attention_heads"), width = hf_number(config, "hidden_size");
  const int64_t d_head = hf_number(config, "head_dim", std::max<int64_t>(1, width / n_heads));
  std::vector<GgufEntry> out{string_entry("general.architecture", "dflash"), string_entry("general.name", name)};
  out.push_back(u32_entry(prefix + "block_count", n_layers));
  out.push_back(u32_entry(prefix + "context_length", hf_number(config, "max_position_embeddings", 4096)));
  out.push_back(u32_entry(prefix + "embedding_length", width));
  out.push_back(u32_entry(prefix + "feed_forward_length", hf_number(config, "intermediate_size")));
  out.push_back(u32_entry(prefix + "attention.head_count", n_heads));
  out.push_back(u32_entry(prefix + "attention.head_count_kv", hf_number(config, "num_key_value_heads", n_heads)));
  out.push_back(u32_entry(prefix + "attention.key_length", d_head));
  out.push_back(u32_entry(prefix + "attention.value_length", d_head));
  out.push_back(f32_entry(prefix + "attention.layer_norm_rms_epsilon", real_of(config, "rms_norm_eps", 1e-6)));
  out.push_back(f32_entry(prefix + "rope.freq_base", rope_base(config, own)));
  if (const double part = real_of(config, "partial_rotary_factor", 1); part != 1) out.push_back(u32_entry(prefix + "rope.dimension_count", static_cast<int64_t>(static_cast<double>(d_head) * part)));
  const Json* block = either(own, config, "block_size");
  if (!hf_is_set(block) || block->whole() == nullptr || *block->whole() < 2 || *block->whole() > 64) bad("config.json's 'block_size' must be 2 to 64");
  out.push_back(u32_entry(prefix + "block_size", *block->whole()));
  append_taps(own, out);
  const Json* causal = hf_is_set(own.find("causal")) ? own.find("causal") : config.find("is_causal");
  if (hf_is_set(causal) && causal->boolean() != nullptr) out.push_back(bool_entry(prefix + "attention.causal", *causal->boolean()));
  append_windows(config, own, n_layers, out);
  const Json* mask = either(own, config, "mask_token_id");
  if (!hf_is_set(mask) || mask->whole() == nullptr || *mask->whole() < 0 || *mask->whole() > (1 << 24)) bad("config.json lacks the number 'mask_token_id'");
  out.push_back(u32_entry("tokenizer.ggml.mask_token_id", *mask->whole()));
  return out;
}

/// The GGUF name of a tensor; empty: it is the target's.
std::string target_name(const SafeTensor& tensor, int64_t n_layers) {
  std::string_view rest = tensor.name;
  if (rest.starts_with("model.")) rest.remove_prefix(6);
  if (is_the_targets(rest)) return {};
  const auto find = [&](std::span<const Rule> rules, std::string_view name, const std::string& block) {
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& known) { return name == known.source; });
    if (rule == rules.end()) unsupported("tensor '" + printable(tensor.name) + "' is not known; converting without it would make another drafter");
    return block + rule->target;
  };
  if (!rest.starts_with("layers.")) return find(kOutside, rest, "");
  rest.remove_prefix(7);
  int64_t layer = -1;
  const auto number = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
  if (number.ec != std::errc{} || layer < 0 || layer >= n_layers) bad("tensor '" + printable(tensor.name) + "' belongs to a layer where config.json has " + std::to_string(n_layers));
  rest.remove_prefix(static_cast<size_t>(number.ptr - rest.data()));
  return find(kInLayer, rest.starts_with('.') ? rest.substr(1) : rest, "blk." + std::to_string(layer) + ".");
}

SourceTensor as_it_is(const SafeTensor& tensor, const std::string& name) {
  if (tensor.type == nullptr || (tensor.type->type != DType::kF32 && tensor.type->type != DType::kF16 && tensor.type->type != DType::kBF16)) {
    unsupported("tensor '" + printable(tensor.name) + "' is stored as " + tensor.type_name + "; F32, F16 and BF16 can be converted");
  }
  if (tensor.shape.empty() || tensor.shape.size() > 2 || std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0) bad("tensor '" + printable(tensor.name) + "' is no vector and no matrix");
  SourceTensor out{.name = name, .type = tensor.type->type, .dims = {tensor.shape.rbegin(), tensor.shape.rend()}, .parts = {}};
  out.parts.push_back({tensor.bytes.data(), out.n_rows()});
  return out;
}

}  // namespace

bool is_hf_dflash(const Json& config) {
  if (hf_is_set(config.find("dflash_config"))) return true;
  const Json* names = config.find("architectures");
  if (!hf_is_set(names) || names->array() == nullptr) return false;
  return std::any_of(names->array()->begin(), names->array()->end(), [](const Json& name) { return name.text() != nullptr && name.text()->starts_with("DFlash"); });
}

SourceModel open_hf_dflash(const std::string& folder, const Json& config, const std::string& name) {
  SourceModel model;
  model.metadata = metadata_of(config, name);
  model.safetensors = Safetensors::open(folder);
  const int64_t n_layers = hf_number(config, "num_hidden_layers");
  std::map<std::string, SourceTensor> tensors;
  for (const SafeTensor& tensor : model.safetensors->tensors()) {
    const std::string target = target_name(tensor, n_layers);
    if (!target.empty() && !tensors.try_emplace(target, as_it_is(tensor, target)).second) bad("tensor '" + printable(tensor.name) + "' is there under two names");
  }
  for (const Rule& rule : kOutside) {
    if (!tensors.contains(rule.target)) bad(std::string("the folder lacks the tensor '") + rule.source + "'");
  }
  for (auto& [target, tensor] : tensors) model.tensors.push_back(std::move(tensor));
  return model;
}

}  // namespace conclave
