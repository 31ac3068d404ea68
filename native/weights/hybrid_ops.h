// A backend made of two: a device that computes everything but the experts that did not fit into its memory, and the
// processor, which computes those where the file has them, while the device is at its own. A long prompt's pass brings a layer's
// missing experts to the device instead, while the layer before computes (expert_stream.h). One mask says who computes a (row,
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
#include "weights/expert_stream.h"

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
  uint64_t bytes_moved = 0;         // of experts to slots, since the load
  uint64_t bytes_streamed = 0;      // of experts for one pass; such passes count as neither hits nor misses
  double hit_rate() const { return residency.hits == 0 ? 0.0 : static_cast<double>(residency.hits) / static_cast<double>(residency.hits + residency.misses); }
};

class HybridOps final : public ForwardingOps {
 public:
  /// `processor` computes in the host's memory. See ExpertResidency for `policy` and `max_moves`; `stream_rows` as in pays_to_stream(),
  /// 0: nothing is streamed, and no memory taken for it. Throws Error(kOutOfMemory).
  HybridOps(std::unique_ptr<Ops> device, std::unique_ptr<Ops> processor, const std::vector<ExpertHome>& homes, ResidencyPolicy policy, int max_moves, int64_t stream_rows = 0);
  ~HybridOps() override;

  /// [n_experts] of the layer with this `gate`: the slot of each on the device, below zero where it is not. Empty: the layer is whole there.
  std::span<const int32_t> slots(const Weight& gate) const;
  HybridCounts counts() const { return {n_experts_, n_on_device_, residency_.counts(), bytes_moved_, stream_ ? stream_->bytes_brought() : 0}; }

  const char* name() const override { return name_.c_str(); }
  void begin() override;
  void prepare(Weight& weight) override;
  void embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) override;
  void moe_ffn(const MoeFfnArgs& args) override;

 private:
  static constexpr int64_t kFewRows = 64;
  struct Layer {
    FfnWeights file;
    std::array<Weight, kFfnParts> slots;   // [n_slots] of each part on the device; without memory where the family has none
    uint64_t arriving = 0;           // the last upload to a slot
    bool follows = true;             // is streamed when the layer before is, as far as seen
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

  ExpertStream::Resident resident(size_t layer) const { return {residency_.slots(layer), layers_[layer].slots}; }
  bool is_streamed(size_t layer, int64_t n_rows, int64_t n_chosen) const;
  void compute_streamed(size_t layer, const MoeFfnArgs& args);
  void fetch_choices(size_t layer, const MoeFfnArgs& args, bool with_rows);
  void compute_on_device(const Layer& layer, const MoeFfnArgs& args);
  void add_from_processor(const MoeFfnArgs& args, Tensor x);
  void bring(Layer& layer, const ExpertMove& move);
  template <class T>
  static Tensor on_host(std::vector<T>& to, const Tensor& from);
  void* grow(Buffer& buffer, size_t bytes);

  Ops& device_;
  std::unique_ptr<Ops> processor_;
  std::string name_;
  std::vector<Layer> layers_;
  std::map<const std::byte*, PartOfLayer> parts_;   // by where they lie in the file
  ExpertResidency residency_;
  uint64_t n_experts_ = 0, n_on_device_ = 0, bytes_moved_ = 0;
  const int64_t stream_rows_;
  std::unique_ptr<ExpertStream> stream_;
  int64_t n_chosen_ = 0;            // of each row, as the last pass had it
  Choices choices_;
  std::vector<float> x_, sum_;
  Buffer device_slots_, device_sum_;
};

}  // namespace conclave
