// Where a model's parts go on a machine: a pure function of real tensor sizes and of the memory that is free, with a result
// that can be printed before anything is loaded. Knows sizes only: neither a device nor a file.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/spec.h"
#include "weights/weights.h"

namespace conclave {

/// What the model may use. A machine without a graphics card has vram_bytes 0; on one with unified memory the card's part
/// is taken from ram_bytes.
struct MemoryBudget {
  uint64_t vram_bytes = 0, ram_bytes = 0;
  bool unified = false;
  uint64_t driver_bytes = uint64_t{600} << 20;   // of the card: a CUDA context with its kernels, and what a desktop draws with; 0 if what is free was asked with those in place
};

struct PlanOptions {
  int64_t n_context = 8192;    // tokens of keys and values, of all sequences together
  DType kv_type = DType::kF16;
  int max_rows = 320;          // of one forward pass
  int max_logit_rows = 64;
  bool needs_card = false;     // the processor alone is no answer
  bool spread = false;         // experts that do not all fit: the same share of each layer's (a cache's slots), else whole layers first
};

enum class Placement { kGpu, kHybrid, kCpu, kTooLarge };
const char* placement_name(Placement placement);   // "gpu", "hybrid", "cpu", "too-large"

/// Bytes of each kind in one memory.
struct MemoryUse {
  uint64_t weights = 0;        // all that every token reads
  uint64_t experts = 0;        // those of the routers' choice
  uint64_t kv = 0;             // keys, values and recurrent states
  uint64_t work = 0;           // activations, scratch memory, buffers for experts that pass through, what a driver keeps for itself
  uint64_t total() const { return weights + experts + kv + work; }
};

struct Plan {
  Placement placement = Placement::kTooLarge;
  MemoryUse gpu, cpu;
  std::vector<int> experts_on_gpu;   // per layer; 0 for a dense one
  int64_t n_experts = 0, n_experts_on_gpu = 0;
  uint64_t stream_bytes = 0;         // in gpu.work: of the buffers through which a long prompt's missing experts pass; 0: none
  int64_t most_context = 0;          // the longest context with which the model would be placed somewhere; 0: none
  std::string reason;                // one sentence for people
};

/// The best placement that keeps within the budget: all on the card; or the card without some experts (from the last layers on: their
/// routing is the most concentrated), which the processor computes; or the processor alone. The sizes of kTooLarge are those of kCpu, or of the card without experts where one is needed.
Plan plan_placement(const ModelSpec& spec, const ModelWeights& weights, const MemoryBudget& budget, const PlanOptions& options);

/// The parts that a plan adds up, for tests and meters. Each is at least what the engine allocates.
uint64_t kv_bytes(const ModelSpec& spec, const PlanOptions& options);
uint64_t workspace_bytes(const ModelSpec& spec, const PlanOptions& options);     // the forward pass's own buffers
uint64_t gpu_scratch_bytes(const ModelSpec& spec, const PlanOptions& options);   // beside them on a card
inline constexpr int64_t kPlannedStates = 8;   // recurrent states in kv_bytes: as many as the engine needs to work at all

}  // namespace conclave
