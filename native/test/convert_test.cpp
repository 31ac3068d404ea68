// Hugging Face folders and GGUF files on their way to a new file: every value must arrive where the engine looks for it,
// tokenizers must keep ids, merges and kinds, and what is missing or unknown must be named before anything is written.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "convert/hf_tokenizer.h"
#include "convert/quantize_plan.h"
#include "convert/source.h"
#include "formats/gguf_writer.h"
#include "formats/quantize.h"
#include "model/spec.h"
#include "speculate/dflash.h"
#include "test/check.h"
#include "test/gguf_builder.h"
#include "test/safetensors_builder.h"
#include "weights/weights.h"

using namespace conclave;
using namespace conclave::test;

namespace {

constexpr int kWidth = 32, kHeads = 2, kHead = 16, kExperts = 3, kFf = 64, kVocab = 12;

/// A folder of one of the families, its values 0, 1, 2, ... tensor by tensor.
struct FolderModel {
  std::string type = "mixtral", extra;
  std::string tokenizer = R"({"added_tokens":[{"id":0,"content":"<s>","special":true}],"pre_tokenizer":{"type":"ByteLevel"},
    "model":{"type":"BPE","vocab":{"<s>":0,"a":1,"b":2,"ab":3},"merges":["a b"]}})";
  SafetensorsBuilder tensors;
  float next = 0;

  void add(const std::string& name, std::vector<int64_t> shape) {
    size_t n = 1;
    for (const int64_t d : shape) n *= static_cast<size_t>(d);
    std::vector<float> values(n);
    std::iota(values.begin(), values.end(), next);
    next += static_cast<float>(n);
    tensors.floats(name, shape, values);
  }
  FolderModel& attention() {
    for (const char* name : {"model.norm.weight", "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight"}) add(name, {kWidth});
    for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) add(name, {kVocab, kWidth});
    for (const char* name : {"q", "k", "v"}) add(std::string("model.layers.0.self_attn.") + name + "_proj.weight", {kHeads * kHead, kWidth});
    add("model.layers.0.self_attn.o_proj.weight", {kWidth, kHeads * kHead});
    return *this;
  }
  FolderModel& experts(const std::string& block, const char* gate, const char* up, const char* down, int n = kExperts) {
    add("model.layers.0." + block + ".gate.weight", {kExperts, kWidth});
    for (int e = 0; e < n; ++e) {
      const std::string expert = "model.layers.0." + block + ".experts." + std::to_string(e) + ".";
      add(expert + gate + ".weight", {kFf, kWidth});
      add(expert + up + ".weight", {kFf, kWidth});
      add(expert + down + ".weight", {kWidth, kFf});
    }
    return *this;
  }
  void write(const TemporaryFolder& folder) const {
    folder.write("model.safetensors", tensors.build());
    folder.write("tokenizer.json", tokenizer);
    folder.write("config.json", "{\"model_type\":\"" + type + R"(","num_hidden_layers":1,"max_position_embeddings":128,"hidden_size":32,"intermediate_size":64,"num_attention_heads":2,
      "rms_norm_eps":1e-5,"vocab_size":12,"num_experts_per_tok":2,"num_local_experts":3,"moe_intermediate_size":64,"shared_expert_intermediate_size":64,
      "bos_token_id":0,"eos_token_id":[0,1],"rope_theta":5e5)" + extra + "}");
  }
};

