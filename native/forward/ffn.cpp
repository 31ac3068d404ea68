// Feed-forward blocks: one gated network, or a router's choice among many plus an optional shared one.
#include <cassert>

#include "forward/workspace.h"

namespace conclave {

void ffn_dense(const BlockArgs& args) {
  const LayerWeights& w = args.weights;
  args.ops.dense_ffn({.out = args.out, .x = args.x,
                      .ffn = {&w.gate, &w.up, &w.down, optional(w.gate_bias), optional(w.up_bias), optional(w.down_bias)},
                      .activation = args.layer.ffn.activation, .scale = args.out_scale, .accumulate = args.accumulate, .output_gate = nullptr});
}

namespace {

void route(const BlockArgs& args, Tensor x) {
  const LayerWeights& w = args.weights;
  args.ops.route({.experts = args.experts, .weights = args.expert_weights, .x = x, .router = &w.router,
                  .bias = optional(w.router_bias), .selection_bias = optional(w.router_selection_bias), .expert_scale = optional(w.expert_scale),
                  .spec = args.layer.ffn.router, .n_experts_used = args.layer.ffn.n_experts_used, .steering = args.steering, .n_chosen = args.n_chosen});
}

}  // namespace

void ffn_moe(const BlockArgs& args) {
  const FfnSpec& ffn = args.layer.ffn;
  const LayerWeights& w = args.weights;
  route(args, args.x);
  args.ops.moe_ffn({.out = args.out, .x = args.x, .experts = args.experts, .weights = args.expert_weights,
                    .ffn = {&w.gate, &w.up, &w.down, optional(w.gate_bias), optional(w.up_bias), optional(w.down_bias)},
                    .activation = ffn.activation, .scale = args.out_scale, .accumulate = args.accumulate});
  if (ffn.d_ff_shared > 0) {
    args.ops.dense_ffn({.out = args.out, .x = args.x,
                        .ffn = {&w.shared_gate, &w.shared_up, &w.shared_down, nullptr, nullptr, nullptr},
                        .activation = ffn.activation, .scale = args.out_scale, .accumulate = true,
                        .output_gate = ffn.shared_gate ? &w.shared_output_gate : nullptr});
  }
}

/// Gemma 4: a dense network on the normed rows, and experts on the residual stream normed in their own way; each result has
/// a norm of its own before they are added.
void ffn_moe_beside_dense(const BlockArgs& args) {
  const FfnSpec& ffn = args.layer.ffn;
  const LayerWeights& w = args.weights;
  const auto norm = [&](Tensor out, Tensor x, const Weight& weight) {
    args.ops.norm({.out = out, .x = x, .weight = &weight, .bias = nullptr, .kind = NormKind::kRms, .eps = args.spec.norm_eps});
  };
  SideRows side(args.side, args.x.n_rows);
  const Tensor input = side.take(args.x.d_row), result = side.take(args.x.d_row);
  assert(!args.accumulate);   // the family norms the sum before it joins the residual stream
  args.ops.dense_ffn({.out = args.out, .x = args.x, .ffn = {&w.beside_gate, &w.beside_up, &w.beside_down, nullptr, nullptr, nullptr},
                      .activation = ffn.activation, .scale = 1.f, .accumulate = false, .output_gate = nullptr});
  norm(args.out, args.out, w.beside_post_norm);
  norm(input, args.residual, w.router_input_norm);
  route(args, input);
  norm(input, args.residual, w.expert_norm);
  args.ops.moe_ffn({.out = result, .x = input, .experts = args.experts, .weights = args.expert_weights,
                    .ffn = {&w.gate, &w.up, &w.down, nullptr, nullptr, nullptr}, .activation = ffn.activation, .scale = 1.f, .accumulate = false});
  norm(result, result, w.expert_post_norm);
  args.ops.add(args.out, result, args.out_scale);
}

}  // namespace conclave
