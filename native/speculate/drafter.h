// What proposes tokens. A drafter belongs to one sequence, sees it only through the two verbs, and may be as wrong as it likes:
// the verifier makes the output right whatever is proposed. It never samples with the request's sampler and never looks at the
// target's logits of rows that are not yet emitted.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "ops/tensor.h"
#include "speculate/verifier.h"

namespace conclave {

/// A sequence after a forward pass: positions [first, first + count) are newly in place.
struct Observation {
  std::span<const int32_t> tokens;   // all that is committed: prompt and emitted
  std::span<const int32_t> pages;    // of the sequence
  int64_t first = 0;
  int count = 0;
  Tensor taps;                       // [count][n_taps * d_model] of those rows, readable until this call returns; empty without taps
};

/// What a drafter could offer now, said before it is asked to: the controller decides on this and never on the draft itself.
/// `kind` sorts offers by how good they tend to be; acceptance is remembered per kind.
struct Offer {
  int kind = 0;
  int max_length = 0;   // 0: nothing
};

struct Draft {
  std::vector<int32_t> tokens;
  DraftOrigin origin = DraftOrigin::kAny;
};

class Drafter {
 public:
  virtual ~Drafter() = default;
  virtual void observe(const Observation& seen) = 0;
  virtual Offer offer(std::span<const int32_t> tokens) = 0;
  /// Up to `n` tokens to follow `tokens`, whose last one (the anchor) is not in the cache yet. `pages` hold the sequence and
  /// have room for `n` tokens more.
  virtual Draft propose(std::span<const int32_t> tokens, std::span<const int32_t> pages, int n) = 0;
  /// The pages are about to be shared or given up: what was observed goes into them now.
  virtual void settle(std::span<const int32_t> /*pages*/) {}
};

/// One sequence's part of a drafting pass over several.
struct DraftAsk {
  Drafter* drafter;
  std::span<const int32_t> tokens, pages;   // as for Drafter::propose
  int n = 0;
  std::vector<int32_t> draft{};             // the answer
};

/// Kinds of offers: prompt look-up by the length of its match, then the models.
enum DraftKind { kLookupShort, kLookupMedium, kLookupLong, kMaskedDiffusion, kBlockDiffusion, kDraftKinds };
const char* draft_kind_name(int kind);

}  // namespace conclave