FolderModel mixtral() { return FolderModel().attention().experts("block_sparse_moe", "w1", "w3", "w2"); }
FolderModel olmoe() {
  FolderModel model = FolderModel{.type = "olmoe", .extra = {}, .tensors = {}}.attention().experts("mlp", "gate_proj", "up_proj", "down_proj");
  for (const char* name : {"q_norm", "k_norm"}) model.add(std::string("model.layers.0.self_attn.") + name + ".weight", {kHeads * kHead});
  return model;
}
/// Gate and up in one tensor, and four scalars.
FolderModel granite() {
  FolderModel model = FolderModel{.type = "granitemoe", .extra = R"(,"embedding_multiplier":12,"residual_multiplier":0.22,"attention_multiplier":0.1,"logits_scaling":6)", .tensors = {}}.attention();
  model.add("model.layers.0.block_sparse_moe.router.layer.weight", {kExperts, kWidth});
  model.add("model.layers.0.block_sparse_moe.input_linear.weight", {kExperts, 2 * kFf, kWidth});
  model.add("model.layers.0.block_sparse_moe.output_linear.weight", {kExperts, kWidth, kFf});
  return model;
}
FolderModel qwen2() {
  FolderModel model = FolderModel{.type = "qwen2_moe", .extra = {}, .tensors = {}}.attention().experts("mlp", "gate_proj", "up_proj", "down_proj");
  for (const char* name : {"q", "k", "v"}) model.add(std::string("model.layers.0.self_attn.") + name + "_proj.bias", {kHeads * kHead});
  for (const char* name : {"gate", "up"}) model.add(std::string("model.layers.0.mlp.shared_expert.") + name + "_proj.weight", {kFf, kWidth});
  model.add("model.layers.0.mlp.shared_expert.down_proj.weight", {kWidth, kFf});
  model.add("model.layers.0.mlp.shared_expert_gate.weight", {1, kWidth});
  return model;
}
/// With the experts of a layer in two tensors, as newer versions of transformers may save them.
FolderModel qwen3() {
  FolderModel model = FolderModel{.type = "qwen3_moe", .extra = R"(,"head_dim":16,"norm_topk_prob":true,"use_sliding_window":false,"sliding_window":4096)", .tensors = {}}.attention();
  for (const char* name : {"q_norm", "k_norm"}) model.add(std::string("model.layers.0.self_attn.") + name + ".weight", {kHead});
  model.add("model.layers.0.mlp.gate.weight", {kExperts, kWidth});
  model.add("model.layers.0.mlp.experts.gate_up_proj", {kExperts, 2 * kFf, kWidth});
  model.add("model.layers.0.mlp.experts.down_proj", {kExperts, kWidth, kFf});
  return model;
}
/// Divisors of the angles in config.json; biases on everything.
FolderModel phi() {
  FolderModel model = mixtral();
  model.type = "phimoe";
  model.extra = R"(,"sliding_window":128,"original_max_position_embeddings":64,"rope_scaling":{"type":"longrope","short_factor":[1,2,3,4,5,6,7,8],"long_factor":[2,4,6,8,10,12,14,16],"short_mscale":1.25})";
  for (const char* name : {"q", "k", "v", "o"}) model.add(std::string("model.layers.0.self_attn.") + name + "_proj.bias", {kHeads * kHead});
  for (const char* name : {"model.norm.bias", "model.layers.0.input_layernorm.bias", "model.layers.0.post_attention_layernorm.bias"}) model.add(name, {kWidth});
  model.add("lm_head.bias", {kVocab});
  return model;
}
constexpr int kLatent = 8, kNope = 12, kRope = 4, kValue = 6;
/// Latent attention; a layer that predicts tokens after the next comes after the counted ones.
FolderModel deepseek() {
  FolderModel model{.type = "deepseek_v3", .extra = R"(,"n_routed_experts":3,"n_shared_experts":1,"n_group":1,"norm_topk_prob":true,"routed_scaling_factor":2.5,"kv_lora_rank":8,"qk_nope_head_dim":12,
    "qk_rope_head_dim":4,"v_head_dim":6,"num_nextn_predict_layers":1,"rope_scaling":{"type":"yarn","factor":40,"mscale":1,"mscale_all_dim":1,"original_max_position_embeddings":64})", .tensors = {}};
  for (const char* name : {"model.norm.weight", "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight", "model.layers.1.enorm.weight"}) model.add(name, {kWidth});
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) model.add(name, {kVocab, kWidth});
  const std::string attention = "model.layers.0.self_attn.";
  model.add(attention + "q_proj.weight", {kHeads * (kNope + kRope), kWidth});
  model.add(attention + "kv_a_proj_with_mqa.weight", {kLatent + kRope, kWidth});
  model.add(attention + "kv_a_layernorm.weight", {kLatent});
  model.add(attention + "kv_b_proj.weight", {kHeads * (kNope + kValue), kLatent});
  model.add(attention + "o_proj.weight", {kWidth, kHeads * kValue});
  model.experts("mlp", "gate_proj", "up_proj", "down_proj").add("model.layers.0.mlp.gate.e_score_correction_bias", {kExperts});
  for (const char* name : {"gate", "up"}) model.add(std::string("model.layers.0.mlp.shared_experts.") + name + "_proj.weight", {kFf, kWidth});
  model.add("model.layers.0.mlp.shared_experts.down_proj.weight", {kWidth, kFf});
  return model;
}
/// Experts turned and interleaved, or packed as MXFP4 with every block's bytes 0, 1, 2, ... and the scale 2.
FolderModel gpt_oss(bool packed) {
  FolderModel model = FolderModel{.type = "gpt_oss", .extra = R"(,"head_dim":16,"sliding_window":128,"quantization_config":{"quant_method":"mxfp4"})", .tensors = {}}.attention();
  for (const char* name : {"q", "k", "v", "o"}) model.add(std::string("model.layers.0.self_attn.") + name + "_proj.bias", {kHeads * kHead});
  model.add("model.layers.0.self_attn.sinks", {kHeads});
  const std::string mlp = "model.layers.0.mlp.";
  model.add(mlp + "router.weight", {kExperts, kWidth});
  model.add(mlp + "router.bias", {kExperts});
  model.add(mlp + "experts.gate_up_proj_bias", {kExperts, 2 * kFf});
  model.add(mlp + "experts.down_proj_bias", {kExperts, kWidth});
  if (!packed) {
    model.add(mlp + "experts.gate_up_proj", {kExperts, kWidth, 2 * kFf});
    model.add(mlp + "experts.down_proj", {kExperts, kFf, kWidth});
    return model;
  }
  for (const auto& [name, n_out, n_in] : {std::tuple{"gate_up", 2 * kFf, kWidth}, std::tuple{"down", kWidth, kFf}}) {
    std::vector<uint8_t> blocks(static_cast<size_t>(kExperts * n_out * n_in / 2));
    std::iota(blocks.begin(), blocks.end(), uint8_t{0});
    model.tensors.bytes(mlp + "experts." + name + "_proj_blocks", {kExperts, n_out, n_in / 32, 16}, blocks);
    model.tensors.bytes(mlp + "experts." + name + "_proj_scales", {kExperts, n_out, n_in / 32}, std::vector<uint8_t>(blocks.size() / 16, 128));
  }
  return model;
}
/// Linear attention of 2 key heads and 4 value heads, both 8 wide, kept by key head.
FolderModel linear(const std::string& type) {
  FolderModel model{.type = type, .extra = R"(,"head_dim":16,"num_key_value_heads":2,"num_experts":3,"full_attention_interval":4,"linear_num_key_heads":2,"linear_num_value_heads":4,"linear_key_head_dim":8,
    "linear_value_head_dim":8,"linear_conv_kernel_dim":4)", .tensors = {}};
  for (const char* name : {"model.norm.weight", "model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight"}) model.add(name, {kWidth});
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) model.add(name, {kVocab, kWidth});
  const std::string block = "model.layers.0.linear_attn.";
  if (type == "qwen3_next") {
    model.add(block + "in_proj_qkvz.weight", {96, kWidth});
    model.add(block + "in_proj_ba.weight", {8, kWidth});
  } else {
    model.add(block + "in_proj_qkv.weight", {64, kWidth});
    model.add(block + "in_proj_z.weight", {32, kWidth});
    for (const char* name : {"a", "b"}) model.add(block + "in_proj_" + name + ".weight", {4, kWidth});
  }
  model.add(block + "conv1d.weight", {64, 1, 4});
  for (const char* name : {"A_log", "dt_bias"}) {
    model.next = 0;   // -exp of it must be a number
    model.add(block + name, {4});
  }
  model.add(block + "norm.weight", {8});
  model.add(block + "out_proj.weight", {kWidth, 32});
  model.experts("mlp", "gate_proj", "up_proj", "down_proj");
  for (const char* name : {"gate", "up"}) model.add(std::string("model.layers.0.mlp.shared_expert.") + name + "_proj.weight", {kFf, kWidth});
  model.add("model.layers.0.mlp.shared_expert.down_proj.weight", {kWidth, kFf});
  model.add("model.layers.0.mlp.shared_expert_gate.weight", {1, kWidth});
  model.add("mtp.norm.weight", {kWidth});
  return model;
}

