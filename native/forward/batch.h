// What one forward pass computes: rows (tokens of one or several sequences, in any mixture of prefill, decode and
// verification) and which of them want logits. Filled by the caller; the forward pass reads it only.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "forward/steering.h"
#include "ops/ops.h"

namespace conclave {

/// Stands for a masked position where the weights have a vector for it (ModelWeights::mask_embd).
inline constexpr int32_t kMaskToken = -1;

/// Single logits asked for in one row at most.
inline constexpr int kMostAsked = 128;

struct Batch {
  struct Asked {
    int32_t logit_row, token;   // an index into logit_rows
  };

  std::vector<int32_t> tokens;         // [n]
  std::vector<int32_t> positions;      // [n]
  std::vector<int32_t> row_sequence;   // [n] index into sequences
  std::vector<int32_t> slots;          // [n] where the row's keys and values go
  std::vector<int32_t> visible_to;     // [n] the last position that a row sees in layers that are not causal; empty where all are
  std::vector<SequencePages> sequences;
  std::vector<const Steering*> steering;   // [sequences], nullptr: as trained; empty where none is steered
  std::vector<int32_t> logit_rows;     // [m] ascending; cheapest when they are neighbours (the last layer computes their whole range)
  std::vector<Asked> asked;            // by row and token, ascending: logits that the caller will want whatever the best ones are

  bool keeps_taps = true;              // of tapped layers, if there are any
  bool attends_together = true;        // sequences that share pages, where that pays; off only to compare with

  int n_rows() const { return static_cast<int>(tokens.size()); }
  void add_row(int32_t token, int32_t position, int32_t sequence, int32_t slot) {
    tokens.push_back(token);
    positions.push_back(position);
    row_sequence.push_back(sequence);
    slots.push_back(slot);
  }
  /// Of the last row that wants logits; `of` ascending. More than kMostAsked are not asked for: then the whole row has to be read.
  void ask(std::span<const int32_t> of) {
    if (of.size() > kMostAsked) return;
    for (const int32_t token : of) asked.push_back({static_cast<int32_t>(logit_rows.size()) - 1, token});
  }
};

}  // namespace conclave
