// Binding: every tensor in its place with its true shape, fused tensors as views, and each refusal with both shapes.
#include "base/error.h"
#include "test/check.h"
#include "test/model_builder.h"
#include "weights/weights.h"

using namespace conclave;
using namespace conclave::test;

namespace {

struct Bound {
  std::vector<std::byte> bytes;
  std::unique_ptr<GgufFile> file;
  ModelSpec spec;
  ModelWeights weights;
};

Bound bind(GgufBuilder builder) {
  Bound bound;
  bound.bytes = builder.build();
  bound.file = GgufFile::open_memory(bound.bytes, "test.gguf");
  bound.spec = spec_from_gguf(*bound.file);
  bound.weights = bind_weights(*bound.file, bound.spec);
  return bound;
}

void refuse(const GgufBuilder& builder, const std::string& part, ErrorCode code = ErrorCode::kBadFile) {
  try {
    bind(builder);
  } catch (const Error& error) {
    CHECK_MSG(error.code() == code && std::string(error.what()).find(part) != std::string::npos, std::string("'") + part + "' is not in: " + error.what());
    return;
  }
  fail(__FILE__, __LINE__, "accepted, but expected: " + part);
}

TensorRecord& record(GgufBuilder& builder, const std::string& name) {
  for (TensorRecord& tensor : builder.tensors) {
    if (tensor.name == name) return tensor;
  }
  fail(__FILE__, __LINE__, "no tensor " + name);
}

bool has_shape(const Weight& weight, int64_t d_in, int64_t d_out, int64_t n_experts = 1) {
  return weight && weight.d_in == d_in && weight.d_out == d_out && weight.n_experts == n_experts;
}

}  // namespace

TEST("each family binds with the shapes that its spec implies") {
  for (const TinyModel& m : {tiny_mixtral(), tiny_llama(), tiny_olmoe(), tiny_qwen2(), tiny_qwen2moe(), tiny_qwen3(), tiny_qwen3moe()}) {
    const Bound b = bind(m.file());
    CHECK(has_shape(b.weights.token_embd, 64, 40) && has_shape(b.weights.output, 64, 40) && has_shape(b.weights.output_norm, 64, 1));
    CHECK((b.weights.output.data == b.weights.token_embd.data) == m.tied);
    for (const LayerWeights& l : b.weights.layers) {
      CHECK(has_shape(l.wq, 64, 128) && has_shape(l.wk, 64, 64) && has_shape(l.wv, 64, 64) && has_shape(l.wo, 128, 64));
      CHECK(has_shape(l.gate, 64, 96, m.n_experts > 0 ? 6 : 1) && has_shape(l.up, 64, 96, m.n_experts > 0 ? 6 : 1) && has_shape(l.down, 96, 64, m.n_experts > 0 ? 6 : 1));
      CHECK(static_cast<bool>(l.router) == (m.n_experts > 0) && static_cast<bool>(l.shared_gate) == (m.d_ff_shared > 0));
      CHECK(static_cast<bool>(l.bq) == m.biases && static_cast<bool>(l.q_norm) == (m.qk_norm != TinyModel::Norms::kNone));
      if (m.d_ff_shared > 0) CHECK(has_shape(l.shared_down, 128, 64) && has_shape(l.shared_output_gate, 64, 1));
      CHECK(!l.sinks && !l.router_selection_bias && !l.attn_post_norm && l.wq.expert_stride == 0);
    }
  }
}

TEST("fused tensors become views of their rows, expert by expert") {
  TinyModel model = tiny_qwen2moe();
  model.fused = true;
  const Bound b = bind(model.file());
  const LayerWeights& l = b.weights.layers[0];
  const std::byte* qkv = b.file->find_tensor("blk.0.attn_qkv.weight")->data;
  const size_t row = row_bytes(DType::kQ8_0, 64);
  CHECK(l.wq.data == qkv && l.wk.data == qkv + 128 * row && l.wv.data == qkv + 192 * row && has_shape(l.wq, 64, 128) && has_shape(l.wv, 64, 64));
  const std::byte* bias = b.file->find_tensor("blk.0.attn_qkv.bias")->data;
  CHECK(l.bq.data == bias && l.bk.data == bias + 128 * 4 && l.bv.data == bias + 192 * 4 && has_shape(l.bv, 64, 1));
  const std::byte* experts = b.file->find_tensor("blk.0.ffn_gate_up_exps.weight")->data;
  CHECK(has_shape(l.gate, 64, 96, 6) && has_shape(l.up, 64, 96, 6));
  for (int64_t e = 0; e < 6; ++e) {
    for (const int64_t r : {0, 95}) {
      CHECK(l.gate.row(r, e) == experts + static_cast<size_t>(e * 192 + r) * row);
      CHECK(l.up.row(r, e) == experts + static_cast<size_t>(e * 192 + 96 + r) * row);
    }
  }
  CHECK(l.down.expert_stride == 0 && l.down.row(1, 2) == l.down.data + l.down.expert_bytes() * 2 + l.down.row_bytes());
}

