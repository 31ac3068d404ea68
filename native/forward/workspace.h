// The activations of one forward pass, allocated once for the largest batch, and what a block function is given.
#pragma once
#include <vector>

#include "forward/batch.h"
#include "model/spec.h"
#include "ops/ops.h"
#include "weights/weights.h"

namespace conclave {

class Workspace {
 public:
  /// Throws Error(kOutOfMemory) when it does not fit.
  Workspace(Ops& ops, const ModelSpec& spec, int max_rows, int max_logit_rows);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  Tensor hidden;     // [max_rows][d_model] the residual stream
  Tensor normed;     // [max_rows][d_model]
  Tensor block_out;  // [max_rows][d_model] only with post-norms
  Tensor q;          // [max_rows][n_heads * d_k]
  Tensor k;          // [max_rows][n_kv_heads * d_k]
  Tensor v;          // [max_rows][n_kv_heads * d_v]
  Tensor attended;   // [max_rows][n_heads * d_v]
  Tensor logits;     // [max_logit_rows][n_vocab]
  std::vector<Tensor> experts;         // per MoE layer [max_rows][k] i32: the expert trace
  std::vector<Tensor> expert_weights;  // per MoE layer [max_rows][k]

 private:
  Tensor make(int64_t n_rows, int64_t d_row, DType type = DType::kF32);

  Ops& ops_;
  std::vector<void*> buffers_;
};

/// One block (attention or feed-forward) of one layer over the rows of one batch. Views have exactly the batch's rows.
struct BlockArgs {
  Ops& ops;
  const ModelSpec& spec;
  const LayerSpec& layer;
  const LayerWeights& weights;
  const ModelWeights& model;
  const KvLayer& kv;
  const Batch& batch;
  Tensor x;           // in: the normed rows [n][d_model]
  Tensor out;         // the block's result goes here,
  float out_scale;    // times this,
  bool accumulate;    // added (the residual stream) or stored
  Tensor q, k, v, attended;         // scratch
  Tensor experts, expert_weights;   // this layer's trace, empty for a dense layer
};

inline const Weight* optional(const Weight& weight) { return weight ? &weight : nullptr; }

/// The column-reduced view: same rows, the first `d_row` values densely packed (layers differ in width).
inline Tensor narrow(Tensor tensor, int64_t n_rows, int64_t d_row) {
  tensor.n_rows = n_rows;
  tensor.d_row = tensor.stride = d_row;
  return tensor;
}

void attention_gqa(const BlockArgs& args);
void ffn_dense(const BlockArgs& args);
void ffn_moe(const BlockArgs& args);

}  // namespace conclave