std::vector<float> rows(const SourceModel& model, const std::string& name) {
  for (const SourceTensor& tensor : model.tensors) {
    if (tensor.name != name) continue;
    std::vector<float> out(static_cast<size_t>(tensor.n_rows() * tensor.dims[0]));
    tensor.read_rows(0, tensor.n_rows(), out.data());
    return out;
  }
  fail(__FILE__, __LINE__, "no tensor " + name);
}

/// Writes the model as asked and opens it again.
std::unique_ptr<GgufFile> written(const SourceModel& model, const std::string& path, const QuantizeRequest& request = {.type = DType::kF32}) {
  std::vector<GgufTensorPlan> plan;
  for (const SourceTensor& tensor : model.tensors) plan.push_back({tensor.name, stored_type(tensor, request), tensor.dims});
  GgufWriter writer(path, model.metadata, plan);
  for (size_t i = 0; i < plan.size(); ++i) {
    const std::vector<float> values = rows(model, plan[i].name);
    std::vector<std::byte> bytes(plan[i].bytes());
    quantize_row(plan[i].type, values.data(), bytes.data(), static_cast<int64_t>(values.size()));
    writer.write(bytes);
  }
  writer.finish();
  return GgufFile::open(path);
}

/// A quantised file read as floats, which open_source() refuses to do: every family has a small golden, not all of them in floats.
SourceModel dequantised(const std::string& path) {
  SourceModel model;
  model.gguf = GgufFile::open(path);
  model.metadata.assign(model.gguf->metadata().begin(), model.gguf->metadata().end());
  for (const GgufTensor& tensor : model.gguf->tensors()) {
    model.tensors.push_back({.name = tensor.name, .type = DType::kF32, .dims = {tensor.dims, tensor.dims + tensor.n_dims}, .parts = {}, .make_row = [&tensor](int64_t row, float* out) {
      dequantize_row(tensor.type, tensor.data + static_cast<size_t>(row) * row_bytes(tensor.type, tensor.dims[0]), out, tensor.dims[0]);
    }});
  }
  return model;
}

