// ModelSpec from metadata: each family's row, options that override it, and every refusal with its key and number.
#include <filesystem>

#include "base/error.h"
#include "formats/gguf.h"
#include "model/families.h"
#include "model/spec.h"
#include "test/check.h"
#include "test/model_builder.h"

using namespace conclave;
using namespace conclave::test;

namespace {

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

/// The builder without the entry of that key.
GgufBuilder without(GgufBuilder builder, const std::string& key) {
  const std::vector<std::byte> start = Bytes().text(key).data();
  const size_t n = builder.entries.size();
  std::erase_if(builder.entries, [&](const Bytes& entry) { return entry.size() >= start.size() && std::equal(start.begin(), start.end(), entry.data().begin()); });
  CHECK(builder.entries.size() == n - 1);
  return builder;
}

GgufBuilder with_u32(const TinyModel& model, const std::string& key, uint32_t value) {
  GgufBuilder builder = model.file();
  const std::vector<std::byte> start = Bytes().text(key).data();
  std::erase_if(builder.entries, [&](const Bytes& entry) { return entry.size() >= start.size() && std::equal(start.begin(), start.end(), entry.data().begin()); });
  return builder.u32(key, value);
}

}  // namespace

TEST("each family's row: what the metadata does not say") {
  struct Expected { TinyModel model; RopeStyle rope; QkNorm norm; bool moe, renormalise, shared_gate; };
  for (const Expected& e : {Expected{tiny_mixtral(), RopeStyle::kPairs, QkNorm::kNone, true, true, false}, {tiny_llama(), RopeStyle::kPairs, QkNorm::kNone, false, false, false},
                            {tiny_olmoe(), RopeStyle::kHalves, QkNorm::kWholeProjection, true, false, false}, {tiny_qwen2(), RopeStyle::kHalves, QkNorm::kNone, false, false, false},
                            {tiny_qwen2moe(), RopeStyle::kHalves, QkNorm::kNone, true, false, true}, {tiny_qwen3(), RopeStyle::kHalves, QkNorm::kPerHead, false, false, false},
                            {tiny_qwen3moe(), RopeStyle::kHalves, QkNorm::kPerHead, true, true, false}}) {
    const ModelSpec spec = spec_of(e.model.file());
    const LayerSpec& layer = spec.layers.at(1);
    CHECK(spec.architecture == e.model.architecture && spec.layers.size() == 2 && spec.is_moe() == e.moe && spec.n_moe_layers() == (e.moe ? 2 : 0));
    CHECK(layer.attention.rope.style == e.rope && layer.attention.qk_norm == e.norm);
    CHECK((layer.ffn.kind == FfnKind::kMoe) == e.moe && layer.ffn.shared_gate == e.shared_gate);
    if (e.moe) CHECK(layer.ffn.router.renormalise == e.renormalise && layer.ffn.n_experts == 6 && layer.ffn.n_experts_used == 2);
    CHECK(layer.ffn.d_ff == 96 && layer.ffn.d_ff_shared == static_cast<int>(e.model.d_ff_shared));
  }
}

TEST("sizes, defaults and derived numbers") {
  const ModelSpec spec = spec_of(tiny_olmoe().file());
  const AttentionSpec& a = spec.layers[0].attention;
  CHECK(spec.n_layers == 2 && spec.d_model == 64 && spec.n_vocab == 40 && spec.context_trained == 128 && spec.name == "tiny" && spec.quantisation == "Q8_0");
  CHECK(spec.norm == NormKind::kRms && std::fabs(spec.norm_eps - 1e-5f) < 1e-9f && spec.bos_token == 1 && spec.eos_token == 2 && !spec.tied_embeddings);
  CHECK(a.n_heads == 4 && a.n_kv_heads == 2 && a.d_k == 32 && a.d_v == 32 && a.rope.n_dims == 32 && a.rope.base == 10000.f && a.window == 0 && !a.sinks);
  CHECK(std::fabs(a.scale - 1 / std::sqrt(32.f)) < 1e-7f);
  CHECK(spec.embedding_scale == 1.f && spec.residual_scale == 1.f && spec.logit_scale == 1.f && spec.logit_softcap == 0.f);
  CHECK(spec_of(tiny_qwen2().file()).tied_embeddings);
  const ModelSpec bare = spec_of(without(without(without(without(tiny_mixtral().file(), "llama.attention.key_length"), "llama.attention.value_length"), "llama.attention.head_count_kv"), "llama.vocab_size"));
  CHECK(bare.layers[0].attention.d_k == 16 && bare.layers[0].attention.d_v == 16 && bare.layers[0].attention.n_kv_heads == 4 && bare.n_vocab == 40);
}

