// Which experts of a layer lie in a device's slots, and which to bring there next. Bookkeeping only: no memory is touched
// and no weight is known here, so a sequence of choices always ends in the same slots.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace conclave {

/// kFixed: what lay there at first stays. Else a missing expert that a pass chose replaces one that it did not: the one unused for
/// longest, or the one used most rarely of late if that is rarer than the new one.
enum class ResidencyPolicy { kFixed, kLeastRecent, kLeastFrequent };
/// "fixed", "lru", "lfu"; nullopt for anything else.
std::optional<ResidencyPolicy> residency_policy_of(std::string_view name);

/// Bring `expert` to `slot`, where `replaced` lay.
struct ExpertMove {
  int32_t expert, slot, replaced;
};

struct ResidencyCounts {
  uint64_t hits = 0, misses = 0;   // (row, expert) pairs whose expert was on the device, and those whose was not
  uint64_t moves = 0;
};

class ExpertResidency {
 public:
  struct Layer {
    int n_experts;
    std::vector<int32_t> on_device;   // at first: expert on_device[i] in slot i
    std::vector<float> share = {};    // [n_experts] of earlier passes that chose each; empty: not known
  };

  /// In a pass at most `max_moves` layers make one move each, so that no pass waits for many; all layers have their turn.
  ExpertResidency(std::vector<Layer> layers, ResidencyPolicy policy, int max_moves);

  /// The next choose() belongs to another pass than the last one.
  void begin_pass() { begun_ = false; }
  /// [n_experts] the slot of each expert; below zero: not on the device.
  std::span<const int32_t> slots(size_t layer) const { return layers_[layer].slot; }
  /// Books a pass through a layer, in which n_rows[e] rows chose expert e, computed where slots() said. What it returns is to be
  /// made true before the layer's next pass: slots() takes it as done.
  std::optional<ExpertMove> choose(size_t layer, std::span<const int32_t> n_rows);
  const ResidencyCounts& counts() const { return counts_; }

 private:
  struct State {
    std::vector<int32_t> slot;      // of each expert
    std::vector<int32_t> expert;    // in each slot
    std::vector<uint64_t> last;     // pass of each expert's last use
    std::vector<float> frequency;   // of each expert: 1 for each pass, fading
  };
  void count_pass();
  bool has_turn(size_t layer) const;
  static int32_t wanted(const State& state, std::span<const int32_t> n_rows, ResidencyPolicy policy);
  int32_t least_useful(const State& state) const;

  std::vector<State> layers_;
  ResidencyPolicy policy_;
  size_t max_moves_, first_turn_ = 0;
  uint64_t pass_ = 0;
  bool begun_ = false;
  ResidencyCounts counts_;
};

}  // namespace conclave