void refuse(const FolderModel& model, const std::string& part) {
  const TemporaryFolder folder;
  model.write(folder);
  try {
    open_source(folder.path());
  } catch (const Error& error) {
    CHECK_MSG(std::string(error.what()).find(part) != std::string::npos, "'" + part + "' is not in: " + error.what());
    return;
  }
  fail(__FILE__, __LINE__, "accepted, but expected: " + part);
}

const GgufValue& value(const std::vector<GgufEntry>& entries, const std::string& key) {
  for (const GgufEntry& entry : entries) {
    if (entry.key == key) return entry.value;
  }
  fail(__FILE__, __LINE__, "no entry " + key);
}

template <class T>
const std::vector<T>& list(const std::vector<GgufEntry>& entries, const std::string& key) { return std::get<std::vector<T>>(std::get<GgufArray>(value(entries, key))); }

std::vector<GgufEntry> tokenizer(const std::string& json, int64_t n_vocab, const std::string& config = "{}") {
  return tokenizer_entries({.tokenizer = Json::parse(json, "tokenizer.json"), .tokenizer_config = Json::parse(config, "tokenizer_config.json"), .config = Json(), .chat_template = {}}, n_vocab);
}

}  // namespace

TEST("a folder of each family becomes a file that binds") {
  for (const FolderModel& model : {mixtral(), olmoe(), granite(), qwen2(), qwen3(), phi(), deepseek(), gpt_oss(false), gpt_oss(true)}) {
    const TemporaryFolder folder;
    model.write(folder);
    const SourceModel source = open_source(folder.path());
    const auto file = written(source, folder.path("out.gguf"));
    const ModelSpec spec = spec_from_gguf(*file);
    bind_weights(*file, spec);
    CHECK(spec.layers[0].ffn.n_experts == kExperts && spec.layers[0].ffn.n_experts_used == 2 && spec.layers[0].ffn.d_ff == kFf);
    CHECK(spec.layers[0].attention.rope.base == 5e5f && spec.bos_token == 0 && spec.eos_token == 0);
    if (model.type != "granitemoe") CHECK(spec.layers[0].ffn.router.renormalise == (model.type == "mixtral" || model.type == "qwen3_moe" || model.type == "deepseek_v3"));
    CHECK(spec.residual_scale == (model.type == "granitemoe" ? 0.22f : 1.f));
  }
}

TEST("Mixtral's q and k rows become adjacent pairs within their head, others keep their order") {
  const TemporaryFolder folder;
  mixtral().write(folder);
  const SourceModel model = open_source(folder.path());
  const std::vector<float> q = rows(model, "blk.0.attn_q.weight"), v = rows(model, "blk.0.attn_v.weight");
  const float first = q[0];
  for (int row = 0; row < kHeads * kHead; ++row) {
    const int within = row % kHead, wanted = row / kHead * kHead + within / 2 + within % 2 * (kHead / 2);
    CHECK(q[static_cast<size_t>(row * kWidth)] == first + static_cast<float>(wanted * kWidth));
    CHECK(v[static_cast<size_t>(row * kWidth)] == v[0] + static_cast<float>(row * kWidth));
  }
}

TEST("biases of q and k go with their rows") {
  FolderModel model = mixtral();
  model.type = "aquilamoe";
  for (const char* name : {"q", "k", "v"}) model.add(std::string("model.layers.0.self_attn.") + name + "_proj.bias", {kHeads * kHead});
  const TemporaryFolder folder;
  model.write(folder);
  const SourceModel source = open_source(folder.path());
  const std::vector<float> rows_of_k = rows(source, "blk.0.attn_k.weight"), k = rows(source, "blk.0.attn_k.bias"), v = rows(source, "blk.0.attn_v.bias");
  for (size_t i = 0; i < k.size(); ++i) {
    CHECK((k[i] - k[0]) * kWidth == rows_of_k[i * kWidth] - rows_of_k[0]);
    CHECK(v[i] == v[0] + static_cast<float>(i));
  }
  const auto file = written(source, folder.path("out.gguf"));
  bind_weights(*file, spec_from_gguf(*file));
}

TEST("experts come one after another, also out of a tensor that holds gate and up together") {
  const TemporaryFolder folder;
  qwen3().write(folder);
  const SourceModel fused = open_source(folder.path());
  const std::vector<float> gate = rows(fused, "blk.0.ffn_gate_exps.weight"), up = rows(fused, "blk.0.ffn_up_exps.weight");
  constexpr size_t kExpert = kFf * kWidth;
  for (size_t e = 0; e < kExperts; ++e) {
    CHECK(gate[e * kExpert] == gate[0] + static_cast<float>(2 * e * kExpert));
    CHECK(up[e * kExpert] == gate[0] + static_cast<float>((2 * e + 1) * kExpert));
  }
  mixtral().write(folder);
  const SourceModel apart = open_source(folder.path());
  const std::vector<float> down = rows(apart, "blk.0.ffn_down_exps.weight");
  CHECK(down[kExpert] == down[0] + static_cast<float>(3 * kExpert));
}

