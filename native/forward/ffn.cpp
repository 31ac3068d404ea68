// Feed-forward blocks: one gated network, or a router's choice among many plus an optional shared one.
#include "forward/workspace.h"

namespace conclave {

void ffn_dense(const BlockArgs& args) {
  const LayerWeights& w = args.weights;
  args.ops.dense_ffn({.out = args.out, .x = args.x,
                      .ffn = {&w.gate, &w.up, &w.down, optional(w.gate_bias), optional(w.up_bias), optional(w.down_bias)},
                      .activation = args.layer.ffn.activation, .scale = args.out_scale, .accumulate = args.accumulate, .output_gate = nullptr});
}

void ffn_moe(const BlockArgs& args) {
  const FfnSpec& ffn = args.layer.ffn;
  const LayerWeights& w = args.weights;
  args.ops.route({.experts = args.experts, .weights = args.expert_weights, .x = args.x, .router = &w.router,
                  .bias = optional(w.router_bias), .selection_bias = optional(w.router_selection_bias), .spec = ffn.router,
                  .n_experts_used = ffn.n_experts_used});
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

}  // namespace conclave
