// The attention of families with parts of their own, from metadata alone: what is read, and every refusal with its key.
#include <cmath>

#include "base/error.h"
#include "formats/gguf.h"
#include "model/spec.h"
#include "test/check.h"
#include "test/gguf_builder.h"

using namespace conclave;
using namespace conclave::test;

namespace {

using Keys = std::vector<std::pair<std::string, uint32_t>>;

/// A model of four layers without tensors: the metadata decides alone.
GgufBuilder model(const std::string& architecture, const Keys& more) {
  GgufBuilder b;
  b.string("general.architecture", architecture);
  Keys keys{{"block_count", 4}, {"embedding_length", 64}, {"context_length", 128}, {"vocab_size", 40}, {"feed_forward_length", 96}, {"attention.head_count", 4},
            {"expert_count", 6}, {"expert_used_count", 2}};
  for (const auto& [key, value] : more) {
    std::erase_if(keys, [&](const auto& known) { return known.first == key; });
    keys.emplace_back(key, value);
  }
  for (const auto& [key, value] : keys) b.u32(architecture + "." + key, value);
  return b.f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-6f);
}

ModelSpec spec_of(GgufBuilder builder) {
  const std::vector<std::byte> bytes = builder.build();
  return spec_from_gguf(*GgufFile::open_memory(bytes, "test.gguf"));
}

void refuse(const GgufBuilder& builder, const std::string& part, ErrorCode code = ErrorCode::kBadFile) {
  try {
    spec_of(builder);
  } catch (const Error& error) {
    CHECK_MSG(error.code() == code && std::string(error.what()).find(part) != std::string::npos, std::string("'") + part + "' is not in: " + error.what());
    return;
  }
  fail(__FILE__, __LINE__, "accepted, but expected: " + part);
}

const Keys kMla{{"attention.kv_lora_rank", 32}, {"attention.key_length_mla", 24}, {"attention.value_length_mla", 16}, {"rope.dimension_count", 8}, {"expert_feed_forward_length", 48}};
const Keys kLinear{{"ssm.time_step_rank", 4}, {"ssm.group_count", 2}, {"ssm.state_size", 16}, {"ssm.inner_size", 128}, {"ssm.conv_kernel", 4}, {"attention.key_length", 32}};

Keys with(Keys keys, const std::string& key, uint32_t value) {
  std::erase_if(keys, [&](const auto& known) { return known.first == key; });
  keys.emplace_back(key, value);
  return keys;
}
Keys without(Keys keys, const std::string& key) {
  std::erase_if(keys, [&](const auto& known) { return known.first == key; });
  return keys;
}

}  // namespace

TEST("windows on every second layer, sinks, and the norm's name: gpt-oss") {
  const ModelSpec spec = spec_of(model("gpt-oss", {{"attention.sliding_window", 12}}));
  CHECK(spec.layers[0].attention.window == 12 && spec.layers[1].attention.window == 0 && spec.layers[2].attention.window == 12 && spec.layers[3].attention.sinks);
  CHECK(std::string(spec.ffn_norm_tensor) == "post_attention_norm" && spec.layers[0].ffn.activation == Activation::kClampedSwiglu);
  CHECK(spec.layers[0].ffn.router.order == RouterOrder::kAfterTopK);
  refuse(model("gpt-oss", {}), "gpt-oss.attention.sliding_window");
}

TEST("latent attention without the halves' tensors is unfolded; YaRN scales its scores") {
  GgufBuilder file = model("deepseek2", with(kMla, "rope.scaling.original_context_length", 32));
  file.string("deepseek2.rope.scaling.type", "yarn").f32("deepseek2.rope.scaling.factor", 40.f).f32("deepseek2.rope.scaling.yarn_log_multiplier", 0.0707f);
  const AttentionSpec a = spec_of(file).layers[0].attention;
  CHECK(a.kind == AttentionKind::kMla && !a.absorbed && a.n_kv_heads == 4 && a.d_k == 24 && a.d_v == 16 && a.d_kv_latent == 32 && a.d_rope == 8);
  const double mscale = 1 + 0.0707 * std::log(40.0);
  CHECK(std::fabs(static_cast<double>(a.scale) - mscale * mscale / std::sqrt(24.0)) < 1e-6 && std::fabs(a.rope.attn_factor - 1.f) < 1e-6f);
  refuse(model("deepseek2", without(kMla, "attention.kv_lora_rank")), "deepseek2.attention.kv_lora_rank");
  refuse(model("deepseek2", with(kMla, "rope.dimension_count", 24)), "'deepseek2.rope.dimension_count' is 24; 2 to 23 is allowed");
  refuse(model("deepseek2", with(kMla, "rope.dimension_count", 7)), "rotate in pairs");
  refuse(model("deepseek2", with(kMla, "attention.key_length_mla", 1 << 20)), "attention.key_length_mla");
}

