// See hf_derived.h. Facts: each family's published config.json and the keys that GGUF's converters write for it.
#include "convert/hf_derived.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"

namespace conclave {
namespace {

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::kBadFile, "config.json " + what); }
[[noreturn]] void unsupported(const std::string& what) { throw Error(ErrorCode::kUnsupported, "config.json " + what); }

std::string text_of(const Json& config, const char* key) {
  const Json* value = config.find(key);
  return value != nullptr && value->text() != nullptr ? *value->text() : std::string();
}

bool is_true(const Json* value) { return value != nullptr && value->boolean() != nullptr && *value->boolean(); }

/// Which layers `layer_types` calls `kind`; empty where it is absent.
std::vector<bool> layers_of(const Json& config, std::string_view kind) {
  const Json* types = config.find("layer_types");
  std::vector<bool> out;
  if (!hf_is_set(types)) return out;
  if (types->array() == nullptr || static_cast<int64_t>(types->array()->size()) != hf_number(config, "num_hidden_layers")) bad("has a list 'layer_types' of another length than 'num_hidden_layers'");
  for (const Json& type : *types->array()) out.push_back(type.text() != nullptr && *type.text() == kind);
  return out;
}

/// The part of the dimensions that turn, from the newer place or the older.
double turning_part(const Json& config, const Json* rope, double fallback) {
  const Json* value = hf_is_set(rope) ? rope->find("partial_rotary_factor") : nullptr;
  if (!hf_is_set(value)) value = config.find("partial_rotary_factor");
  double part = fallback;
  if (hf_is_set(value) && !value->number(part)) bad("has a 'partial_rotary_factor' that is not a number");
  if (!(part > 0 && part <= 1)) bad("has a 'partial_rotary_factor' outside 0 to 1");
  return part;
}

double base_of(const Json& rope, double fallback) {
  const Json* value = rope.find("rope_theta");
  if (hf_is_set(value) && !value->number(fallback)) bad("has a 'rope_theta' that is not a number");
  return fallback;
}

}  // namespace

bool hf_is_set(const Json* value) { return value != nullptr && !value->is_null(); }

int64_t hf_number(const Json& config, const char* key, int64_t fallback) {
  const Json* value = config.find(key);
  if (!hf_is_set(value)) {
    if (fallback == 0) bad(std::string("lacks '") + key + "'");
    return fallback;
  }
  if (value->whole() == nullptr || *value->whole() < 1 || *value->whole() > (1 << 24)) bad(std::string("'s '") + key + "' is not a whole number from 1 to " + std::to_string(1 << 24));
  return *value->whole();
}

SourceTensor hf_table(const std::string& name, std::vector<float> values) {
  const auto n = static_cast<int64_t>(values.size());
  return {.name = name, .type = DType::kF32, .dims = {n}, .parts = {}, .make_row = [values = std::move(values)](int64_t, float* out) { std::copy(values.begin(), values.end(), out); }};
}

/// Latent attention in the layout that keeps the latent alone: one key head, as wide as the latent and the rotated part.
void derive_deepseek(const Json& config, const std::string& prefix, SourceModel& out) {
  const int64_t latent = hf_number(config, "kv_lora_rank"), nope = hf_number(config, "qk_nope_head_dim"), rope = hf_number(config, "qk_rope_head_dim");
  const Json* pairs = config.find("rope_interleave");
  if (hf_is_set(pairs) && !is_true(pairs)) unsupported("sets 'rope_interleave' to false, which is not supported");
  if (hf_number(config, "moe_layer_freq", 1) != 1) unsupported("sets 'moe_layer_freq', which is not supported");
  const bool v3 = text_of(config, "model_type") == "deepseek_v3";
  const std::string score = text_of(config, "scoring_func");
  const bool sigmoid = score.empty() ? v3 : score == "sigmoid";
  out.metadata.push_back(u32_entry(prefix + "attention.head_count_kv", 1));
  out.metadata.push_back(u32_entry(prefix + "attention.key_length", latent + rope));
  out.metadata.push_back(u32_entry(prefix + "attention.value_length", latent));
  out.metadata.push_back(u32_entry(prefix + "attention.key_length_mla", nope + rope));
  out.metadata.push_back(u32_entry(prefix + "expert_gating_func", sigmoid ? 2 : 1));
  if (text_of(config, "topk_method") == "greedy" || hf_number(config, "n_group", 1) == 1) return;
  out.metadata.push_back(u32_entry(prefix + "expert_group_count", hf_number(config, "n_group")));
  out.metadata.push_back(u32_entry(prefix + "expert_group_used_count", hf_number(config, "topk_group")));
}