TEST("DeepSeek's unfolding matrix is cut by head, its keys turned") {
  const TemporaryFolder folder;
  deepseek().write(folder);
  const SourceModel model = open_source(folder.path());
  const std::vector<float> k = rows(model, "blk.0.attn_k_b.weight"), v = rows(model, "blk.0.attn_v_b.weight");
  for (size_t head = 0, first = 0; head < kHeads; ++head, first += (kNope + kValue) * kLatent) {
    for (size_t l = 0; l < kLatent; ++l) {
      for (size_t i = 0; i < kNope; ++i) CHECK(k[(head * kLatent + l) * kNope + i] == k[0] + static_cast<float>(first + i * kLatent + l));
      for (size_t i = 0; i < kValue; ++i) CHECK(v[(head * kValue + i) * kLatent + l] == k[0] + static_cast<float>(first + (kNope + i) * kLatent + l));
    }
  }
}

TEST("linear attention's projections are sorted out, its value heads cycle where the family asks, norms get their one") {
  for (const char* type : {"qwen3_next", "qwen3_5_moe_text"}) {
    const TemporaryFolder folder;
    linear(type).write(folder);
    const SourceModel model = open_source(folder.path());
    const auto file = written(model, folder.path("out.gguf"));
    bind_weights(*file, spec_from_gguf(*file));
    CHECK(rows(model, "output_norm.weight")[1] == 2);
    const std::vector<float> decay = rows(model, "blk.0.ssm_a"), qkv = rows(model, "blk.0.attn_qkv.weight"), z = rows(model, "blk.0.attn_gate.weight");
    const auto row = [](const std::vector<float>& values, size_t i) { return (values[i * kWidth] - values[0]) / kWidth; };
    const bool next = std::string(type) == "qwen3_next";
    CHECK(decay[0] == -1 && std::abs(decay[1] + std::exp(next ? 1.f : 2.f)) < 1e-4f && std::abs(decay[2] + std::exp(next ? 2.f : 1.f)) < 1e-4f);
    CHECK(row(qkv, 8) == (next ? 48 : 8) && row(qkv, 16) == (next ? 8 : 16) && row(qkv, 32) == (next ? 16 : 32));   // second key head's q, first k, first v
    CHECK(row(qkv, 40) == (next ? 24 : 48) && row(z, 8) == (next ? 8 : 16) && row(z, 16) == (next ? 48 : 8));
    const std::vector<float> out = rows(model, "blk.0.ssm_out.weight");
    CHECK(out[8] - out[0] == (next ? 8 : 16) && out[32] - out[0] == 32);
  }
}

TEST("gpt-oss: gate and up are taken apart, in floats and in MXFP4") {
  const TemporaryFolder folder;
  gpt_oss(false).write(folder);
  SourceModel model = open_source(folder.path());
  const std::vector<float> gate = rows(model, "blk.0.ffn_gate_exps.weight"), up = rows(model, "blk.0.ffn_up_exps.weight");
  for (size_t row = 0; row < kFf; ++row) {
    for (size_t column = 0; column < kWidth; ++column) {
      CHECK(gate[row * kWidth + column] == gate[0] + static_cast<float>(column * 2 * kFf + 2 * row));
      CHECK(up[row * kWidth + column] == gate[row * kWidth + column] + 1);
    }
  }
  gpt_oss(true).write(folder);
  model = open_source(folder.path());
  const std::vector<float> packed = rows(model, "blk.0.ffn_up_exps.weight");   // its first row is the second: bytes from 16, 0x10 = 0 and 0.5
  CHECK(packed[0] == 0 && packed[1] == 1 && packed[2] == 1 && packed[3] == 1 && packed[4] == 2);
  CHECK(packed[kWidth + 1] == 3 && packed[kWidth] == 0);   // bytes from 48, 0x30 = 0 and 1.5
}

