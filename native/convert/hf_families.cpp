// See hf_families.h. Facts: the published config.json and weight names of each family, and GGUF's key names.
#include "convert/hf_families.h"

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

constexpr HfFamily kFamilies[] = {
    {"aquilamoe", "llama", true, {}},   // grown from a dense Llama-like model; its folder's names are taken to be Mixtral's
    {"granitemoe", "granitemoe", true, kGraniteKeys},
    {"mixtral", "llama", true, {}},
    {"olmoe", "olmoe", false, {}},
    {"qwen2_moe", "qwen2moe", false, kQwen2MoeKeys},
    {"qwen3_moe", "qwen3moe", false, kQwen3MoeKeys},
};

constexpr HfTensor kTensors[] = {
    {"model.embed_tokens.weight", "token_embd.weight", HfLayout::kPlain, false},
    {"model.norm.weight", "output_norm.weight", HfLayout::kPlain, false},
    {"lm_head.weight", "output.weight", HfLayout::kPlain, false},

    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight", HfLayout::kHeads},
    {"self_attn.k_proj.weight", "attn_k.weight", HfLayout::kHeads},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias", HfLayout::kHeads},
    {"self_attn.k_proj.bias", "attn_k.bias", HfLayout::kHeads},
    {"self_attn.v_proj.bias", "attn_v.bias"},
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
};

}  // namespace

std::span<const HfFamily> hf_families() { return kFamilies; }
std::span<const HfKey> hf_common_keys() { return kCommonKeys; }

const HfTensor* find_hf_tensor(std::string_view source, bool in_layer) {
  for (const HfTensor& rule : kTensors) {
    if (rule.in_layer == in_layer && source == rule.source) return &rule;
  }
  return nullptr;
}

}  // namespace conclave
