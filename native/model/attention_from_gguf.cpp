// Fills the AttentionSpecs; see attention_from_gguf.h. Three kinds: grouped-query attention, perhaps within a window and
// with widths of its own there; latent attention; and stacks of linear layers with a GQA layer now and then.
#include "model/attention_from_gguf.h"

#include <algorithm>
#include <cmath>

#include "base/printable.h"

namespace conclave {
namespace {

void read_yarn(const Keys& keys, const Family& family, RopeSpec& rope) {
  rope.scaling = RopeScaling::kYarn;
  if (rope.original_context < 1) bad_file("the file uses YaRN but lacks '" + keys.name("rope.scaling.original_context_length") + "'");
  rope.whole_ramp = family.whole_yarn_ramp;
  rope.ext_factor = keys.real_or("rope.scaling.yarn_ext_factor", 0.0, 100.0, 1.0);
  rope.beta_fast = keys.real_or("rope.scaling.yarn_beta_fast", 0.0, 1e6, 32.0);
  rope.beta_slow = keys.real_or("rope.scaling.yarn_beta_slow", 0.0, 1e6, 1.0);
  const float stated = keys.real_or("rope.scaling.yarn_attn_factor", 0.0, 1e3, static_cast<double>(rope.attn_factor));
  rope.attn_factor = stated * (1.f + 0.1f * std::log(std::max(1.f, rope.factor)));   // mscale of Peng et al. 2023, section 3.4
}

void check_pairs(const Keys& keys, const char* name, int n_dims) {
  if (n_dims % 2 != 0) bad_file("metadata key '" + keys.name(name) + "' is " + std::to_string(n_dims) + ", but dimensions rotate in pairs");
}

RopeSpec read_rope(const Keys& keys, const Family& family, int d_head) {
  RopeSpec rope;
  rope.style = family.rope;
  rope.n_dims = keys.integer_or("rope.dimension_count", 2, d_head, d_head);
  check_pairs(keys, "rope.dimension_count", rope.n_dims);
  rope.base = keys.real_or("rope.freq_base", 1.0, 1e12, 10000.0);
  rope.attn_factor = keys.real_or("rope.scaling.attn_factor", 0.0, 1e3, 1.0);
  rope.original_context = keys.integer_or("rope.scaling.original_context_length", 0, kMaxContext, 0);
  rope.factor = keys.real_or("rope.scaling.factor", 0.0, 1e6, 1.0);
  if (rope.factor == 0.f) rope.factor = 1.f;   // written by some converters for "none"
  const bool longrope = keys.file().find_tensor("rope_factors_short.weight") != nullptr;
  const std::string type = gguf_string_or(keys.file(), keys.name("rope.scaling.type"), longrope ? "longrope" : "none");
  if (type == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (type == "yarn") {
    read_yarn(keys, family, rope);
  } else if (type == "longrope" && longrope) {
    rope.scaling = RopeScaling::kLongRope;
  } else if (type != "none") {
    throw Error(ErrorCode::kUnsupported, "position scaling '" + printable(type) + "' is not supported yet; none, linear, yarn and longrope with its factors are");
  } else if (keys.file().find_tensor("rope_freqs.weight") != nullptr) {
    rope.scaling = RopeScaling::kLlama3Factors;
  }
  return rope;
}

/// Which layers a list of truth values names.
std::vector<bool> read_pattern(const Keys& keys, const char* name, int n_layers) {
  const std::string key = keys.name(name);
  const GgufValue* value = keys.file().find(key);
  const auto* array = value != nullptr ? std::get_if<GgufArray>(value) : nullptr;
  const auto* pattern = array != nullptr ? std::get_if<std::vector<bool>>(array) : nullptr;
  if (pattern == nullptr || pattern->size() != static_cast<size_t>(n_layers)) bad_file("metadata key '" + key + "' must be a list of " + std::to_string(n_layers) + " truth values");
  return *pattern;
}

/// The layers that see a window only.
std::vector<bool> read_windows(const Keys& keys, const Family& family, int n_layers) {
  if (family.windows == Windows::kFromFile) return read_pattern(keys, "attention.sliding_window_pattern", n_layers);
  std::vector<bool> windowed(static_cast<size_t>(n_layers), false);
  for (size_t i = 0; family.windows == Windows::kEven && i < windowed.size(); i += 2) windowed[i] = true;
  return windowed;
}

/// The layers of linear attention: as the file lists them, or all but every n-th.
std::vector<bool> read_linear_layers(const Keys& keys, const Family& family, int n_layers) {
  std::vector<bool> linear(static_cast<size_t>(n_layers), false);
  if (family.attention != AttentionKind::kLinear) return linear;
  if (keys.has("attention.recurrent_layers")) return read_pattern(keys, "attention.recurrent_layers", n_layers);
  const int interval = keys.integer_or("full_attention_interval", 1, kMaxLayers, 4);
  for (int i = 0; i < n_layers; ++i) linear[static_cast<size_t>(i)] = (i + 1) % interval != 0;
  return linear;
}

int head_width(const Keys& keys, int d_model, int n_heads) {
  if (!keys.has("attention.key_length") && d_model % n_heads != 0) {
    bad_file("a width of " + std::to_string(d_model) + " does not divide into " + std::to_string(n_heads) + " heads and the file lacks '" + keys.name("attention.key_length") + "'");
  }
  const int d_k = keys.integer_or("attention.key_length", 1, kMaxHeadWidth, d_model / n_heads);
  if (d_k < 2 || d_k > kMaxHeadWidth) bad_file("heads of width " + std::to_string(d_k) + " are not supported");
  return d_k;
}

void set_scale(const Keys& keys, const Family& family, int d_head, AttentionSpec& attention) {
  attention.scale = family.gemma ? 1.f : keys.real_or("attention.scale", 0.0, 1e3, 0.0);
  if (attention.scale == 0.f) attention.scale = 1.f / std::sqrt(static_cast<float>(d_head));
}

AttentionSpec read_gqa(const Keys& keys, const Family& family, int d_model, AttentionSpec attention, bool windowed) {
  attention.d_k = head_width(keys, d_model, attention.n_heads);
  attention.d_v = keys.integer_or("attention.value_length", 1, kMaxHeadWidth, attention.d_k);
  attention.qk_norm = family.qk_norm;
  attention.v_norm = family.gemma;
  attention.sinks = family.sinks;
  attention.output_gate = family.output_gate;
  attention.rope = read_rope(keys, family, attention.d_k);
  if (windowed) {
    attention.window = keys.integer("attention.sliding_window", 1, kMaxContext);
    attention.d_k = keys.integer_or("attention.key_length_swa", 2, kMaxHeadWidth, attention.d_k);
    attention.d_v = keys.integer_or("attention.value_length_swa", 1, kMaxHeadWidth, attention.d_v);
    if (family.gemma) {   // its long-range layers alone turn part of the dimensions, by the file's divisors
      attention.rope.scaling = RopeScaling::kNone;
      attention.rope.n_dims = keys.integer_or("rope.dimension_count_swa", 2, attention.d_k, attention.d_k);
      check_pairs(keys, "rope.dimension_count_swa", attention.rope.n_dims);
    }
    attention.rope.base = keys.real_or("rope.freq_base_swa", 1.0, 1e12, static_cast<double>(attention.rope.base));
  }
  set_scale(keys, family, attention.d_k, attention);
  return attention;
}

/// Two layouts: since 2025 files hold the two halves of the unfolding matrix apart, which allows to attend in the latent's space.
AttentionSpec read_mla(const Keys& keys, const Family& family, AttentionSpec attention, int layer) {
  attention.kind = AttentionKind::kMla;
  attention.absorbed = keys.file().find_tensor(block_tensor(layer, "attn_k_b")) != nullptr;
  attention.d_kv_latent = keys.integer("attention.kv_lora_rank", 1, kMaxModelWidth);
  attention.d_q_latent = keys.integer_or("attention.q_lora_rank", 0, kMaxModelWidth, 0);
  const bool own_keys = keys.has("attention.key_length_mla");
  attention.d_head_k = keys.integer(own_keys ? "attention.key_length_mla" : "attention.key_length", 2, kMaxHeadWidth);
  attention.d_head_v = keys.integer(own_keys ? "attention.value_length_mla" : "attention.value_length", 1, kMaxHeadWidth);
  attention.d_rope = keys.integer("rope.dimension_count", 2, attention.d_head_k - 1);
  attention.n_kv_heads = attention.absorbed ? 1 : attention.n_heads;
  attention.d_k = attention.absorbed ? attention.d_kv_latent + attention.d_rope : attention.d_head_k;
  attention.d_v = attention.absorbed ? attention.d_kv_latent : attention.d_head_v;
  attention.rope = read_rope(keys, family, attention.d_head_k);
  set_scale(keys, family, attention.d_head_k, attention);
  const float log_multiplier = keys.real_or("rope.scaling.yarn_log_multiplier", 0.0, 10.0, 0.0);
  if (attention.rope.scaling == RopeScaling::kYarn && log_multiplier > 0.f) {   // DeepSeek scales the scores instead of cos and sin
    const float log_factor = std::log(std::max(1.f, attention.rope.factor)), mscale = 1.f + log_multiplier * log_factor;
    attention.rope.attn_factor /= 1.f + 0.1f * log_factor;
    attention.scale *= mscale * mscale;
  }
  return attention;
}

AttentionSpec read_linear(const Keys& keys, const Family& family) {
  AttentionSpec attention;
  attention.kind = AttentionKind::kLinear;
  attention.n_heads = keys.integer("ssm.time_step_rank", 1, kMaxHeads);
  attention.n_kv_heads = keys.integer("ssm.group_count", 1, kMaxHeads);
  attention.d_k = keys.integer("ssm.state_size", 1, kMaxHeadWidth);
  const int d_values = keys.integer("ssm.inner_size", 1, kMaxModelWidth);
  if (attention.n_heads % attention.n_kv_heads != 0 || d_values % attention.n_heads != 0 || d_values / attention.n_heads > kMaxHeadWidth) {
    bad_file("linear attention of " + std::to_string(attention.n_heads) + " heads over " + std::to_string(attention.n_kv_heads) + " key heads and " + std::to_string(d_values) + " values does not divide");
  }
  attention.d_v = d_values / attention.n_heads;
  attention.d_conv = keys.integer("ssm.conv_kernel", 1, 64);
  attention.cycling_heads = family.cycling_heads;
  attention.rope.style = RopeStyle::kNone;
  return attention;
}

}  // namespace

std::vector<AttentionSpec> read_attentions(const Keys& keys, const Family& family, const ModelSpec& spec) {
  const int n = spec.n_layers;
  const int n_in_file = n + spec.n_predict_layers;
  const std::vector<int> heads = keys.per_layer("attention.head_count", n_in_file, 1, kMaxHeads, 0);
  const std::vector<int> kv_heads = keys.has("attention.head_count_kv") ? keys.per_layer("attention.head_count_kv", n_in_file, 0, kMaxHeads, 0) : heads;
  const std::vector<bool> windowed = read_windows(keys, family, n_in_file), linear = read_linear_layers(keys, family, n_in_file);
  std::vector<AttentionSpec> out;
  for (int i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    if (linear[at]) {
      out.push_back(read_linear(keys, family));
      continue;
    }
    AttentionSpec attention;
    attention.n_heads = heads[at];
    attention.n_kv_heads = kv_heads[at];
    if (attention.n_kv_heads < 1 || attention.n_heads % attention.n_kv_heads != 0) {
      bad_file("layer " + std::to_string(i) + " has " + std::to_string(attention.n_heads) + " attention heads, which " + std::to_string(attention.n_kv_heads) + " key-value heads do not divide");
    }
    out.push_back(family.attention == AttentionKind::kMla ? read_mla(keys, family, attention, i) : read_gqa(keys, family, spec.d_model, attention, windowed[at]));
  }
  return out;
}

}  // namespace conclave