TEST("what is missing, unknown or different is named") {
  refuse(FolderModel().attention().experts("block_sparse_moe", "w1", "w3", "w2", 2), "lacks expert 2 of 'blk.0.ffn_down_exps.weight'");
  FolderModel model = mixtral();
  model.add("model.layers.0.self_attn.rotor.weight", {4});
  refuse(model, "tensor 'model.layers.0.self_attn.rotor.weight' is not known");
  model = mixtral();
  model.add("model.layers.1.self_attn.q_proj.weight", {kWidth, kWidth});
  refuse(model, "counts to 1 where config.json has only 1");
  model = mixtral();
  model.add("model.layers.0.block_sparse_moe.experts.7.w1.weight", {kFf, kWidth});
  refuse(model, "counts to 7 where config.json has only 3");
  model = FolderModel().attention();
  model.add("model.layers.0.block_sparse_moe.experts.0.w1.weight", {kFf, kWidth});
  model.add("model.layers.0.block_sparse_moe.experts.1.w1.weight", {kFf + 1, kWidth});
  refuse(model, "differs in shape or type from the other experts'");
  model = mixtral();
  model.type = "bert";
  refuse(model, "models of the type 'bert' cannot be converted yet; aquilamoe, deepseek_v2, deepseek_v3, gemma4_text, gpt_oss, granitemoe, mixtral, olmoe");
  model = gpt_oss(true);
  model.extra += R"(,"layer_types":["full_attention"])";
  refuse(model, "windows in other layers than 0, 2, 4");
  model = deepseek();
  model.extra += R"(,"moe_layer_freq":2)";
  refuse(model, "'moe_layer_freq'");
  model = linear("qwen3_next");
  model.add("model.layers.0.self_attn.q_norm.weight", {0});
  refuse(model, "is 0 where config.json asks for 32");
  for (const auto& [extra, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"(,"hidden_act":"gelu")", "another activation"}, {R"(,"sliding_window":64)", "'sliding_window'"}, {R"(,"quantization_config":{})", "'quantization_config'"},
           {R"(,"rope_scaling":{"rope_type":"longrope"})", "'longrope'"}, {R"(,"vocab_size":3)", "outside the model's vocabulary of 3"}, {R"(,"hidden_size":-1)", "'hidden_size' has a value of the wrong kind"}}) {
    model = mixtral();
    model.extra = extra;
    refuse(model, part);
  }
}

namespace {

/// A published drafter's folder, two layers of it: no tokenizer, a copy of the target's embedding.
struct DrafterFolder {
  std::string extra, own = R"("mask_token_id":11,"target_layer_ids":[0,2])", name = "DFlashDraftModel";
  FolderModel model{};
  DrafterFolder() {
    model.add("fc.weight", {kWidth, 2 * kWidth});
    for (const char* norm : {"hidden_norm.weight", "norm.weight"}) model.add(norm, {kWidth});
    model.add("embed_tokens.weight", {kVocab, kWidth});
    for (int i = 0; i < 2; ++i) {
      const std::string layer = "layers." + std::to_string(i) + ".";
      for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"}) model.add(layer + norm, {kWidth});
      for (const char* norm : {"q_norm.weight", "k_norm.weight"}) model.add(layer + "self_attn." + norm, {kHead});
      model.add(layer + "self_attn.q_proj.weight", {kHeads * kHead, kWidth});
      for (const char* part : {"k_proj.weight", "v_proj.weight"}) model.add(layer + "self_attn." + part, {kHead, kWidth});
      model.add(layer + "self_attn.o_proj.weight", {kWidth, kHeads * kHead});
      for (const char* part : {"gate_proj.weight", "up_proj.weight"}) model.add(layer + "mlp." + part, {kFf, kWidth});
      model.add(layer + "mlp.down_proj.weight", {kWidth, kFf});
    }
  }
  void write(const TemporaryFolder& folder) const {
    folder.write("model.safetensors", model.tensors.build());
    folder.write("config.json", R"({"architectures":[")" + name + R"("],"model_type":"qwen3","hidden_size":32,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":16,
      "intermediate_size":64,"rms_norm_eps":1e-6,"rope_theta":1e7,"max_position_embeddings":512,"vocab_size":12,"block_size":8,"dflash_config":{)" + own + "}" + extra + "}");
  }
  std::string refusal() const {
    const TemporaryFolder folder;
    write(folder);
    try {
      open_source(folder.path());
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  }
};

ModelSpec drafted_target() {
  ModelSpec target;
  target.d_model = kWidth;
  target.n_layers = 4;
  target.n_vocab = kVocab;
  return target;
}

}  // namespace

TEST("a folder of a block-diffusion drafter becomes a file that the drafter's loader reads") {
  const TemporaryFolder folder;
  DrafterFolder drafter;
  drafter.extra = R"(,"is_causal":false,"layer_types":["sliding_attention","full_attention"],"use_sliding_window":true,"sliding_window":256)";
  drafter.write(folder);
  const SourceModel source = open_source(folder.path());
  CHECK(rows(source, "fc.weight")[1] == 1 && rows(source, "blk.1.ffn_down.weight").size() == kWidth * kFf);
  CHECK(std::none_of(source.tensors.begin(), source.tensors.end(), [](const SourceTensor& tensor) { return tensor.name == "token_embd.weight"; }));
  const auto file = written(source, folder.path("out.gguf"));
  CHECK(gguf_string(*file, "general.architecture") == "dflash" && gguf_int(*file, "tokenizer.ggml.mask_token_id") == 11);
  CHECK((std::get<std::vector<int64_t>>(std::get<GgufArray>(*file->find("dflash.target_layers"))) == std::vector<int64_t>{1, 3}));   // from one

  const DflashModel model(folder.path("out.gguf"), drafted_target());
  CHECK((model.taps() == std::vector<int>{0, 2}) && model.max_length() == 7 && model.kind() == kBlockDiffusion);
  CHECK(model.kv_shapes().size() == 2 && model.kv_shapes()[0].n_kv_heads == 1 && model.kv_shapes()[0].d_k == kHead);
  const std::vector<LayerSpec>& layers = model.spec().layers.layers;
  CHECK(layers[0].attention.window == 256 && layers[1].attention.window == 0 && !layers[0].attention.causal && layers[0].attention.rope.base == 1e7f);
}

