// The logits of a pass, as far as the host gets to see them. Where a device has memory of its own it tells the best of each row
// and what single logits were asked for, all in one piece, and a whole row only comes when somebody reads it. Elsewhere the rows
// lie at hand, and asking for their best would only cost.
#pragma once
#include <span>
#include <vector>

#include "forward/batch.h"
#include "forward/workspace.h"

namespace conclave {

class LogitRows {
 public:
  /// Keeps its buffer in `work`, whose logits it is about. Throws Error(kOutOfMemory).
  LogitRows(Ops& ops, Workspace& work);

  void find_best(const Batch& batch);   // within the pass, after its logits
  void fetch_best(const Batch& batch);  // after it

  /// Row `i` of the batch's logit_rows, the caller's to overwrite until the next pass; [n_vocab].
  std::span<float> row(int i);
  /// nullptr where the rows lie at hand.
  const TopLogits* best(int i) const { return on_device_ ? &best_[static_cast<size_t>(i)] : nullptr; }
  uint64_t n_fetched() const { return n_fetched_; }   // whole rows, since the beginning

 private:
  /// Of one row: [k] ids, [k] values, two sums, [kMostAsked] single logits.
  Tensor part(int64_t n_rows, int64_t first, int64_t count, DType type = DType::kF32) const;

  Ops& ops_;
  const Tensor logits_;
  const bool on_device_;
  const int64_t k_;
  Tensor device_;                            // [max_rows][2 k + 2 + kMostAsked]
  std::vector<uint32_t> raw_;                // the same
  std::vector<int32_t> ids_, asked_ids_;     // [max_rows][k]; [n_rows][kMostAsked], -1 where there is none
  std::vector<float> values_;                // [max_rows][2 k + 2 + kMostAsked]
  std::vector<TopLogits> best_;
  std::vector<std::vector<float>> rows_;     // empty: not fetched
  uint64_t n_fetched_ = 0;
};

}  // namespace conclave
