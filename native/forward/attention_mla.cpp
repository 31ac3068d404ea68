// Multi-head latent attention (DeepSeek-V2): keys and values come from one latent per token, beside one rotated key that
// all heads share. Absorbed, the latent itself is kept and attended to: queries are taken into its space before and the
// result out of it afterwards. Else each head's key and value are unfolded from it first and kept, as files before 2025 need.
#include "forward/workspace.h"

namespace conclave {
namespace {

void norm_latent(const BlockArgs& args, Tensor latent, const Weight& weight) {
  args.ops.norm({.out = latent, .x = latent, .weight = &weight, .bias = nullptr, .kind = NormKind::kRms, .eps = args.spec.norm_eps});
}

void project(const BlockArgs& args, SideRows& side, Tensor q, Tensor kv) {
  const AttentionSpec& a = args.layer.attention;
  const LayerWeights& w = args.weights;
  const bool direct = a.d_q_latent == 0;
  const Tensor q_latent = direct ? q : side.take(a.d_q_latent);
  const MatmulOutput down[] = {{.out = q_latent, .weight = direct ? &w.wq : &w.wq_a, .bias = nullptr}, {.out = kv, .weight = &w.wkv_a, .bias = nullptr}};
  args.ops.matmul(args.x, down);
  norm_latent(args, columns(kv, 0, a.d_kv_latent), w.kv_a_norm);
  if (direct) return;
  norm_latent(args, q_latent, w.q_a_norm);
  const MatmulOutput up[] = {{.out = q, .weight = &w.wq_b, .bias = nullptr}};
  args.ops.matmul(q_latent, up);
}

}  // namespace

void attention_mla(const BlockArgs& args) {
  const AttentionSpec& a = args.layer.attention;
  const LayerWeights& w = args.weights;
  const Batch& batch = args.batch;
  const int64_t n = batch.n_rows(), heads = a.n_heads, d_nope = a.d_head_k - a.d_rope;
  SideRows side(args.side, n);
  const Tensor head_q = side.take(heads * a.d_head_k), kv = side.take(a.d_kv_latent + a.d_rope), result = side.take(heads * a.d_head_v);
  project(args, side, head_q, kv);

  // The last d_rope of each query and of the common key rotate.
  args.ops.qk_rope({.q = columns(head_q, d_nope, head_q.d_row - d_nope), .k = columns(kv, a.d_kv_latent, a.d_rope), .n_heads = a.n_heads, .n_kv_heads = 1,
                    .d_k = a.d_head_k, .norm = QkNorm::kNone, .q_norm = nullptr, .k_norm = nullptr, .eps = args.spec.norm_eps, .rope = a.rope,
                    .freq_factors = rope_factors(args), .positions = batch.positions});

  Tensor q = head_q, k = kv, v = columns(kv, 0, a.d_kv_latent);
  if (a.absorbed) {
    q = narrow(args.q, n, heads * a.d_k);
    args.ops.head_matmul({.out = q, .x = head_q, .weight = &w.k_heads, .n_tail = a.d_rope, .shared = false});
  } else {
    k = narrow(args.k, n, heads * a.d_k);
    v = narrow(args.v, n, heads * a.d_v);
    args.ops.head_matmul({.out = k, .x = kv, .weight = &w.k_heads, .n_tail = a.d_rope, .shared = true});
    args.ops.head_matmul({.out = v, .x = kv, .weight = &w.v_heads, .n_tail = 0, .shared = true});
  }
  args.ops.store_kv({.layer = args.kv, .k = k, .v = v, .slots = batch.slots});
  const Tensor attended = narrow(args.attended, n, heads * a.d_v);
  args.ops.attend({.out = attended, .q = q, .layer = args.kv, .n_heads = a.n_heads, .scale = a.scale, .softcap = a.softcap, .window = a.window,
                   .sinks = nullptr, .row_sequence = batch.row_sequence, .row_position = batch.positions, .sequences = batch.sequences, .shared = args.shared});
  if (a.absorbed) args.ops.head_matmul({.out = result, .x = attended, .weight = &w.v_heads, .n_tail = 0, .shared = false});
  const MatmulOutput output[] = {{.out = args.out, .weight = &w.wo, .bias = nullptr, .scale = args.out_scale, .accumulate = args.accumulate}};
  args.ops.matmul(a.absorbed ? result : attended, output);
}

}  // namespace conclave
