// Prompt look-up (Saxena 2023): what followed the last time these tokens appeared in this conversation. Free, and strong where an
// answer repeats its prompt: code, edits, lists. Takes the longest suffix of the sequence that occurred before, and of its
// occurrences the newest; finds it by chains of equal token pairs, newest first, as LZ77 compressors do.
#pragma once
#include <unordered_map>

#include "speculate/drafter.h"

namespace conclave {

class PromptLookup final : public Drafter {
 public:
  static constexpr int kMaxLength = 16;      // drafted at once
  static constexpr int kLongestMatch = 64;   // tokens compared; longer ones count as equally long
  static constexpr int kMostHops = 256;      // occurrences looked at

  void observe(const Observation& seen) override { learn(seen.tokens); }
  Offer offer(std::span<const int32_t> tokens) override;
  Draft propose(std::span<const int32_t> tokens, std::span<const int32_t> pages, int n) override;

  struct Match {
    int length = 0;       // 0: none
    size_t next = 0;      // index of the token that followed it
  };
  /// The longest suffix of `tokens` that ends earlier too. A sequence only grows: for the same length the last answer is kept.
  Match find(std::span<const int32_t> tokens);

 private:
  void learn(std::span<const int32_t> tokens);
  Match search(std::span<const int32_t> tokens) const;

  std::unordered_map<uint64_t, size_t> last_pair_;     // pair -> index of its newest second token
  std::unordered_map<int32_t, size_t> last_single_;    // token -> newest index before the last
  std::vector<size_t> previous_;                       // [n_learnt] index of the pair's occurrence before; 0: none
  size_t n_learnt_ = 0;                                // tokens whose pair is in the chains
  Match found_;
  size_t found_for_ = 0;                               // tokens when it was found
};

}  // namespace conclave
