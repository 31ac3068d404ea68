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
  Tensor side;       // [max_rows][...] what a block needs besides; see side_width()
  Tensor logits;     // [max_logit_rows][n_vocab]

  /// More of the same, freed with the rest or by free(). make() throws Error(kOutOfMemory).
  Tensor make(int64_t n_rows, int64_t d_row, DType type = DType::kF32);
  void free(Tensor tensor);

 private:
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
  std::span<const SharedRun> shared;   // as in AttendArgs
  Tensor x;           // in: the normed rows [n][d_model]
  Tensor out;         // the block's result goes here,
  float out_scale;    // times this,
  bool accumulate;    // added (the residual stream) or stored
  Tensor residual;    // the residual stream, before this block's result
  Tensor q, k, v, attended, side;   // scratch
  Tensor experts, expert_weights;   // this layer's trace, empty for a dense layer
  std::span<const float> steering = {};     // as in RouteArgs
  std::span<const int32_t> n_chosen = {};
};

/// Columns of `side` that a layer's blocks take.
int64_t side_width(const ModelSpec& spec, const LayerSpec& layer);

/// The next `d_row` columns' worth of scratch memory as a dense [n_rows][d_row].
class SideRows {
 public:
  SideRows(Tensor side, int64_t n_rows) : next_(side.f32()), n_rows_(n_rows) {}
  Tensor take(int64_t d_row) {
    const Tensor part{next_, DType::kF32, n_rows_, d_row, d_row};
    next_ += n_rows_ * d_row;
    return part;
  }

 private:
  float* next_;
  int64_t n_rows_;
};

/// Columns [first, first + count) of the same rows.
inline Tensor columns(Tensor tensor, int64_t first, int64_t count) {
  tensor.data = tensor.f32() + first;
  tensor.d_row = count;
  return tensor;
}

inline const Weight* optional(const Weight& weight) { return weight ? &weight : nullptr; }

/// The column-reduced view: same rows, the first `d_row` values densely packed (layers differ in width).
inline Tensor narrow(Tensor tensor, int64_t n_rows, int64_t d_row) {
  tensor.n_rows = n_rows;
  tensor.d_row = tensor.stride = d_row;
  return tensor;
}

/// The file's divisors of rotation, for the layers that use them.
inline const Weight* rope_factors(const BlockArgs& args) {
  const RopeScaling scaling = args.layer.attention.rope.scaling;
  return scaling == RopeScaling::kLlama3Factors || scaling == RopeScaling::kLongRope ? optional(args.model.rope_freqs) : nullptr;
}

void attention_gqa(const BlockArgs& args);
void attention_mla(const BlockArgs& args);
void attention_linear(const BlockArgs& args);
void ffn_dense(const BlockArgs& args);
void ffn_moe(const BlockArgs& args);
void ffn_moe_beside_dense(const BlockArgs& args);

}  // namespace conclave
