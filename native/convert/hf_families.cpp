// See hf_families.h. Facts: the published config.json and weight names of each family, and GGUF's key names.
#include "convert/hf_families.h"

#include "convert/hf_derived.h"

namespace conclave {
namespace {

using Kind = HfKey::Kind;

constexpr HfKey kCommonKeys[] = {
    {"num_hidden_layers", "block_count", Kind::kU32, true},
    {"max_position_embeddings", "context_length", Kind::kU32, true},
    {"hidden_size", "embedding_length", Kind::kU32, true},
    {"intermediate_size", "feed_forward_length", Kind::kU32, true},
    {"num_attention_heads", "attention.head_count", Kind::kU32, true},
    {"num_key_value_heads", "attention.head_count_kv", Kind::kU32},
    {"head_dim", "attention.key_length", Kind::kU32},
    {"head_dim", "attention.value_length", Kind::kU32},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", Kind::kF32, true},
    {"vocab_size", "vocab_size", Kind::kU32, true},
    {"num_experts", "expert_count", Kind::kU32, true, "num_local_experts"},
    {"num_experts_per_tok", "expert_used_count", Kind::kU32, true},
    {"norm_topk_prob", "expert_weights_norm", Kind::kBool},
};

constexpr HfKey kGraniteKeys[] = {
    {"embedding_multiplier", "embedding_scale", Kind::kF32, true},
    {"residual_multiplier", "residual_scale", Kind::kF32, true},
    {"attention_multiplier", "attention.scale", Kind::kF32, true},
    {"logits_scaling", "logit_scale", Kind::kF32, true},
};

constexpr HfKey kQwen2MoeKeys[] = {
    {"moe_intermediate_size", "expert_feed_forward_length", Kind::kU32, true},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length", Kind::kU32, true},
};
constexpr HfKey kQwen3MoeKeys[] = {
    {"moe_intermediate_size", "expert_feed_forward_length", Kind::kU32, true},
};
constexpr HfKey kDeepseekKeys[] = {
    {"n_routed_experts", "expert_count", Kind::kU32, true},
    {"n_shared_experts", "expert_shared_count", Kind::kU32},
    {"moe_intermediate_size", "expert_feed_forward_length", Kind::kU32, true},
    {"first_k_dense_replace", "leading_dense_block_count", Kind::kU32},
    {"routed_scaling_factor", "expert_weights_scale", Kind::kF32},
    {"q_lora_rank", "attention.q_lora_rank", Kind::kU32},
    {"kv_lora_rank", "attention.kv_lora_rank", Kind::kU32, true},
    {"v_head_dim", "attention.value_length_mla", Kind::kU32, true},
    {"qk_rope_head_dim", "rope.dimension_count", Kind::kU32, true},
};
constexpr HfKey kQwen3NextKeys[] = {
    {"moe_intermediate_size", "feed_forward_length", Kind::kU32, true},   // no layer is dense
    {"moe_intermediate_size", "expert_feed_forward_length", Kind::kU32, true},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length", Kind::kU32, true},
    {"linear_conv_kernel_dim", "ssm.conv_kernel", Kind::kU32, true},
    {"linear_key_head_dim", "ssm.state_size", Kind::kU32, true},
    {"linear_num_key_heads", "ssm.group_count", Kind::kU32, true},
    {"linear_num_value_heads", "ssm.time_step_rank", Kind::kU32, true},
};
constexpr HfKey kGptOssKeys[] = {
    {"intermediate_size", "expert_feed_forward_length", Kind::kU32, true},
    {"sliding_window", "attention.sliding_window", Kind::kU32, true},
    {"head_dim", "rope.dimension_count", Kind::kU32, true},
};
constexpr HfKey kGemma4Keys[] = {
    {"top_k_experts", "expert_used_count", Kind::kU32, true},
    {"moe_intermediate_size", "expert_feed_forward_length", Kind::kU32, true},
    {"sliding_window", "attention.sliding_window", Kind::kU32, true},
    {"final_logit_softcapping", "final_logit_softcapping", Kind::kF32},
};

/// Norms are stored less one.
constexpr HfTensor kQwen3NextTensors[] = {
    {"model.norm.weight", "output_norm.weight", HfLayout::kPlusOne, false},
    {"input_layernorm.weight", "attn_norm.weight", HfLayout::kPlusOne},
    {"post_attention_layernorm.weight", "post_attention_norm.weight", HfLayout::kPlusOne},
    {"self_attn.q_norm.weight", "attn_q_norm.weight", HfLayout::kPlusOne},
    {"self_attn.k_norm.weight", "attn_k_norm.weight", HfLayout::kPlusOne},
};
constexpr HfTensor kGptOssTensors[] = {
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
    {"mlp.experts.gate_up_proj", "ffn_gate_exps.weight", HfLayout::kTurnedGateUp, true, "ffn_up_exps.weight"},
    {"mlp.experts.down_proj", "ffn_down_exps.weight", HfLayout::kTurned},
};
constexpr HfTensor kGemma4Tensors[] = {
    {"post_attention_layernorm.weight", "post_attention_norm.weight"},
};

constexpr HfFamily kFamilies[] = {
    {"aquilamoe", "llama", true, {}},   // grown from a dense Llama-like model; its folder's names are taken to be Mixtral's
    {"deepseek_v2", "deepseek2", false, kDeepseekKeys, {}, derive_deepseek},
    {"deepseek_v3", "deepseek2", false, kDeepseekKeys, {}, derive_deepseek},
    {"gemma4_text", "gemma4", false, kGemma4Keys, kGemma4Tensors, derive_gemma4},
    {"gpt_oss", "gpt-oss", false, kGptOssKeys, kGptOssTensors, derive_gpt_oss},
    {"granitemoe", "granitemoe", true, kGraniteKeys},
    {"mixtral", "llama", true, {}},
    {"olmoe", "olmoe", false, {}},
    {"phimoe", "phimoe", false, {}},
    {"qwen2_moe", "qwen2moe", false, kQwen2MoeKeys},
    {"qwen3_5_moe_text", "qwen35moe", false, kQwen3NextKeys, kQwen3NextTensors, derive_qwen3_next, true},
    {"qwen3_moe", "qwen3moe", false, kQwen3MoeKeys},
    {"qwen3_next", "qwen3next", false, kQwen3NextKeys, kQwen3NextTensors, derive_qwen3_next},
};

constexpr HfTensor kTensors[] = {
    {"model.embed_tokens.weight", "token_embd.weight", HfLayout::kPlain, false},
    {"model.norm.weight", "output_norm.weight", HfLayout::kPlain, false},
    {"model.norm.bias", "output_norm.bias", HfLayout::kPlain, false},
    {"lm_head.weight", "output.weight", HfLayout::kPlain, false},
    {"lm_head.bias", "output.bias", HfLayout::kPlain, false},

    {"input_layernorm.weight", "attn_norm.weight"},
    {"input_layernorm.bias", "attn_norm.bias"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"post_attention_layernorm.bias", "ffn_norm.bias"},
    {"self_attn.q_proj.weight", "attn_q.weight", HfLayout::kHeads},
    {"self_attn.k_proj.weight", "attn_k.weight", HfLayout::kHeads},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias", HfLayout::kHeads},
    {"self_attn.k_proj.bias", "attn_k.bias", HfLayout::kHeads},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.bias", "attn_output.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},

