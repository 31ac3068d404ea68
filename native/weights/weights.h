// The bound model: every tensor of the file found, checked against the spec (type and shape, expected and actual in the
// message) and handed to the backend. Owns nothing but the handles; the GgufFile must outlive it.
#pragma once
#include <vector>

#include "formats/gguf.h"
#include "model/spec.h"
#include "ops/ops.h"

namespace conclave {

struct LayerWeights {
  Weight attn_norm, attn_norm_bias;
  Weight wq, wk, wv, wo;                // fused attn_qkv is split into row views
  Weight bq, bk, bv, bo;
  Weight q_norm, k_norm, sinks;
  Weight ffn_norm, ffn_norm_bias;
  Weight router, router_bias, router_selection_bias;
  Weight gate, up, down;                // dense, or [E] experts; fused gate_up is split into row views
  Weight gate_bias, up_bias, down_bias;
  Weight shared_gate, shared_up, shared_down, shared_output_gate;
  Weight attn_post_norm, ffn_post_norm;
  Weight wq_a, q_a_norm, wq_b;          // latent attention: queries through a latent (else wq),
  Weight wkv_a, kv_a_norm;              // keys and values into one,
  Weight k_heads, v_heads;              // and out of it, [n_heads]: absorbed [d_kv_latent][d_nope], else [d_nope][d_kv_latent]; [d_head_v][d_kv_latent]
  Weight attn_gate, ssm_beta_alpha, ssm_beta, ssm_alpha, ssm_conv, ssm_dt, ssm_a, ssm_norm;   // linear attention; wq is its fused qkv
  Weight router_input_norm, expert_scale, expert_norm, expert_post_norm, beside_post_norm;    // Gemma 4
  Weight beside_gate, beside_up, beside_down;
  Weight output_scale;                  // [1] multiplies the layer's output
};

struct ModelWeights {
  Weight mask_embd;   // [d_model] what kMaskToken is embedded as; drafters only
  Weight token_embd, output_norm, output_norm_bias, output, output_bias, rope_freqs;
  std::vector<LayerWeights> layers;
  Weight rope_freqs_long;   // LongRoPE's divisors beyond the context of training
};

/// Throws Error(kBadFile) naming the tensor when one is missing, extra-dimensional, of the wrong shape or type.
ModelWeights bind_weights(const GgufFile& file, const ModelSpec& spec);

/// Weight bytes read for one decoded token (active experts only; embeddings by row, head in full).
size_t active_bytes_per_token(const ModelSpec& spec, const ModelWeights& weights);

}  // namespace conclave