TEST("parameters: all of them, and those of one token") {
  const TinyModel m = tiny_olmoe();
  const int64_t d = m.d_model, experts = 3 * d * m.d_ff, attention = 2 * d * 128 + 2 * d * 64 + 128 + 64, rest = 2 * d + d * m.n_experts;
  const int64_t shared = 2 * d * m.n_vocab + d + 2 * (attention + rest);
  const ModelSpec spec = spec_of(m.file());
  CHECK(spec.n_params == shared + 2 * experts * 6);
  CHECK(spec.n_params_active == shared + 2 * experts * 2);
  const ModelSpec dense = spec_of(tiny_llama().file());
  CHECK(dense.n_params == dense.n_params_active);
}

TEST("router options in the file override the row") {
  GgufBuilder b = tiny_olmoe().file();
  b.u32("olmoe.expert_gating_func", 2).boolean("olmoe.expert_weights_norm", true).f32("olmoe.expert_weights_scale", 2.5f);
  const RouterSpec sigmoid = spec_of(b).layers[0].ffn.router;
  CHECK(sigmoid.score == RouterScore::kSigmoid && sigmoid.order == RouterOrder::kBeforeTopK && sigmoid.renormalise && sigmoid.scale == 2.5f);
  GgufBuilder after = tiny_olmoe().file();
  after.u32("olmoe.expert_gating_func", 3);
  CHECK(spec_of(after).layers[0].ffn.router.order == RouterOrder::kAfterTopK);
  CHECK(spec_of(with_u32(tiny_olmoe(), "olmoe.expert_feed_forward_length", 48)).layers[0].ffn.d_ff == 48);
}

TEST("values per layer, leading dense layers and layers without a router") {
  GgufBuilder b = without(tiny_olmoe().file(), "olmoe.attention.head_count_kv");
  b.array<int32_t>("olmoe.attention.head_count_kv", GgufType::kI32, {4, 1});
  const ModelSpec spec = spec_of(b);
  CHECK(spec.layers[0].attention.n_kv_heads == 4 && spec.layers[1].attention.n_kv_heads == 1);
  const ModelSpec leading = spec_of(with_u32(tiny_olmoe(), "olmoe.leading_dense_block_count", 1));
  CHECK(leading.layers[0].ffn.kind == FfnKind::kDense && leading.layers[1].ffn.kind == FfnKind::kMoe && leading.n_moe_layers() == 1);
  GgufBuilder mixed = tiny_olmoe().file();
  for (TensorRecord& tensor : mixed.tensors) {
    if (tensor.name == "blk.1.ffn_gate_inp.weight") tensor = {.name = "blk.1.ffn_up.weight", .dims = {64, 96}, .type = 0, .offset = {}, .bytes = {}, .n_dims = {}};
  }
  CHECK(spec_of(mixed).layers[1].ffn.kind == FfnKind::kDense);
}