TEST("bytes read for a token: dense parts once, chosen experts, one row of embeddings") {
  const Bound b = bind(tiny_olmoe().file());
  const size_t q8 = 34, f32 = 4;
  const size_t embedding = 64 / 32 * q8, head = 40 * 64 / 32 * q8, norms = 2 * (64 + 64 + 128 + 64) * f32 + 64 * f32, routers = 2 * 64 * 6 * f32;
  const size_t attention = 2 * (64 * 128 + 64 * 64 + 64 * 64 + 128 * 64) / 32 * q8, experts = 2 * 2 * 3 * 64 * 96 / 32 * q8;
  CHECK(active_bytes_per_token(b.spec, b.weights) == embedding + head + norms + routers + attention + experts);
  TinyModel fused = tiny_olmoe();
  fused.fused = true;
  const Bound f = bind(fused.file());
  CHECK(active_bytes_per_token(f.spec, f.weights) == active_bytes_per_token(b.spec, b.weights));
}

TEST("a missing tensor is named, whichever it is") {
  for (const TinyModel& model : {tiny_olmoe(), tiny_qwen2moe(), tiny_qwen3()}) {
    const GgufBuilder whole = model.file();
    for (const TensorRecord& tensor : whole.tensors) {
      if (tensor.name == "output.weight" || tensor.name.ends_with(".bias")) continue;   // may be absent
      GgufBuilder b = model.file();
      std::erase_if(b.tensors, [&](const TensorRecord& r) { return r.name == tensor.name; });
      refuse(b, "lacks the tensor '" + tensor.name + "'");
    }
  }
}

TEST("a wrong shape shows both shapes") {
  GgufBuilder b = tiny_olmoe().file();
  record(b, "blk.1.ffn_up_exps.weight").dims = {64, 64, 6};
  refuse(b, "tensor 'blk.1.ffn_up_exps.weight' has the shape [64, 64, 6] but [64, 96, 6] is expected");
  b = tiny_olmoe().file();
  record(b, "blk.0.attn_q.weight").dims = {64, 64, 2};
  refuse(b, "tensor 'blk.0.attn_q.weight' has the shape [64, 64, 2] but [64, 128] is expected");
  b = tiny_olmoe().file();
  record(b, "token_embd.weight").dims = {64, 39};
  refuse(b, "[64, 39] but [64, 40] is expected");
  b = tiny_olmoe().file();
  record(b, "blk.0.attn_q_norm.weight").dims = {32};
  refuse(b, "[32] but [128] is expected");
  b = tiny_olmoe().file();
  record(b, "blk.0.attn_norm.weight").dims = {64, 1};   // a trailing dimension of one changes nothing
  bind(b);
}

TEST("a type that cannot be computed is refused with the tensor's name, a norm must be F32") {
  GgufBuilder b = tiny_olmoe().file();
  record(b, "blk.0.attn_q.weight").type = static_cast<uint32_t>(DType::kI32);
  refuse(b, "tensor 'blk.0.attn_q.weight' is stored as I32, which is not supported yet", ErrorCode::kUnsupported);
  TinyModel wide = tiny_olmoe();
  wide.d_model = 256;
  b = wide.file();
  for (const DType type : {DType::kIQ1_S, DType::kIQ1_M, DType::kIQ2_XXS, DType::kIQ2_XS, DType::kIQ2_S, DType::kIQ3_XXS, DType::kIQ3_S}) {
    record(b, "blk.1.ffn_gate_exps.weight").type = static_cast<uint32_t>(type);
    refuse(b, std::string("tensor 'blk.1.ffn_gate_exps.weight' is stored as ") + dtype_traits(type)->name + ", which is not supported yet", ErrorCode::kUnsupported);
  }
  b = tiny_olmoe().file();
  record(b, "blk.0.ffn_norm.weight").type = static_cast<uint32_t>(DType::kF16);
  refuse(b, "tensor 'blk.0.ffn_norm.weight' is stored as F16 but must be F32");
}

TEST("a tensor that nothing uses is refused: the answers would be wrong without it") {
  GgufBuilder b = tiny_olmoe().file();
  refuse(b.tensor("blk.0.attn_sinks.weight", {4}), "tensor 'blk.0.attn_sinks.weight' belongs to a variant", ErrorCode::kUnsupported);
  b = tiny_olmoe().file();
  bind(b.tensor("blk.0.attn_rot_embd.weight", {16}));
}

TEST("the layout of one tensor per expert is recognised") {
  GgufBuilder b = tiny_mixtral().file();
  refuse(b.tensor("blk.0.ffn_gate.0.weight", {64, 96}), "take a newer conversion", ErrorCode::kUnsupported);
}

int main(int argc, char** argv) { return run_tests(argc, argv); }
