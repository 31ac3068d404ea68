// Buffers of the forward pass; see workspace.h.
#include "forward/workspace.h"

#include <algorithm>

namespace conclave {

int64_t side_width(const ModelSpec& spec, const LayerSpec& layer) {
  const AttentionSpec& a = layer.attention;
  const int64_t heads = a.n_heads;
  int64_t attention = 0;
  switch (a.kind) {
    case AttentionKind::kGqa: attention = a.output_gate ? 3 * heads * a.d_k : 0; break;
    case AttentionKind::kMla: attention = a.d_q_latent + heads * a.d_head_k + a.d_kv_latent + a.d_rope + heads * a.d_head_v; break;
    case AttentionKind::kLinear: attention = 2 * int64_t{a.n_kv_heads} * a.d_k + 2 * heads * a.d_v + 2 * heads; break;
  }
  return std::max<int64_t>(attention, layer.ffn.d_ff_beside > 0 ? 2 * int64_t{spec.d_model} : 0);
}

Workspace::Workspace(Ops& ops, const ModelSpec& spec, int max_rows, int max_logit_rows) : ops_(ops) {
  int64_t d_q = 0, d_k = 0, d_v = 0, d_attended = 0, d_side = 0;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = layer.attention;
    d_q = std::max<int64_t>(d_q, int64_t{a.n_heads} * std::max(a.d_k, a.d_head_k));
    d_k = std::max<int64_t>(d_k, int64_t{a.n_kv_heads} * a.d_k);
    d_v = std::max<int64_t>(d_v, int64_t{a.n_kv_heads} * a.d_v);
    d_attended = std::max<int64_t>(d_attended, int64_t{a.n_heads} * a.d_v);
    d_side = std::max(d_side, side_width(spec, layer));
  }
  try {
    hidden = make(max_rows, spec.d_model);
    normed = make(max_rows, spec.d_model);
    if (spec.post_norms) block_out = make(max_rows, spec.d_model);
    q = make(max_rows, d_q);
    k = make(max_rows, d_k);
    v = make(max_rows, d_v);
    attended = make(max_rows, d_attended);
    if (d_side > 0) side = make(max_rows, d_side);
    logits = make(max_logit_rows, spec.n_vocab);
  } catch (...) {
    for (void* buffer : buffers_) ops_.free(buffer);
    throw;
  }
}

Workspace::~Workspace() {
  for (void* buffer : buffers_) ops_.free(buffer);
}

void Workspace::free(Tensor tensor) {
  if (!tensor) return;
  std::erase(buffers_, tensor.data);
  ops_.free(tensor.data);
}

Tensor Workspace::make(int64_t n_rows, int64_t d_row, DType type) {
  buffers_.push_back(nullptr);
  buffers_.back() = ops_.alloc(static_cast<size_t>(n_rows) * static_cast<size_t>(d_row) * 4);
  return {buffers_.back(), type, n_rows, d_row, d_row};
}

}  // namespace conclave