TEST("a drafter's folder may leave out what has a default, and names what it lacks") {
  DrafterFolder drafter;
  drafter.own = R"("mask_token_id":11,"causal":true)";
  const TemporaryFolder folder;
  drafter.write(folder);
  const auto file = written(open_source(folder.path()), folder.path("out.gguf"));
  ModelSpec target = drafted_target();
  target.n_layers = 8;
  const DflashModel model(folder.path("out.gguf"), target);
  CHECK((model.taps() == std::vector<int>{1, 5}));   // spread by the loader
  CHECK(model.spec().layers.layers[0].attention.causal);

  const auto refuses = [](DrafterFolder other, const char* part) { CHECK_MSG(other.refusal().find(part) != std::string::npos, other.refusal()); };
  drafter = {};
  drafter.name = "DFlash2DraftModel";
  refuses(drafter, "drafters of the kind 'DFlash2DraftModel' cannot be converted yet");
  drafter = {};
  drafter.own = R"("target_layer_ids":[0,2])";
  refuses(drafter, "lacks the number 'mask_token_id'");
  drafter = {};
  drafter.own += R"(,"output_multiplier":2.0)";
  refuses(drafter, "'output_multiplier'");
  for (const auto& [extra, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"(,"attention_bias":true)", "'attention_bias'"}, {R"(,"rope_scaling":{"rope_type":"yarn"})", "'rope_scaling'"}, {R"(,"layer_types":["sliding_attention"])", "of 1 for 2 layers"}, {R"(,"block_size":1)", "must be 2 to 64"}}) {
    drafter = {};
    drafter.extra = extra;
    refuses(drafter, part);
  }
  drafter = {};
  drafter.model.add("layers.0.attention_conv.base_kernel", {2, kWidth});
  refuses(drafter, "tensor 'layers.0.attention_conv.base_kernel' is not known");
  drafter = {};
  drafter.model.add("layers.5.input_layernorm.weight", {kWidth});
  refuses(drafter, "where config.json has 2");
}

TEST("tied embeddings leave the copy out") {
  FolderModel model = mixtral();
  model.extra = R"(,"tie_word_embeddings":true)";
  const TemporaryFolder folder;
  model.write(folder);
  const auto file = written(open_source(folder.path()), folder.path("out.gguf"));
  CHECK(file->find_tensor("output.weight") == nullptr && spec_from_gguf(*file).tied_embeddings);
}

TEST("a GGUF file passes through with its metadata, and a quantised one is refused by its tensor") {
  GgufBuilder b;
  b.string("general.architecture", "llama").u32("general.file_type", 1).boolean("flag", true).f32("real", 0.1f);
  b.array<std::string>("texts", GgufType::kString, {"a", ""}).array<int32_t>("kinds", GgufType::kI32, {1, -3}).array<float>("scores", GgufType::kF32, {0.5f, -1e9f});
  b.array<int64_t>("large", GgufType::kI64, {int64_t{1} << 40}).tensor("t.weight", {4, 2}, DType::kF16);
  const TemporaryFolder folder;
  folder.write("in.gguf", b.build());
  const SourceModel model = open_source(folder.path("in.gguf"));
  const auto file = written(model, folder.path("out.gguf"));
  CHECK(file->find("general.file_type") == nullptr && gguf_string(*file, "general.architecture") == "llama");
  CHECK(gguf_bool_or(*file, "flag", false) && gguf_float(*file, "real") == static_cast<double>(0.1f));
  for (const char* key : {"texts", "kinds", "scores", "large"}) CHECK(*file->find(key) == *model.gguf->find(key));
  CHECK(!std::filesystem::exists(folder.path("out.gguf.partial")));
  b.tensor("q.weight", {32, 1}, DType::kQ8_0);
  folder.write("in.gguf", b.build());
  try {
    open_source(folder.path("in.gguf"));
    fail(__FILE__, __LINE__, "a quantised source was accepted");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("'q.weight' is stored as Q8_0 already") != std::string::npos);
  }
}