    {"mlp.gate.weight", "ffn_gate_inp.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight", HfLayout::kExpert},
    {"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight", HfLayout::kExpert},
    {"mlp.experts.*.down_proj.weight", "ffn_down_exps.weight", HfLayout::kExpert},
    {"mlp.experts.gate_up_proj", "ffn_gate_exps.weight", HfLayout::kGateUp, true, "ffn_up_exps.weight"},
    {"mlp.experts.down_proj", "ffn_down_exps.weight"},
    {"mlp.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_expert.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_expert.down_proj.weight", "ffn_down_shexp.weight"},
    {"mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight", HfLayout::kVector},

    // Mixtral's own names.
    {"block_sparse_moe.gate.weight", "ffn_gate_inp.weight"},
    {"block_sparse_moe.experts.*.w1.weight", "ffn_gate_exps.weight", HfLayout::kExpert},
    {"block_sparse_moe.experts.*.w2.weight", "ffn_down_exps.weight", HfLayout::kExpert},
    {"block_sparse_moe.experts.*.w3.weight", "ffn_up_exps.weight", HfLayout::kExpert},

    // Granite's own names.
    {"block_sparse_moe.router.layer.weight", "ffn_gate_inp.weight"},
    {"block_sparse_moe.input_linear.weight", "ffn_gate_exps.weight", HfLayout::kGateUp, true, "ffn_up_exps.weight"},
    {"block_sparse_moe.output_linear.weight", "ffn_down_exps.weight"},

