// Slots, turns and who gives way; see expert_residency.h.
#include "weights/expert_residency.h"

#include <algorithm>
#include <cassert>

namespace conclave {

namespace {

constexpr float kFade = 0.99f;    // half of a frequency is from the last 69 passes
constexpr float kMargin = 1.f;    // a use more: experts of like frequency must not take turns in a slot

}  // namespace

std::optional<ResidencyPolicy> residency_policy_of(std::string_view name) {
  if (name == "fixed") return ResidencyPolicy::kFixed;
  if (name == "lru") return ResidencyPolicy::kLeastRecent;
  if (name == "lfu") return ResidencyPolicy::kLeastFrequent;
  return std::nullopt;
}

ExpertResidency::ExpertResidency(std::vector<Layer> layers, ResidencyPolicy policy, int max_moves) : policy_(policy), max_moves_(static_cast<size_t>(std::max(0, max_moves))) {
  for (const Layer& layer : layers) {
    const auto n = static_cast<size_t>(layer.n_experts);
    assert(layer.share.size() <= n);
    State& state = layers_.emplace_back(State{std::vector<int32_t>(n, -1), layer.on_device, std::vector<uint64_t>(n, 0), std::vector<float>(n, 0.f)});
    std::transform(layer.share.begin(), layer.share.end(), state.frequency.begin(), [](float share) { return share / (1.f - kFade); });   // where it would have settled
    for (size_t slot = 0; slot < layer.on_device.size(); ++slot) {
      int32_t& own = state.slot[static_cast<size_t>(layer.on_device[slot])];
      assert(own < 0);   // an expert lies in one slot
      own = static_cast<int32_t>(slot);
    }
  }
}

/// Passes that choose nothing here (a drafter's) do not count, or turns could keep missing the same layers.
void ExpertResidency::count_pass() {
  if (begun_) return;
  begun_ = true;
  ++pass_;
  first_turn_ = (first_turn_ + max_moves_) % layers_.size();
}

bool ExpertResidency::has_turn(size_t layer) const {
  return policy_ != ResidencyPolicy::kFixed && (layer + layers_.size() - first_turn_) % layers_.size() < max_moves_;
}

std::optional<ExpertMove> ExpertResidency::choose(size_t layer, std::span<const int32_t> n_rows) {
  count_pass();
  State& state = layers_[layer];
  assert(n_rows.size() == state.slot.size());
  for (size_t e = 0; e < n_rows.size(); ++e) {
    state.frequency[e] *= kFade;
    if (n_rows[e] == 0) continue;
    (state.slot[e] >= 0 ? counts_.hits : counts_.misses) += static_cast<uint64_t>(n_rows[e]);
    state.frequency[e] += 1.f;
    state.last[e] = pass_;
  }
  if (!has_turn(layer) || state.expert.empty()) return std::nullopt;
  const int32_t expert = wanted(state, n_rows, policy_), slot = least_useful(state);
  if (expert < 0 || slot < 0) return std::nullopt;
  const int32_t replaced = state.expert[static_cast<size_t>(slot)];
  const auto frequency = [&](int32_t e) { return state.frequency[static_cast<size_t>(e)]; };
  if (policy_ == ResidencyPolicy::kLeastFrequent && frequency(expert) < frequency(replaced) + kMargin) return std::nullopt;
  state.expert[static_cast<size_t>(slot)] = expert;
  state.slot[static_cast<size_t>(expert)] = slot;
  state.slot[static_cast<size_t>(replaced)] = -1;
  ++counts_.moves;
  return ExpertMove{expert, slot, replaced};
}

/// The missing expert that most rows of the pass chose, or that is used most of late; the lower id of equals. Below zero: none.
int32_t ExpertResidency::wanted(const State& state, std::span<const int32_t> n_rows, ResidencyPolicy policy) {
  int32_t best = -1;
  const auto worth = [&](size_t e) { return policy == ResidencyPolicy::kLeastFrequent ? state.frequency[e] : static_cast<float>(n_rows[e]); };
  for (size_t e = 0; e < n_rows.size(); ++e) {
    if (n_rows[e] > 0 && state.slot[e] < 0 && (best < 0 || worth(e) > worth(static_cast<size_t>(best)))) best = static_cast<int32_t>(e);
  }
  return best;
}

/// The slot whose expert gives way: never one that this pass used. Below zero: all were used.
int32_t ExpertResidency::least_useful(const State& state) const {
  int32_t best = -1;
  const auto before = [&](int32_t a, int32_t b) {
    const auto x = static_cast<size_t>(a), y = static_cast<size_t>(b);
    return policy_ == ResidencyPolicy::kLeastFrequent ? state.frequency[x] < state.frequency[y] : state.last[x] < state.last[y];
  };
  for (size_t slot = 0; slot < state.expert.size(); ++slot) {
    if (state.last[static_cast<size_t>(state.expert[slot])] == pass_) continue;
    if (best < 0 || before(state.expert[slot], state.expert[static_cast<size_t>(best)])) best = static_cast<int32_t>(slot);
  }
  return best;
}

}  // namespace conclave
