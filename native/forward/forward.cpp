// The forward pass; see forward.h. A new block kind is one enum value, one function and one row in the two tables below.
#include "forward/forward.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "base/error.h"
#include "forward/shared_runs.h"

namespace conclave {

namespace {

using Block = void (*)(const BlockArgs&);

/// nullptr: not in this build.
Block attention_block(const AttentionSpec& attention) {
  switch (attention.kind) {
    case AttentionKind::kGqa: return attention_gqa;
    case AttentionKind::kMla: return attention_mla;
    case AttentionKind::kLinear: return attention_linear;
  }
  return nullptr;
}

Block ffn_block(const FfnSpec& ffn) {
  if (ffn.kind == FfnKind::kDense) return ffn_dense;
  return ffn.d_ff_beside > 0 ? ffn_moe_beside_dense : ffn_moe;
}

struct RowRange {
  int64_t first, count;
};

/// The shortest run of rows that holds all that want logits.
RowRange rows_wanted(const Batch& batch) {
  if (batch.logit_rows.empty()) return {0, 0};
  return {batch.logit_rows.front(), batch.logit_rows.back() - batch.logit_rows.front() + 1};
}

}  // namespace

Forward::Forward(Ops& ops, const ModelSpec& spec, const ModelWeights& weights, std::span<const KvLayer> kv, int max_rows, int max_logit_rows)
    : ops_(ops), spec_(spec), weights_(weights), kv_(kv.begin(), kv.end()), max_rows_(max_rows), max_logit_rows_(max_logit_rows),
      work_(ops, spec, max_rows, max_logit_rows), logit_rows_(ops, work_), trace_(ops, work_, spec, max_rows) {
  assert(kv_.size() == spec.layers.size() && weights.layers.size() == spec.layers.size());
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    if (!attention_block(spec.layers[i].attention)) {
      throw Error(ErrorCode::kUnsupported, "layer " + std::to_string(i) + " of this " + spec.architecture + " model uses a kind of attention that this version cannot compute");
    }
  }
}

bool Forward::run(const Batch& batch, const std::function<bool()>& keep_going) {
  assert(batch.n_rows() <= max_rows_ && static_cast<int>(batch.logit_rows.size()) <= max_logit_rows_);
  assert(batch.positions.size() == batch.tokens.size() && batch.slots.size() == batch.tokens.size() && batch.row_sequence.size() == batch.tokens.size());
  const int64_t n = batch.n_rows();
  const Tensor hidden = work_.hidden.rows(0, n);

  if (batch.attends_together) shared_ = shared_runs(batch.row_sequence, batch.positions, batch.sequences, ops_.sharing_gate());
  else shared_.clear();
  trace_.begin(n);
  ops_.begin();
  embed(batch);
  const auto told_to_stop = [&] {
    if (!keep_going || keep_going()) return false;
    ops_.submit();
    ops_.wait();
    return true;
  };
  size_t moe_index = 0;
  for (size_t i = 0; i < spec_.layers.size(); ++i) {
    if (told_to_stop()) return false;
    attend(i, batch);
    if (told_to_stop()) return false;
    feed_forward(i, moe_index, batch);
    if (batch.keeps_taps) keep_tap(i, n);
    moe_index += spec_.layers[i].ffn.kind == FfnKind::kMoe;
  }
  if (!batch.logit_rows.empty()) {
    const Tensor normed = work_.normed.rows(0, n);
    const RowRange wanted = rows_wanted(batch);
    normalise(normed.rows(wanted.first, wanted.count), hidden.rows(wanted.first, wanted.count), weights_.output_norm, weights_.output_norm_bias);
    ops_.logits(work_.logits.rows(0, static_cast<int64_t>(batch.logit_rows.size())), normed, batch.logit_rows, weights_.output,
                optional(weights_.output_bias), spec_.logit_scale, spec_.logit_softcap);
    logit_rows_.find_best(batch);
  }
  ops_.submit();
  ops_.wait();
  logit_rows_.fetch_best(batch);
  trace_.fetch();
  return true;
}

/// Masked positions come in runs; each is embedded from the one row that stands for it.
void Forward::embed(const Batch& batch) {
  const std::span<const int32_t> tokens = batch.tokens;
  const std::vector<int32_t> first_row(tokens.size(), 0);
  for (size_t begin = 0, end = 0; begin < tokens.size(); begin = end) {
    const bool masked = tokens[begin] == kMaskToken;
    while (end < tokens.size() && (tokens[end] == kMaskToken) == masked) ++end;
    const Tensor out = work_.hidden.rows(static_cast<int64_t>(begin), static_cast<int64_t>(end - begin));
    if (masked) ops_.embed(out, weights_.mask_embd, std::span(first_row).first(end - begin), 1.f);
    else ops_.embed(out, weights_.token_embd, tokens.subspan(begin, end - begin), spec_.embedding_scale);
  }
}

void Forward::tap(std::span<const int> layers) {
  tapped_.assign(layers.begin(), layers.end());
  work_.free(taps_);
  taps_ = tapped_.empty() ? Tensor{} : work_.make(max_rows_, static_cast<int64_t>(tapped_.size()) * spec_.d_model);
}