TEST("every family's floats bind after quantising, whatever the type") {
  const TemporaryFolder folder;
  for (const char* name : {"deepseek2lite-F16", "deepseek2v3-Q4_0", "gemma4-Q8_0", "granitemoe-Q8_0", "gptoss-MXFP4", "phimoe-Q8_0", "qwen3next-F16", "qwen35moe-Q8_0"}) {
    const SourceModel model = dequantised(std::string(CONCLAVE_FIXTURES) + "/golden/" + name + ".gguf");
    for (const DType type : {DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ6_K, DType::kQ5_K, DType::kQ4_K, DType::kIQ4_NL, DType::kQ4_0, DType::kMXFP4}) {
      for (const bool experts_only : {false, true}) {
        const auto file = written(model, folder.path("out.gguf"), {.type = type, .experts_only = experts_only});
        bind_weights(*file, spec_from_gguf(*file));
        const auto uses = [&](const GgufTensor& tensor) { return tensor.type == type; };
        CHECK_MSG(file->tensors().size() == model.tensors.size(), name);
        CHECK_MSG(std::any_of(file->tensors().begin(), file->tensors().end(), uses) || dtype_traits(type)->block_elements == 256, std::string(name) + " has nothing of " + dtype_traits(type)->name);
      }
    }
  }
}

TEST("an abandoned file leaves nothing behind") {
  const TemporaryFolder folder;
  const GgufTensorPlan plan{"t", DType::kF32, {4}};
  { const GgufWriter writer(folder.path("out.gguf"), {}, {&plan, 1}); }
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST("byte-level BPE: ids, kinds, merges in both forms, the pattern's name, gaps as unused") {
  const auto entries = tokenizer(R"({"added_tokens":[{"id":5,"content":"<|end|>","special":true},{"id":4,"content":"<tool>","special":false}],
    "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},{"type":"ByteLevel"}]},
    "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"],"ab a"]}})", 7, R"({"eos_token":{"content":"<|end|>"},"chat_template":[{"name":"tools","template":"x"},{"name":"default","template":"y"}]})");
  CHECK(std::get<std::string>(value(entries, "tokenizer.ggml.model")) == "gpt2" && std::get<std::string>(value(entries, "tokenizer.ggml.pre")) == "qwen2");
  CHECK(list<std::string>(entries, "tokenizer.ggml.tokens") == (std::vector<std::string>{"a", "b", "ab", "[PAD3]", "<tool>", "<|end|>", "[PAD6]"}));
  CHECK(list<int64_t>(entries, "tokenizer.ggml.token_type") == (std::vector<int64_t>{1, 1, 1, 5, 4, 3, 5}));
  CHECK(list<std::string>(entries, "tokenizer.ggml.merges") == (std::vector<std::string>{"a b", "ab a"}));
  CHECK(std::get<int64_t>(value(entries, "tokenizer.ggml.eos_token_id")) == 5 && std::get<std::string>(value(entries, "tokenizer.chat_template")) == "y");
}

TEST("SentencePiece's BPE: scores fall with the rank of the merge, bytes and the unknown have their kinds") {
  const auto entries = tokenizer(R"({"added_tokens":[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}]},
    "model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,"vocab":{"<unk>":0,"<s>":1,"<0x0A>":2,"▁":3,"a":4,"aa":5,"▁a":6},"merges":["▁ a","a a"]}})", 7, R"({"bos_token":"<s>"})");
  CHECK(std::get<std::string>(value(entries, "tokenizer.ggml.model")) == "llama" && std::get<bool>(value(entries, "tokenizer.ggml.add_space_prefix")));
  CHECK(list<int64_t>(entries, "tokenizer.ggml.token_type") == (std::vector<int64_t>{2, 3, 6, 1, 1, 1, 1}));
  const std::vector<double>& scores = list<double>(entries, "tokenizer.ggml.scores");
  CHECK(scores[6] == 0 && scores[5] == -1 && scores[3] < -1 && scores[4] < -1);
  CHECK(std::get<bool>(value(entries, "tokenizer.ggml.add_bos_token")) && std::get<int64_t>(value(entries, "tokenizer.ggml.bos_token_id")) == 1);
}

TEST("tokenizers of other kinds are refused by name") {
  for (const auto& [json, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({})", "lacks its 'model'"},
           {R"({"model":{"type":"Unigram","vocab":[]}})", "type 'Unigram'"},
           {R"({"model":{"type":"BPE","vocab":{},"merges":[3]},"pre_tokenizer":{"type":"ByteLevel"}})", "merge that is not a pair"},
           {R"({"model":{"type":"BPE","vocab":{"a":99},"merges":[]}})", "an id outside"},
           {R"({"model":{"type":"BPE","vocab":{"a":"b"},"merges":[]}})", "an id outside"},
           {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]}})", "neither byte-level BPE nor SentencePiece's"},
           {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"x+"}},{"type":"ByteLevel"}]}})", "pattern 'x+'"}}) {
    try {
      tokenizer(json, 4);
    } catch (const Error& error) {
      CHECK_MSG(std::string(error.what()).find(part) != std::string::npos, std::string("'") + part + "' is not in: " + error.what());
      continue;
    }
    fail(__FILE__, __LINE__, std::string("accepted, but expected: ") + part);
  }
}

int main(int argc, char** argv) { return run_tests(argc, argv); }
