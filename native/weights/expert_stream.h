// Layers of experts that pass through a device with room for two at a time: while one is computed with, the next arrives. For
// prompts: where each expert has many rows of a pass, its way to the device costs less than computing it where it lies. Experts
// that live on the device are copied there from their slots. Decides nothing but where bytes go.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "ops/ops.h"

namespace conclave {

inline constexpr size_t kFfnParts = 6;
inline std::array<const Weight*, kFfnParts> parts_of(const FfnWeights& ffn) { return {ffn.gate, ffn.up, ffn.down, ffn.gate_bias, ffn.up_bias, ffn.down_bias}; }

/// Rows that each expert has on average from which on a pass streams. An expert of S bytes needs S / 25 GB/s over PCIe 4 x16 and a
/// processor of eight cores, at 0.8 T operations/s and 2 operations for each of some 1.8 S weights (4.5 bits each), n S * 4.5 ps:
/// equal at n = 9. The rows are not spread evenly, and a slower bus is common: twice that. Not measured.
inline constexpr int64_t kStreamRows = 16;
/// Whether a pass of n_rows, each with n_chosen of n_experts, is to have all of a layer's experts on the device. Never for the few
/// rows of a decode or a draft's verification, whose bits must not depend on how many they are.
constexpr bool pays_to_stream(int64_t n_rows, int64_t n_chosen, int64_t n_experts, int64_t rows_an_expert = kStreamRows) {
  constexpr int64_t kFewRows = 16;
  return n_rows > kFewRows && n_rows * n_chosen >= rows_an_expert * n_experts;
}

/// Bytes of one buffer for a layer whose parts have these sizes.
uint64_t stream_layer_bytes(std::span<const uint64_t> part_bytes);

class ExpertStream {
 public:
  /// `slots`: of each part, the weights that live on the device, by slot.
  struct Resident {
    std::span<const int32_t> slot_of;   // [n_experts], below zero: not there
    std::span<const Weight> slots;      // [kFfnParts]
  };

  /// The weights outlive this. Throws Error(kOutOfMemory).
  ExpertStream(Ops& device, std::vector<FfnWeights> layers);
  ~ExpertStream();
  ExpertStream(const ExpertStream&) = delete;
  ExpertStream& operator=(const ExpertStream&) = delete;

  /// Begins to bring the experts of `layer` that live elsewhere, unless they are there; the layer `but_not` stays where it is.
  void start(size_t layer, const Resident& resident, size_t but_not);
  /// All experts of `layer`, for what is called next; good until another layer is started.
  FfnWeights take(size_t layer, const Resident& resident);
  uint64_t bytes_brought() const { return bytes_brought_; }

 private:
  static constexpr size_t kNone = SIZE_MAX;
  struct Buffer {
    std::byte* memory = nullptr;
    size_t layer = kNone;
    std::array<Weight, kFfnParts> parts;
    std::vector<bool> brought;   // [n_experts]
    uint64_t upload = 0;
  };
  Buffer* holding(size_t layer);
  void bring(Buffer& buffer, const Resident& resident);

  Ops& device_;
  std::vector<FfnWeights> layers_;
  std::array<Buffer, 2> buffers_;
  size_t next_ = 0;
  uint64_t bytes_brought_ = 0;
};

}  // namespace conclave
