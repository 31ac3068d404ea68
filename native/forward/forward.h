// The model, written once for every family: embed; per layer { norm, attention, residual, norm, feed-forward, residual };
// norm; logits for the rows that ask. Knows the spec and the weights, never a backend, a request or a page's owner.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "forward/batch.h"
#include "forward/expert_trace.h"
#include "forward/logit_rows.h"
#include "forward/workspace.h"

namespace conclave {

class Forward {
 public:
  /// All references must outlive this. `kv` has one entry per layer. Throws Error: kUnsupported for a block kind that this
  /// build cannot compute, kOutOfMemory when the activations do not fit.
  Forward(Ops& ops, const ModelSpec& spec, const ModelWeights& weights, std::span<const KvLayer> kv, int max_rows, int max_logit_rows);

  /// Computes the batch (n_rows <= max_rows, logit_rows <= max_logit_rows): keys and values of all rows are in place
  /// afterwards. `keep_going` is asked twice a layer, before attention and before the feed-forward; when it says no, run() returns false and the rows count as not
  /// computed (their slots hold anything).
  bool run(const Batch& batch, const std::function<bool()>& keep_going = {});

  /// From now on keeps what leaves these layers (ascending, before the final norm) for every row. Throws Error(kOutOfMemory).
  void tap(std::span<const int> layers);
  /// Row `row` of the last run(): the tapped layers' outputs one after the other, on the device; [count][n_taps * d_model].
  Tensor taps(int row, int count) const { return taps_.rows(row, count); }

  /// Results of the last run(), valid until the next. A whole row may have to come from a device, and is the caller's to overwrite;
  /// nullptr for the best of one that need not.
  const TopLogits* best_logits(int logit_row) const { return logit_rows_.best(logit_row); }
  std::span<float> logits(int logit_row) { return logit_rows_.row(logit_row); }   // [n_vocab]
  uint64_t n_rows_fetched() const { return logit_rows_.n_fetched(); }             // whole, from a device, by all runs
  /// Appends the routing of a batch row that wanted logits, layer by layer, best expert first: k values per MoE layer, or the
  /// first `n_experts_used` of them where that is given.
  void append_choice(int row, std::vector<uint16_t>& experts, std::vector<float>& weights, int n_experts_used = 0) const { trace_.append(row, experts, weights, n_experts_used); }

  int max_rows() const { return max_rows_; }
  int max_logit_rows() const { return max_logit_rows_; }

 private:
  void embed(const Batch& batch);
  void keep_tap(size_t layer, int64_t n_rows);
  BlockArgs block_args(size_t index, const Batch& batch, int64_t first_row, int64_t n_rows);
  void attend(size_t index, const Batch& batch);
  void feed_forward(size_t index, size_t moe_index, const Batch& batch);
  void normalise(Tensor out, Tensor x, const Weight& weight, const Weight& bias);
  void steer(BlockArgs& block, size_t moe_index, int64_t first_row);
  void add_block(const BlockArgs& block, void (*compute)(const BlockArgs&), const Weight& post_norm);

  Ops& ops_;
  const ModelSpec& spec_;
  const ModelWeights& weights_;
  std::vector<KvLayer> kv_;
  int max_rows_, max_logit_rows_;
  Workspace work_;
  LogitRows logit_rows_;
  ExpertTrace trace_;
  std::vector<int> tapped_;
  Tensor taps_;                                           // [max_rows][tapped_.size() * d_model]
  std::vector<SharedRun> shared_;                         // of the batch being computed
  std::vector<float> steering_bias_;                      // of the layer being computed, as in RouteArgs
  std::vector<int32_t> n_chosen_;
};

}  // namespace conclave
