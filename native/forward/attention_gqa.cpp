// Grouped-query attention (Ainslie et al. 2023) over the paged cache; multi-head and multi-query are its extremes.
#include "forward/workspace.h"

namespace conclave {

void attention_gqa(const BlockArgs& args) {
  const AttentionSpec& a = args.layer.attention;
  const LayerWeights& w = args.weights;
  const Batch& batch = args.batch;
  const int64_t n = batch.n_rows();
  const Tensor q = narrow(args.q, n, int64_t{a.n_heads} * a.d_k);
  const Tensor k = narrow(args.k, n, int64_t{a.n_kv_heads} * a.d_k);
  const Tensor v = narrow(args.v, n, int64_t{a.n_kv_heads} * a.d_v);
  const Tensor attended = narrow(args.attended, n, int64_t{a.n_heads} * a.d_v);

  const MatmulOutput projections[] = {
      {.out = q, .weight = &w.wq, .bias = optional(w.bq)},
      {.out = k, .weight = &w.wk, .bias = optional(w.bk)},
      {.out = v, .weight = &w.wv, .bias = optional(w.bv)},
  };
  args.ops.matmul(args.x, projections);
  args.ops.qk_rope({.q = q, .k = k, .n_heads = a.n_heads, .n_kv_heads = a.n_kv_heads, .d_k = a.d_k, .norm = a.qk_norm,
                    .q_norm = optional(w.q_norm), .k_norm = optional(w.k_norm), .eps = args.spec.norm_eps, .rope = a.rope,
                    .freq_factors = optional(args.model.rope_freqs), .positions = batch.positions});
  args.ops.store_kv({.layer = args.kv, .k = k, .v = v, .slots = batch.slots});
  args.ops.attend({.out = attended, .q = q, .layer = args.kv, .n_heads = a.n_heads, .scale = a.scale, .softcap = a.softcap,
                   .window = a.window, .sinks = optional(w.sinks), .row_sequence = batch.row_sequence,
                   .row_position = batch.positions, .sequences = batch.sequences});
  const MatmulOutput output[] = {
      {.out = args.out, .weight = &w.wo, .bias = optional(w.bo), .scale = args.out_scale, .accumulate = args.accumulate}};
  args.ops.matmul(attended, output);
}

}  // namespace conclave
