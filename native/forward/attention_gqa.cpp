// Grouped-query attention (Ainslie et al. 2023) over the paged cache; multi-head and multi-query are its extremes.
#include "forward/workspace.h"

namespace conclave {

namespace {

/// A row that sees ahead sees `window` back from its own position, not from the last one that it sees.
void attend_both_ways(const BlockArgs& args, const AttendArgs& rows) {
  AttendArgs attend = rows;
  attend.row_position = args.batch.visible_to;
  if (rows.window == 0) return args.ops.attend(attend);
  for (int64_t row = 0; row < rows.q.n_rows; ++row) {
    const auto at = static_cast<size_t>(row);
    attend.out = rows.out.rows(row, 1);
    attend.q = rows.q.rows(row, 1);
    attend.row_sequence = rows.row_sequence.subspan(at, 1);
    attend.row_position = std::span(args.batch.visible_to).subspan(at, 1);
    attend.window = rows.window + args.batch.visible_to[at] - args.batch.positions[at];
    args.ops.attend(attend);
  }
}

}  // namespace

void attention_gqa(const BlockArgs& args) {
  const AttentionSpec& a = args.layer.attention;
  const LayerWeights& w = args.weights;
  const Batch& batch = args.batch;
  const int64_t n = batch.n_rows();
  const Tensor q = narrow(args.q, n, int64_t{a.n_heads} * a.d_k);
  const Tensor k = narrow(args.k, n, int64_t{a.n_kv_heads} * a.d_k);
  const Tensor v = narrow(args.v, n, int64_t{a.n_kv_heads} * a.d_v);
  const Tensor attended = narrow(args.attended, n, int64_t{a.n_heads} * a.d_v);

  SideRows side(args.side, n);
  const Tensor q_and_gate = a.output_gate ? side.take(2 * q.d_row) : q;   // per head the query, then its gate
  const Tensor gate = a.output_gate ? side.take(q.d_row) : Tensor{};

  const MatmulOutput projections[] = {
      {.out = q_and_gate, .weight = &w.wq, .bias = optional(w.bq)},
      {.out = k, .weight = &w.wk, .bias = optional(w.bk)},
      {.out = v, .weight = &w.wv, .bias = optional(w.bv)},
  };
  args.ops.matmul(args.x, projections);
  if (a.output_gate) args.ops.split_heads({.x = q_and_gate, .first = q, .second = gate, .n_heads = a.n_heads});
  if (a.v_norm) {
    const Tensor heads{v.data, DType::kF32, n * a.n_kv_heads, a.d_v, a.d_v};
    args.ops.norm({.out = heads, .x = heads, .weight = nullptr, .bias = nullptr, .kind = NormKind::kRms, .eps = args.spec.norm_eps});
  }
  args.ops.qk_rope({.q = q, .k = k, .n_heads = a.n_heads, .n_kv_heads = a.n_kv_heads, .d_k = a.d_k, .norm = a.qk_norm,
                    .q_norm = optional(w.q_norm), .k_norm = optional(w.k_norm), .eps = args.spec.norm_eps, .rope = a.rope,
                    .freq_factors = rope_factors(args), .positions = batch.positions});
  args.ops.store_kv({.layer = args.kv, .k = k, .v = v, .slots = batch.slots});
  const AttendArgs attend{.out = attended, .q = q, .layer = args.kv, .n_heads = a.n_heads, .scale = a.scale, .softcap = a.softcap,
                          .window = a.window, .sinks = optional(w.sinks), .row_sequence = batch.row_sequence,
                          .row_position = batch.positions, .sequences = batch.sequences, .shared = a.causal ? args.shared : std::span<const SharedRun>()};
  if (a.causal) args.ops.attend(attend);
  else attend_both_ways(args, attend);
  const MatmulOutput output[] = {
      {.out = args.out, .weight = &w.wo, .bias = optional(w.bo), .scale = args.out_scale, .accumulate = args.accumulate}};
  if (a.output_gate) args.ops.gate(attended, gate);
  args.ops.matmul(attended, output);
}

}  // namespace conclave
