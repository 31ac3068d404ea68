// Chains of token pairs; see prompt_lookup.h. A pair is known by the index of its second token, which is at least 1, so 0 ends a chain.
#include "speculate/prompt_lookup.h"

#include <algorithm>

namespace conclave {

namespace {

uint64_t pair_at(std::span<const int32_t> tokens, size_t at) {
  return static_cast<uint64_t>(static_cast<uint32_t>(tokens[at - 1])) << 32 | static_cast<uint32_t>(tokens[at]);
}

}  // namespace

/// All tokens but the last: the pair that ends the sequence is what is looked for.
void PromptLookup::learn(std::span<const int32_t> tokens) {
  if (tokens.empty()) return;
  previous_.resize(tokens.size(), 0);
  for (; n_learnt_ + 1 < tokens.size(); ++n_learnt_) {
    last_single_[tokens[n_learnt_]] = n_learnt_;
    if (n_learnt_ == 0) continue;
    size_t& newest = last_pair_[pair_at(tokens, n_learnt_)];
    previous_[n_learnt_] = newest;
    newest = n_learnt_;
  }
}

PromptLookup::Match PromptLookup::find(std::span<const int32_t> tokens) {
  if (tokens.size() == found_for_) return found_;
  learn(tokens);
  found_for_ = tokens.size();
  return found_ = search(tokens);
}

PromptLookup::Match PromptLookup::search(std::span<const int32_t> tokens) const {
  if (tokens.size() < 2) return {};
  const size_t last = tokens.size() - 1;
  Match best;
  const auto chain = last_pair_.find(pair_at(tokens, last));
  size_t at = chain == last_pair_.end() ? 0 : chain->second;
  for (int hops = 0; at != 0 && hops < kMostHops && best.length < kLongestMatch; ++hops, at = previous_[at]) {
    int length = 2;
    while (length < kLongestMatch && static_cast<size_t>(length) <= at && tokens[at - static_cast<size_t>(length)] == tokens[last - static_cast<size_t>(length)]) ++length;
    if (length > best.length) best = {length, at + 1};
  }
  if (best.length > 0) return best;
  const auto single = last_single_.find(tokens[last]);
  return single == last_single_.end() ? Match{} : Match{1, single->second + 1};
}

Offer PromptLookup::offer(std::span<const int32_t> tokens) {
  const int length = find(tokens).length;
  if (length == 0) return {};
  return {length < 3 ? kLookupShort : length < 8 ? kLookupMedium : kLookupLong, kMaxLength};
}

Draft PromptLookup::propose(std::span<const int32_t> tokens, std::span<const int32_t>, int n) {
  const Match match = find(tokens);
  Draft draft;
  if (match.length == 0) return draft;
  // Beyond the end the copy goes on from itself: a repeated line repeats.
  for (size_t i = 0; i < static_cast<size_t>(std::min(n, kMaxLength)); ++i) {
    const size_t from = match.next + i;
    draft.tokens.push_back(from < tokens.size() ? tokens[from] : draft.tokens[from - tokens.size()]);
  }
  return draft;
}

const char* draft_kind_name(int kind) {
  constexpr const char* kNames[] = {"look-up (1-2 tokens match)", "look-up (3-7 match)", "look-up (8+ match)", "masked diffusion", "block diffusion"};
  return kind >= 0 && kind < kDraftKinds ? kNames[kind] : "?";
}

}  // namespace conclave
