// A backend made of two: a device that computes everything but the experts that did not fit into its memory, and the
// processor, which computes those where the file has them, while the device is at its own. One mask says who computes a (row,
// slot) pair; each side sums its pairs' weighted results, and the processor's sum is added to the device's. Knows both only by
// ops.h. While the experts stay where they are, a row has the same bits alone and in a batch; a move gives an expert to the
// other side's arithmetic, which differs in the last places.
#pragma once
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ops/forwarding_ops.h"
#include "weights/expert_residency.h"

namespace conclave {

/// One MoE layer of which the device keeps some experts only.
struct ExpertHome {
  FfnWeights ffn;                   // as bound; the weights outlive the ops
  std::vector<int32_t> on_device;   // ids
  std::vector<float> share = {};    // [n_experts] of tokens that choose each, as far as known from earlier
};

struct HybridCounts {
  uint64_t n_experts = 0, n_on_device = 0;   // of the layers above
  ResidencyCounts residency;
  uint64_t bytes_moved = 0;         // of experts, since the load
  double hit_rate() const { return residency.hits == 0 ? 0.0 : static_cast<double>(residency.hits) / static_cast<double>(residency.hits + residency.misses); }
};

class HybridOps final : public ForwardingOps {
 public:
  /// `processor` computes in the host's memory. See ExpertResidency for `policy` and `max_moves`.
  HybridOps(std::unique_ptr<Ops> device, std::unique_ptr<Ops> processor, const std::vector<ExpertHome>& homes, ResidencyPolicy policy, int max_moves);
  ~HybridOps() override;

  /// [n_experts] of the layer with this `gate`: the slot of each on the device, below zero where it is not. Empty: the layer is whole there.
  std::span<const int32_t> slots(const Weight& gate) const;
  HybridCounts counts() const { return {n_experts_, n_on_device_, residency_.counts(), bytes_moved_}; }

  const char* name() const override { return name_.c_str(); }
  void begin() override;
  void prepare(Weight& weight) override;
  void moe_ffn(const MoeFfnArgs& args) override;

 private:
  static constexpr size_t kParts = 6;   // of FfnWeights
  struct Layer {
    FfnWeights file;
    std::array<Weight, kParts> slots;   // [n_slots] of each part on the device; without memory where the family has none
    FfnWeights on_device() const;
  };
  struct PartOfLayer {
    size_t layer, part;
  };
  /// Device memory that keeps its largest size so far.
  struct Buffer {
    void* memory = nullptr;
    size_t bytes = 0;
  };
  /// What the rows of one call chose, on the host, and who computes it.
  struct Choices {
    std::vector<int32_t> experts, slots;   // [n * k]; slots: below zero where the processor computes
    std::vector<float> weights;            // [n * k]; 0 where the device computes
    std::vector<int32_t> n_rows;           // [n_experts] pairs of each expert that weigh anything
    bool any_on_device = false, any_on_processor = false;
  };

  void fetch_choices(size_t layer, const MoeFfnArgs& args);
  void compute_on_device(const Layer& layer, const MoeFfnArgs& args);
  void add_from_processor(const MoeFfnArgs& args, Tensor x);
  void bring(Layer& layer, const ExpertMove& move);
  template <class T>
  Tensor fetch(std::vector<T>& to, const Tensor& from);
  void* grow(Buffer& buffer, size_t bytes);

  Ops& device_;
  std::unique_ptr<Ops> processor_;
  std::string name_;
  std::vector<Layer> layers_;
  std::map<const std::byte*, PartOfLayer> parts_;   // by where they lie in the file
  ExpertResidency residency_;
  uint64_t n_experts_ = 0, n_on_device_ = 0, bytes_moved_ = 0;
  Choices choices_;
  std::vector<float> x_, sum_;
  Buffer device_slots_, device_sum_;
};

}  // namespace conclave