TEST("shared experts by count, groups of experts, and layers that predict ahead") {
  const ModelSpec spec = spec_of(model("deepseek2", with(with(with(with(kMla, "expert_shared_count", 2), "expert_group_count", 3), "expert_group_used_count", 1), "nextn_predict_layers", 1)));
  CHECK(spec.n_layers == 3 && spec.n_predict_layers == 1 && spec.layers.size() == 3);
  CHECK(spec.layers[0].ffn.d_ff_shared == 96 && spec.layers[0].ffn.router.n_groups == 3 && spec.layers[0].ffn.router.n_groups_used == 1);
  refuse(model("deepseek2", with(with(kMla, "expert_group_count", 6), "expert_group_used_count", 1)), "2 experts in 1 of 6 groups");
  refuse(model("deepseek2", with(kMla, "expert_shared_count", 1000)), "expert_shared_count");
}

TEST("three linear layers of four, or those that the file lists") {
  for (const char* architecture : {"qwen3next", "qwen35moe"}) {
    const ModelSpec spec = spec_of(model(architecture, kLinear));
    CHECK(spec.is_recurrent() && spec.layers[2].attention.kind == AttentionKind::kLinear && spec.layers[3].attention.kind == AttentionKind::kGqa);
    const AttentionSpec& a = spec.layers[0].attention;
    CHECK(a.n_heads == 4 && a.n_kv_heads == 2 && a.d_k == 16 && a.d_v == 32 && a.cycling_heads == (std::string(architecture) == "qwen35moe"));
    CHECK(spec.layers[0].state_bytes() == 4 * (3 * (2 * 2 * 16 + 128) + 4 * 16 * 32) && spec.layers[3].state_bytes() == 0 && spec.layers[3].attention.output_gate);
  }
  GgufBuilder listed = model("qwen3next", kLinear);
  listed.array<uint8_t>("qwen3next.attention.recurrent_layers", GgufType::kBool, {0, 1, 0, 1});
  const ModelSpec spec = spec_of(listed);
  CHECK(spec.layers[0].state_bytes() == 0 && spec.layers[1].state_bytes() > 0 && spec.layers[3].state_bytes() > 0);
  for (const char* key : {"ssm.time_step_rank", "ssm.group_count", "ssm.state_size", "ssm.inner_size", "ssm.conv_kernel"}) {
    refuse(model("qwen3next", without(kLinear, key)), std::string("qwen3next.") + key);
    refuse(model("qwen3next", with(kLinear, key, 0)), std::string("qwen3next.") + key);
  }
  refuse(model("qwen3next", with(kLinear, "ssm.group_count", 3)), "does not divide");
  refuse(model("qwen3next", with(kLinear, "ssm.inner_size", 126)), "does not divide");
  GgufBuilder short_list = model("qwen35moe", kLinear);
  refuse(short_list.array<uint8_t>("qwen35moe.attention.recurrent_layers", GgufType::kBool, {1}), "must be a list of 4 truth values");
}

TEST("widths and angles of their own within the window: Gemma 4") {
  const Keys keys{{"attention.head_count_kv", 2}, {"attention.key_length", 32}, {"attention.value_length", 32}, {"attention.key_length_swa", 16}, {"attention.value_length_swa", 16},
                  {"attention.sliding_window", 12}, {"rope.dimension_count", 32}, {"rope.dimension_count_swa", 16}, {"expert_feed_forward_length", 48}};
  const auto file = [&](const Keys& k) {
    GgufBuilder b = model("gemma4", k);
    return b.array<uint8_t>("gemma4.attention.sliding_window_pattern", GgufType::kBool, {1, 1, 1, 0}).f32("gemma4.rope.freq_base", 1e6f).f32("gemma4.rope.freq_base_swa", 1e4f);
  };
  const ModelSpec spec = spec_of(file(keys));
  const AttentionSpec &near = spec.layers[0].attention, &far = spec.layers[3].attention;
  CHECK(near.window == 12 && near.d_k == 16 && near.rope.n_dims == 16 && near.rope.base == 1e4f && far.window == 0 && far.d_k == 32 && far.rope.base == 1e6f);
  CHECK(near.scale == 1.f && near.v_norm && spec.post_norms && spec.embedding_scale == 8.f && spec.layers[0].ffn.d_ff_beside == 96 && spec.layers[0].ffn.d_ff == 48);
  refuse(model("gemma4", keys), "gemma4.attention.sliding_window_pattern");
  refuse(file(with(keys, "rope.dimension_count_swa", 7)), "rotate in pairs");
  refuse(file(with(keys, "embedding_length_per_layer_input", 8)), "embeddings per layer", ErrorCode::kUnsupported);
  refuse(file(with(keys, "attention.shared_kv_layers", 2)), "share keys and values", ErrorCode::kUnsupported);
}

TEST("LayerNorm by either key, and SparseMixer: Phi-3.5-MoE") {
  const ModelSpec spec = spec_of(model("phimoe", {}));
  CHECK(spec.norm == NormKind::kLayer && spec.layers[0].ffn.router.order == RouterOrder::kSparseMixer && spec.layers[0].ffn.router.jitter == 0.01f);
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