    // DeepSeek's own names.
    {"self_attn.q_a_proj.weight", "attn_q_a.weight"},
    {"self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"},
    {"self_attn.q_b_proj.weight", "attn_q_b.weight"},
    {"self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"},
    {"self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"},
    {"self_attn.kv_b_proj.weight", "attn_k_b.weight", HfLayout::kUnfold, true, "attn_v_b.weight"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    {"mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    {"mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    {"mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},

    // Linear attention: Qwen3-Next's, then Qwen3.5's own.
    {"linear_attn.in_proj_qkvz.weight", "attn_qkv.weight", HfLayout::kQkvz, true, "attn_gate.weight"},
    {"linear_attn.in_proj_ba.weight", "ssm_ba.weight"},
    {"linear_attn.conv1d.weight", "ssm_conv1d.weight", HfLayout::kConvolution},
    {"linear_attn.A_log", "ssm_a", HfLayout::kDecay},
    {"linear_attn.dt_bias", "ssm_dt.bias", HfLayout::kScalars},
    {"linear_attn.norm.weight", "ssm_norm.weight"},
    {"linear_attn.out_proj.weight", "ssm_out.weight", HfLayout::kValueColumns},
    {"linear_attn.in_proj_qkv.weight", "attn_qkv.weight", HfLayout::kQkv},
    {"linear_attn.in_proj_z.weight", "attn_gate.weight", HfLayout::kValueRows},
    {"linear_attn.in_proj_b.weight", "ssm_beta.weight", HfLayout::kScalarRows},
    {"linear_attn.in_proj_a.weight", "ssm_alpha.weight", HfLayout::kScalarRows},

    // gpt-oss's own names.
    {"self_attn.sinks", "attn_sinks.weight"},
    {"mlp.router.weight", "ffn_gate_inp.weight"},
    {"mlp.router.bias", "ffn_gate_inp.bias"},
    {"mlp.experts.gate_up_proj_blocks", "ffn_gate_exps.weight", HfLayout::kMxGateUp, true, "ffn_up_exps.weight"},
    {"mlp.experts.gate_up_proj_scales", "", HfLayout::kSkipped},
    {"mlp.experts.gate_up_proj_bias", "ffn_gate_exps.bias", HfLayout::kTurnedBias, true, "ffn_up_exps.bias"},
    {"mlp.experts.down_proj_blocks", "ffn_down_exps.weight", HfLayout::kMx},
    {"mlp.experts.down_proj_scales", "", HfLayout::kSkipped},
    {"mlp.experts.down_proj_bias", "ffn_down_exps.bias"},

    // Gemma's own names.
    {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
    {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
    {"post_feedforward_layernorm_1.weight", "post_ffw_norm_1.weight"},
    {"pre_feedforward_layernorm_2.weight", "pre_ffw_norm_2.weight"},
    {"post_feedforward_layernorm_2.weight", "post_ffw_norm_2.weight"},
    {"layer_scalar", "layer_output_scale.weight"},
    {"router.proj.weight", "ffn_gate_inp.weight"},
    {"router.scale", "ffn_gate_inp.scale"},
    {"router.per_expert_scale", "ffn_down_exps.scale"},
    {"experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"experts.down_proj", "ffn_down_exps.weight"},
};

}  // namespace

std::span<const HfFamily> hf_families() { return kFamilies; }
std::span<const HfKey> hf_common_keys() { return kCommonKeys; }

const HfTensor* find_hf_tensor(const HfFamily& family, std::string_view source, bool in_layer) {
  for (const std::span<const HfTensor> rules : {family.tensors, std::span<const HfTensor>(kTensors)}) {
    for (const HfTensor& rule : rules) {
      if (rule.in_layer == in_layer && source == rule.source) return &rule;
    }
  }
  return nullptr;
}

}  // namespace conclave
