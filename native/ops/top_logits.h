// The best of rows of logits: what is asked of the device that has the rows (the op top_logits), and what the host then knows of
// one of them. Most tokens are decided by that alone, so that a row of 600 KB stays where it is; see sample/sampler.h.
#pragma once
#include <cstdint>
#include <span>

#include "ops/tensor.h"

namespace conclave {

/// The default top-k of 40 beside all of the default repetition window of 64, which may fall behind; and a list of 64 slices of
/// a row is what one block of threads can hold.
inline constexpr int kTopLogits = 128;
inline constexpr double kTopSumError = 5e-6;   // of TopLogits::sum, relative

/// Of each row of `logits`: the k best, best first, ties to the lower id; two sums; and the logits of ids that are asked for.
struct TopLogitsArgs {
  Tensor ids;              // [n][k] i32 out; k = min(kTopLogits, n_vocab)
  Tensor values;           // [n][k] f32 out
  Tensor sums;             // [n][2] f32 out: of exp(logit - the best), and how many logits are no finite numbers: if any, no value means anything
  Tensor asked;            // [n][m] f32 out, m may be 0
  Tensor logits;           // [n][n_vocab] f32
  std::span<const int32_t> asked_ids;   // [n][m] on the host; below 0: none, and its value is left as it was
};

/// The same of one row, on the host.
struct TopLogits {
  std::span<const int32_t> ids;         // all of the vocabulary if n_vocab <= kTopLogits
  std::span<const float> values;
  float sum = 0.f;
  bool is_finite = false;               // every logit of the row
  int n_vocab = 0;
  std::span<const int32_t> asked_ids;   // ascending
  std::span<const float> asked;
};

}  // namespace conclave
