// The smallest whole models of each family, as GGUF bytes: right shapes, zero weights. For tests of the spec, of binding
// and for fuzzing; the numbers themselves are tested against the golden models.
#pragma once
#include "test/gguf_builder.h"

namespace conclave::test {

struct TinyModel {
  std::string architecture = "olmoe";
  uint32_t n_layers = 2, d_model = 64, n_heads = 4, n_kv_heads = 2, d_k = 32, d_ff = 96, n_vocab = 40;
  uint32_t n_experts = 6, n_experts_used = 2, d_ff_shared = 0;
  enum class Norms { kNone, kPerHead, kWhole } qk_norm = Norms::kNone;
  bool biases = false, fused = false, tied = false;
  DType type = DType::kQ8_0;

  GgufBuilder file() const {
    GgufBuilder b;
    b.string("general.architecture", architecture).string("general.name", "tiny");
    const auto key = [&](const char* name) { return architecture + "." + name; };
    b.u32(key("block_count"), n_layers).u32(key("embedding_length"), d_model).u32(key("context_length"), 128).u32(key("vocab_size"), n_vocab);
    b.u32(key("attention.head_count"), n_heads).u32(key("attention.head_count_kv"), n_kv_heads).u32(key("attention.key_length"), d_k);
    b.u32(key("attention.value_length"), d_k).u32(key("feed_forward_length"), d_ff).f32(key("attention.layer_norm_rms_epsilon"), 1e-5f).f32(key("rope.freq_base"), 1e4f);
    if (n_experts > 0) b.u32(key("expert_count"), n_experts).u32(key("expert_used_count"), n_experts_used);
    if (d_ff_shared > 0) b.u32(key("expert_shared_feed_forward_length"), d_ff_shared);
    b.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2);
    b.tensor("token_embd.weight", {d_model, n_vocab}, type).tensor("output_norm.weight", {d_model});
    if (!tied) b.tensor("output.weight", {d_model, n_vocab}, type);
    for (uint32_t i = 0; i < n_layers; ++i) add_layer(b, "blk." + std::to_string(i) + ".");
    return b;
  }

 private:
  void add_layer(GgufBuilder& b, const std::string& block) const {
    const uint64_t d = d_model, d_q = uint64_t{n_heads} * d_k, d_kv = uint64_t{n_kv_heads} * d_k;
    b.tensor(block + "attn_norm.weight", {d}).tensor(block + "ffn_norm.weight", {d}).tensor(block + "attn_output.weight", {d_q, d}, type);
    if (fused) {
      b.tensor(block + "attn_qkv.weight", {d, d_q + 2 * d_kv}, type);
      if (biases) b.tensor(block + "attn_qkv.bias", {d_q + 2 * d_kv});
    } else {
      b.tensor(block + "attn_q.weight", {d, d_q}, type).tensor(block + "attn_k.weight", {d, d_kv}, type).tensor(block + "attn_v.weight", {d, d_kv}, type);
      if (biases) b.tensor(block + "attn_q.bias", {d_q}).tensor(block + "attn_k.bias", {d_kv}).tensor(block + "attn_v.bias", {d_kv});
    }
    if (qk_norm == Norms::kPerHead) b.tensor(block + "attn_q_norm.weight", {d_k}).tensor(block + "attn_k_norm.weight", {d_k});
    if (qk_norm == Norms::kWhole) b.tensor(block + "attn_q_norm.weight", {d_q}).tensor(block + "attn_k_norm.weight", {d_kv});
    if (n_experts == 0) {
      b.tensor(block + "ffn_gate.weight", {d, d_ff}, type).tensor(block + "ffn_up.weight", {d, d_ff}, type).tensor(block + "ffn_down.weight", {d_ff, d}, type);
      return;
    }
    b.tensor(block + "ffn_gate_inp.weight", {d, n_experts}).tensor(block + "ffn_down_exps.weight", {d_ff, d, n_experts}, type);
    if (fused) b.tensor(block + "ffn_gate_up_exps.weight", {d, 2 * d_ff, n_experts}, type);
    else b.tensor(block + "ffn_gate_exps.weight", {d, d_ff, n_experts}, type).tensor(block + "ffn_up_exps.weight", {d, d_ff, n_experts}, type);
    if (d_ff_shared > 0) {
      b.tensor(block + "ffn_gate_shexp.weight", {d, d_ff_shared}, type).tensor(block + "ffn_up_shexp.weight", {d, d_ff_shared}, type);
      b.tensor(block + "ffn_down_shexp.weight", {d_ff_shared, d}, type).tensor(block + "ffn_gate_inp_shexp.weight", {d});
    }
  }
};

inline TinyModel tiny_mixtral() { return {.architecture = "llama"}; }
inline TinyModel tiny_llama() { return {.architecture = "llama", .n_experts = 0}; }
inline TinyModel tiny_olmoe() { return {.architecture = "olmoe", .qk_norm = TinyModel::Norms::kWhole}; }
inline TinyModel tiny_qwen2() { return {.architecture = "qwen2", .n_experts = 0, .biases = true, .tied = true}; }
inline TinyModel tiny_qwen2moe() { return {.architecture = "qwen2moe", .d_ff_shared = 128, .biases = true}; }
inline TinyModel tiny_qwen3() { return {.architecture = "qwen3", .n_experts = 0, .qk_norm = TinyModel::Norms::kPerHead}; }
inline TinyModel tiny_qwen3moe() { return {.architecture = "qwen3moe", .qk_norm = TinyModel::Norms::kPerHead}; }

}  // namespace conclave::test
