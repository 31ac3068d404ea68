// Linear attention of the Qwen3-Next line: Gated DeltaNet between its projections. It keeps a state per sequence, no keys.
#include "forward/workspace.h"

namespace conclave {

void attention_linear(const BlockArgs& args) {
  const AttentionSpec& a = args.layer.attention;
  const LayerWeights& w = args.weights;
  const Batch& batch = args.batch;
  const int64_t n = batch.n_rows(), d_values = int64_t{a.n_heads} * a.d_v;
  SideRows side(args.side, n);
  const Tensor qkv = side.take(2 * int64_t{a.n_kv_heads} * a.d_k + d_values), z = side.take(d_values), beta_alpha = side.take(2 * a.n_heads);
  const bool fused = static_cast<bool>(w.ssm_beta_alpha);
  const MatmulOutput projections[] = {
      {.out = qkv, .weight = &w.wq, .bias = nullptr},
      {.out = z, .weight = &w.attn_gate, .bias = nullptr},
      {.out = fused ? beta_alpha : columns(beta_alpha, 0, a.n_heads), .weight = fused ? &w.ssm_beta_alpha : &w.ssm_beta, .bias = nullptr},
      {.out = columns(beta_alpha, a.n_heads, a.n_heads), .weight = &w.ssm_alpha, .bias = nullptr},
  };
  args.ops.matmul(args.x, std::span(projections).first(fused ? 3 : 4));

  const Tensor attended = narrow(args.attended, n, d_values);
  args.ops.delta_net({.out = attended, .qkv = qkv, .z = z, .beta_alpha = beta_alpha, .n_heads = a.n_heads, .n_key_heads = a.n_kv_heads, .d_k = a.d_k, .d_v = a.d_v,
                      .d_conv = a.d_conv, .n_groups = fused ? a.n_kv_heads : 1, .cycling_heads = a.cycling_heads, .conv = &w.ssm_conv, .dt = &w.ssm_dt, .a = &w.ssm_a,
                      .norm = &w.ssm_norm, .eps = args.spec.norm_eps, .state_offset = args.kv.state_offset, .row_sequence = batch.row_sequence,
                      .row_position = batch.positions, .sequences = batch.sequences});
  const MatmulOutput output[] = {{.out = args.out, .weight = &w.wo, .bias = nullptr, .scale = args.out_scale, .accumulate = args.accumulate}};
  args.ops.matmul(attended, output);
}

}  // namespace conclave