void derive_gpt_oss(const Json& config, const std::string&, SourceModel&) {
  const std::vector<bool> windowed = layers_of(config, "sliding_attention");
  for (size_t i = 0; i < windowed.size(); ++i) {
    if (windowed[i] != (i % 2 == 0)) unsupported("has windows in other layers than 0, 2, 4, ..., which is not supported");
  }
}

void derive_qwen3_next(const Json& config, const std::string& prefix, SourceModel& out) {
  const int64_t n_values = hf_number(config, "linear_num_value_heads"), width = hf_number(config, "linear_value_head_dim"), d_head = hf_number(config, "head_dim");
  const std::vector<bool> full = layers_of(config, "full_attention");
  const auto first = std::find(full.begin(), full.end(), true);
  const int64_t interval = full.empty() ? hf_number(config, "full_attention_interval", 4) : first - full.begin() + 1;
  for (size_t i = 0; i < full.size(); ++i) {
    if (full[i] != (static_cast<int64_t>(i + 1) % interval == 0)) unsupported("has full attention in layers at uneven distances, which is not supported");
  }
  out.metadata.push_back(u32_entry(prefix + "full_attention_interval", interval));
  out.metadata.push_back(u32_entry(prefix + "ssm.inner_size", n_values * width));
  out.metadata.push_back(u32_entry(prefix + "rope.dimension_count", static_cast<int64_t>(static_cast<double>(d_head) * turning_part(config, config.find("rope_parameters"), 0.25))));
}

/// Layers with a window have heads of their own; the others turn part of their dimensions, told by divisors.
void derive_gemma4(const Json& config, const std::string& prefix, SourceModel& out) {
  for (const char* key : {"hidden_size_per_layer_input", "num_kv_shared_layers"}) {
    const Json* value = config.find(key);
    if (hf_is_set(value) && (value->whole() == nullptr || *value->whole() != 0)) unsupported(std::string("sets '") + key + "', which is not supported");
  }
  if (is_true(config.find("use_double_wide_mlp"))) unsupported("sets 'use_double_wide_mlp', which is not supported");
  const std::vector<bool> windowed = layers_of(config, "sliding_attention");
  if (windowed.empty()) bad("lacks 'layer_types'");
  const int64_t d_window = hf_number(config, "head_dim"), n_kv = hf_number(config, "num_key_value_heads");
  int64_t d_full = hf_number(config, "global_head_dim", d_window), n_kv_full = hf_number(config, "num_global_key_value_heads", n_kv);
  std::vector<int64_t> kv_heads;
  const Json* layers = config.find("per_layer_config");   // the newer form of the two keys above
  for (size_t i = 0; i < windowed.size(); ++i) {
    const Json* layer = hf_is_set(layers) ? layers->find(std::to_string(i)) : nullptr;
    if (layer != nullptr && !windowed[i]) d_full = hf_number(*layer, "head_dim", d_full), n_kv_full = hf_number(*layer, "num_key_value_heads", n_kv_full);
    kv_heads.push_back(windowed[i] ? n_kv : n_kv_full);
  }
  const Json *ropes = config.find("rope_parameters"), *full = hf_is_set(ropes) ? ropes->find("full_attention") : nullptr, *window = hf_is_set(ropes) ? ropes->find("sliding_attention") : nullptr;
  if (!hf_is_set(full) || !hf_is_set(window)) bad("lacks 'rope_parameters' for full_attention and sliding_attention");
  out.metadata.push_back(array_entry(prefix + "attention.head_count_kv", kv_heads));
  out.metadata.push_back(array_entry(prefix + "attention.sliding_window_pattern", windowed));
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, int64_t>>{
           {"attention.key_length", d_full}, {"attention.value_length", d_full}, {"attention.key_length_swa", d_window}, {"attention.value_length_swa", d_window},
           {"rope.dimension_count", d_full}, {"rope.dimension_count_swa", d_window}, {"attention.shared_kv_layers", 0}, {"embedding_length_per_layer_input", 0}}) {
    out.metadata.push_back(u32_entry(prefix + key, value));
  }
  out.metadata.push_back(f32_entry(prefix + "rope.freq_base", base_of(*full, 1e6)));
  out.metadata.push_back(f32_entry(prefix + "rope.freq_base_swa", base_of(*window, 1e4)));
  std::vector<float> divisors(static_cast<size_t>(d_full / 2), 1e30f);
  std::fill_n(divisors.begin(), static_cast<size_t>(turning_part(config, full, 0.25) * static_cast<double>(d_full) / 2), 1.f);
  out.tensors.push_back(hf_table("rope_freqs.weight", std::move(divisors)));
}

}  // namespace conclave