TEST("position scaling: linear, YaRN with its length correction, Llama 3 factors; others are refused") {
  GgufBuilder linear = tiny_llama().file();
  linear.string("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 4.f);
  CHECK(spec_of(linear).layers[0].attention.rope.scaling == RopeScaling::kLinear && spec_of(linear).layers[0].attention.rope.factor == 4.f);
  GgufBuilder yarn = tiny_llama().file();
  yarn.string("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 32.f);
  refuse(yarn, "llama.rope.scaling.original_context_length");
  yarn.u32("llama.rope.scaling.original_context_length", 4096);
  const RopeSpec rope = spec_of(yarn).layers[0].attention.rope;
  CHECK(rope.scaling == RopeScaling::kYarn && rope.original_context == 4096 && rope.beta_fast == 32.f && rope.beta_slow == 1.f && rope.ext_factor == 1.f);
  CHECK(std::fabs(rope.attn_factor - 1.3465736f) < 1e-6f);   // 0.1 ln 32 + 1
  GgufBuilder factors = tiny_llama().file();
  factors.tensor("rope_freqs.weight", {16});
  CHECK(spec_of(factors).layers[0].attention.rope.scaling == RopeScaling::kLlama3Factors);
  GgufBuilder other = tiny_llama().file();
  other.string("llama.rope.scaling.type", "longrope");
  refuse(other, "'longrope' is not supported yet", ErrorCode::kUnsupported);
}

TEST("an unknown architecture is named with its nearest relative") {
  const auto file = [](const char* name) { GgufBuilder b; b.string("general.architecture", name); return b; };
  refuse(file("qwen3moee"), "'qwen3moee' is not supported yet; the nearest supported one is 'qwen3moe'", ErrorCode::kUnsupported);
  refuse(file("lama"), "the nearest supported one is 'llama'", ErrorCode::kUnsupported);
  refuse(file("Olmoe\n\x1b"), "'Olmoe\?\?' is not supported yet; the nearest supported one is 'olmoe'", ErrorCode::kUnsupported);
  refuse(file(std::string(100000, 'q').c_str()), "is not supported yet", ErrorCode::kUnsupported);
  refuse(GgufBuilder{}, "lacks the metadata key 'general.architecture'");
  CHECK(find_family("olmoe") != nullptr && find_family("OLMOE") == nullptr && find_family("") == nullptr);
}

TEST("each missing key that has no default is named") {
  for (const char* key : {"block_count", "embedding_length", "context_length", "attention.head_count", "attention.layer_norm_rms_epsilon", "expert_count", "expert_used_count", "feed_forward_length"}) {
    refuse(without(tiny_olmoe().file(), std::string("olmoe.") + key), std::string("olmoe.") + key);
  }
}

TEST("numbers out of range are named with the range") {
  struct Bad { const char* key; std::vector<uint32_t> values; };
  for (const Bad& bad : {Bad{"block_count", {0, 1025, 0xffffffffu}}, {"embedding_length", {0, 1u << 20}}, {"context_length", {0, 0xffffffffu}}, {"vocab_size", {0, 1u << 30}},
                         {"attention.head_count", {0, 5000}}, {"attention.head_count_kv", {0, 5000}}, {"attention.key_length", {0, 1, 5000}}, {"attention.value_length", {0, 5000}},
                         {"feed_forward_length", {0, 1u << 30}}, {"expert_count", {0, 5000}}, {"expert_used_count", {0, 129}}, {"rope.dimension_count", {0, 1, 3, 64}},
                         {"leading_dense_block_count", {3}}, {"expert_gating_func", {4}}, {"expert_shared_feed_forward_length", {1u << 30}}}) {
    for (const uint32_t value : bad.values) {
      const std::string key = std::string("olmoe.") + bad.key;
      try {
        spec_of(with_u32(tiny_olmoe(), key, value));
      } catch (const Error& error) {
        CHECK_MSG(error.code() == ErrorCode::kBadFile, key + " " + std::to_string(value) + ": " + error.what());
        continue;
      }
      fail(__FILE__, __LINE__, key + " accepted " + std::to_string(value));
    }
  }
  for (const float value : {0.5f, -1.f, 1e13f, std::nanf(""), INFINITY}) {
    GgufBuilder b = without(tiny_olmoe().file(), "olmoe.rope.freq_base");
    refuse(b.f32("olmoe.rope.freq_base", value), "'olmoe.rope.freq_base' is");
  }
}

TEST("contradictions are refused") {
  refuse(with_u32(tiny_olmoe(), "olmoe.expert_used_count", 7), "uses 7 experts per token but has only 6");
  refuse(with_u32(tiny_olmoe(), "olmoe.attention.head_count_kv", 3), "4 attention heads, which 3 key-value heads do not divide");
  refuse(without(with_u32(tiny_olmoe(), "olmoe.attention.head_count", 6), "olmoe.attention.key_length"), "a width of 64 does not divide into 6 heads");
  refuse(with_u32(tiny_olmoe(), "tokenizer.ggml.eos_token_id", 40), "is 40, but the vocabulary has 40 tokens");
  CHECK(spec_of(with_u32(tiny_olmoe(), "tokenizer.ggml.eos_token_id", 0xffffffffu)).eos_token == -1);
  refuse(with_u32(tiny_olmoe(), "olmoe.expert_group_count", 4), "in 4 of 4 groups, which is impossible with 6 experts");
  refuse(with_u32(tiny_olmoe(), "olmoe.nextn_predict_layers", 2), "all 2 layers are multi-token prediction layers");
  const ModelSpec shorter = spec_of(with_u32(tiny_olmoe(), "olmoe.nextn_predict_layers", 1));
  CHECK(shorter.n_layers == 1 && shorter.n_predict_layers == 1 && shorter.layers.size() == 1);
  GgufBuilder text = without(tiny_olmoe().file(), "olmoe.block_count");
  refuse(text.string("olmoe.block_count", "two"), "should be a whole number but is a text");
}

TEST("the JSON form carries each field that a person asks for") {
  GgufBuilder b = without(tiny_qwen2moe().file(), "general.name");
  const std::string json = spec_to_json(spec_of(b.string("general.name", "a \"name\"\n")));
  for (const char* part : {"\"architecture\":\"qwen2moe\"", "\"name\":\"a \\\"name\\\"\\u000a\"", "\"is_moe\":true", "\"n_moe_layers\":2", "\"n_experts_used\":2", "\"d_ff_shared\":128",
                           "\"shared_gate\":true", "\"style\":\"halves\"", "\"qk_norm\":\"none\"", "\"score\":\"softmax\"", "\"norm_eps\":1e-05"}) {
    CHECK_MSG(json.find(part) != std::string::npos, std::string(part) + " is not in " + json);
  }
}

int main(int argc, char** argv) { return run_tests(argc, argv); }
