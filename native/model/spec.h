// What a model is, as plain data: filled once from the file's metadata plus one row of families.cpp, and read by
// the planner, the forward pass, the memory meter and the app. No pointers, no backend, no behaviour.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace conclave {

class GgufFile;

enum class AttentionKind { kGqa, kMla, kLinear };
enum class QkNorm { kNone, kPerHead, kWholeProjection };   // RMS-norm of q and k before RoPE
enum class RopeStyle { kNone, kHalves /* (i, i + n/2), "NEOX" */, kPairs /* (2i, 2i+1) */ };
enum class RopeScaling { kNone, kLinear, kYarn, kLlama3Factors, kLongRope };
enum class FfnKind { kDense, kMoe };
enum class Activation { kSilu, kGeluTanh, kClampedSwiglu /* gpt-oss */ };
enum class RouterScore { kSoftmax, kSigmoid };
enum class NormKind { kRms, kLayer };
/// When scores become weights: kBeforeTopK scores all experts then picks; kAfterTopK picks on logits then softmaxes the picked.
enum class RouterOrder { kBeforeTopK, kAfterTopK, kSparseMixer };

struct RopeSpec {
  RopeStyle style = RopeStyle::kHalves;
  int n_dims = 0;              // rotated dims of a head (the first n_dims)
  float base = 10000.f;        // theta
  RopeScaling scaling = RopeScaling::kNone;
  float factor = 1.f;          // context extension factor
  int original_context = 0;
  float attn_factor = 1.f;     // multiplies cos and sin (YaRN mscale)
  float beta_fast = 32.f, beta_slow = 1.f, ext_factor = 1.f;  // YaRN ramp
  bool whole_ramp = true;      // the ramp begins and ends at whole pairs
};

struct AttentionSpec {
  AttentionKind kind = AttentionKind::kGqa;
  int n_heads = 0, n_kv_heads = 0;
  int d_k = 0, d_v = 0;        // per head
  int window = 0;              // 0: none; else a query at p sees keys in (p - window, p]
  bool causal = true;          // else a query sees as far as its batch says (Batch::visible_to); drafters only
  bool sinks = false;          // one extra logit per head in the softmax denominator
  bool output_gate = false;    // attention output x sigmoid(gate) (Qwen3-Next family)
  QkNorm qk_norm = QkNorm::kNone;
  bool v_norm = false;         // RMS-norm of v without weight (Gemma 4)
  float scale = 0.f;           // multiplies q.k
  float softcap = 0.f;         // 0: none
  RopeSpec rope;
  // MLA only (DeepSeek-V2). A head's query is d_head_k wide, the last d_rope of them rotate; its value is d_head_v wide.
  // Absorbed: one key of latent and rope parts serves all heads (n_kv_heads 1, d_k = d_kv_latent + d_rope, d_v = d_kv_latent);
  // else keys and values are unfolded per head before they are kept (d_k = d_head_k, d_v = d_head_v).
  bool absorbed = false;
  int d_kv_latent = 0, d_q_latent = 0 /* 0: queries directly */, d_rope = 0, d_head_k = 0, d_head_v = 0;
  // Linear only (Gated DeltaNet): n_heads value heads of d_v, n_kv_heads key heads of d_k, a short convolution before.
  int d_conv = 0;              // positions that the convolution sees
  bool cycling_heads = false;  // value head j uses key head j mod n_kv_heads; else j / (n_heads / n_kv_heads)
};

struct RouterSpec {
  RouterScore score = RouterScore::kSoftmax;
  RouterOrder order = RouterOrder::kBeforeTopK;
  bool renormalise = false;    // chosen weights divided by their sum (not below 6.1e-5)
  float scale = 1.f;           // then multiplied by this
  int n_groups = 0, n_groups_used = 0;  // DeepSeek-V3 group-limited choice; 0: none
  float jitter = 0.f;          // SparseMixer's epsilon (Phi-3.5-MoE)
  float logit_scale = 1.f;     // multiplies the logits
  bool own_input = false;      // reads the RMS-normed residual stream, scaled per dimension (Gemma 4), not the experts' input
  bool expert_scale = false;   // each expert's weight is multiplied by a learnt scale (Gemma 4)
};

struct FfnSpec {
  FfnKind kind = FfnKind::kDense;
  Activation activation = Activation::kSilu;
  int d_ff = 0;                // dense width, or width of one expert
  int n_experts = 0, n_experts_used = 0;
  int d_ff_shared = 0;         // 0: no shared expert
  bool shared_gate = false;    // shared output x sigmoid(w.x) (Qwen2-MoE)
  int d_ff_beside = 0;         // width of a dense network beside the experts with norms of its own (Gemma 4); 0: none
  RouterSpec router;
};

struct LayerSpec {
  AttentionSpec attention;
  FfnSpec ffn;

  /// Bytes of recurrent state that a sequence keeps for this layer instead of keys and values: the convolution's last
  /// inputs [d_conv - 1][2 * n_kv_heads * d_k + n_heads * d_v], then the memory [n_heads][d_k][d_v], all float.
  int64_t state_bytes() const;
};

struct ModelSpec {
  std::string architecture;    // GGUF name: "olmoe"
  std::string name;            // general.name, for people
  std::string quantisation;    // "Q4_K_M"-like summary for people: most common weight type by bytes
  int n_layers = 0;            // without the multi-token prediction layers behind them, which this version leaves out
  int n_predict_layers = 0;
  int d_model = 0;
  int n_vocab = 0;
  int context_trained = 0;
  NormKind norm = NormKind::kRms;
  float norm_eps = 1e-5f;
  bool post_norms = false;     // extra norms after attention and ffn (Gemma)
  const char* ffn_norm_tensor = "ffn_norm";   // what the norm before the feed-forward is called in the file
  bool tied_embeddings = false;
  float embedding_scale = 1.f;
  float residual_scale = 1.f;  // on both block outputs before they are added
  float logit_scale = 1.f;     // logits are multiplied by this
  float logit_softcap = 0.f;
  int bos_token = -1, eos_token = -1;
  int64_t n_params = 0, n_params_active = 0;   // weights in all, and touched for one token
  std::vector<LayerSpec> layers;

  bool is_moe() const;
  bool is_recurrent() const;   // some layer keeps a state, which cannot go back to an earlier position
  int n_moe_layers() const;
};

/// Reads and checks the file's metadata. Throws Error: kUnsupported for an unknown architecture (names it and the
/// nearest supported family), kBadFile for missing, contradictory or out-of-range values.
ModelSpec spec_from_gguf(const GgufFile& file);

/// JSON for `conclave inspect` and the app's model page.
std::string spec_to_json(const ModelSpec& spec);

}  // namespace conclave