void Forward::keep_tap(size_t layer, int64_t n_rows) {
  for (size_t i = 0; i < tapped_.size(); ++i) {
    if (static_cast<size_t>(tapped_[i]) != layer) continue;
    for (int64_t row = 0; row < n_rows; ++row) {
      ops_.copy(taps_.f32(row) + static_cast<int64_t>(i) * spec_.d_model, work_.hidden.f32(row), static_cast<size_t>(spec_.d_model) * sizeof(float));
    }
  }
}

BlockArgs Forward::block_args(size_t index, const Batch& batch, int64_t first_row, int64_t n_rows) {
  const Tensor hidden = work_.hidden.rows(first_row, n_rows);
  return {
      .ops = ops_, .spec = spec_, .layer = spec_.layers[index], .weights = weights_.layers[index], .model = weights_, .kv = kv_[index], .batch = batch, .shared = shared_,
      .x = work_.normed.rows(first_row, n_rows), .out = hidden, .out_scale = spec_.residual_scale, .accumulate = true, .residual = hidden,
      .q = work_.q, .k = work_.k, .v = work_.v, .attended = work_.attended, .side = work_.side, .experts = {}, .expert_weights = {},
  };
}

void Forward::attend(size_t index, const Batch& batch) {
  const BlockArgs block = block_args(index, batch, 0, batch.n_rows());
  normalise(block.x, block.out, block.weights.attn_norm, block.weights.attn_norm_bias);
  add_block(block, attention_block(block.layer.attention), block.weights.attn_post_norm);
}

void Forward::feed_forward(size_t index, size_t moe_index, const Batch& batch) {
  // Nobody reads what the last layer's feed-forward makes of rows without logits: in a prompt that is nearly all of them.
  const bool is_read = index + 1 < spec_.layers.size() || (batch.keeps_taps && !tapped_.empty() && static_cast<size_t>(tapped_.back()) == index);
  const RowRange rows = !is_read ? rows_wanted(batch) : RowRange{0, batch.n_rows()};
  BlockArgs block = block_args(index, batch, rows.first, rows.count);
  if (block.layer.ffn.kind == FfnKind::kMoe) {
    block.experts = trace_.experts(moe_index).rows(rows.first, rows.count);
    block.expert_weights = trace_.weights(moe_index).rows(rows.first, rows.count);
    steer(block, moe_index, rows.first);
  }
  normalise(block.x, block.out, block.weights.ffn_norm, block.weights.ffn_norm_bias);
  add_block(block, ffn_block(block.layer.ffn), block.weights.ffn_post_norm);
  const Weight& output_scale = block.weights.output_scale;
  if (output_scale) ops_.add(block.out, block.out, *reinterpret_cast<const float*>(output_scale.data) - 1.f);
}

/// What steered rows tell the router of the `moe_index`-th MoE layer; the block's first row is the batch's `first_row`.
void Forward::steer(BlockArgs& block, size_t moe_index, int64_t first_row) {
  const std::vector<const Steering*>& of_sequence = block.batch.steering;
  if (std::none_of(of_sequence.begin(), of_sequence.end(), [](const Steering* steering) { return steering != nullptr; })) return;
  const FfnSpec& ffn = block.layer.ffn;
  const size_t n = static_cast<size_t>(block.x.n_rows), n_experts = static_cast<size_t>(ffn.n_experts);
  steering_bias_.assign(n * n_experts, 0.f);
  n_chosen_.assign(n, ffn.n_experts_used);
  for (size_t row = 0; row < n; ++row) {
    const Steering* steering = of_sequence[static_cast<size_t>(block.batch.row_sequence[static_cast<size_t>(first_row) + row])];
    if (steering == nullptr) continue;
    if (steering->n_experts_used > 0) n_chosen_[row] = std::min(steering->n_experts_used, ffn.n_experts_used);
    for (const ExpertBias& bias : steering->biases) {
      if (bias.moe_layer == static_cast<int>(moe_index)) steering_bias_[row * n_experts + static_cast<size_t>(bias.expert)] = bias.bias;
    }
  }
  block.steering = steering_bias_;
  block.n_chosen = n_chosen_;
}

void Forward::add_block(const BlockArgs& block, Block compute, const Weight& post_norm) {
  if (!spec_.post_norms) return compute(block);
  BlockArgs aside = block;
  aside.out = work_.block_out.rows(0, block.out.n_rows);
  aside.out_scale = 1.f;
  aside.accumulate = false;
  compute(aside);
  normalise(aside.out, aside.out, post_norm, Weight{});
  ops_.add(block.out, aside.out, block.out_scale);
}

void Forward::normalise(Tensor out, Tensor x, const Weight& weight, const Weight& bias) {
  ops_.norm({.out = out, .x = x, .weight = optional(weight), .bias = optional(bias), .kind = spec_.norm, .eps = spec_.norm_eps});
}

}  // namespace conclave
