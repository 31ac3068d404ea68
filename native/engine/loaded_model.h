// A model ready to compute: the mapped file, what it says, its bound weights, the backend, the KV cache and the forward
// pass, wired together. Not thread-safe; the scheduler, the tools and the conformance path each own one.
#pragma once
#include <functional>
#include <memory>

#include "engine/engine.h"
#include "formats/gguf.h"
#include "forward/forward.h"
#include "kv/kv_cache.h"
#include "speculate/drafter_model.h"
#include "weights/hybrid_ops.h"
#include "weights/plan.h"
#include "weights/weights.h"

namespace conclave {

class LoadedModel {
 public:
  using Progress = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;
  /// Puts a decorator around the backend (profiling); nullptr result is not allowed.
  using WrapOps = std::function<std::unique_ptr<Ops>(std::unique_ptr<Ops>)>;

  /// Opens, checks, binds and prepares; `max_logit_rows` bounds the rows of one batch that want logits, and the decode rows
  /// that a batch may carry beside a prefill chunk. Throws Error; see Engine::open for `progress`.
  LoadedModel(const EngineOptions& options, int max_logit_rows, const Progress& progress = {}, const WrapOps& wrap = {});

  const ModelSpec& spec() const { return spec_; }
  const ModelWeights& weights() const { return weights_; }
  Ops& ops() { return *ops_; }
  /// Of a device that holds some of the experts only; else nullptr.
  const HybridOps* hybrid() const { return hybrid_; }
  KvCache& cache() { return *cache_; }
  Forward& forward() { return *forward_; }
  /// Longest sequence: what the KV holds, or what the model was trained for if that is less.
  int n_context() const { return n_context_; }
  uint64_t weight_bytes() const { return weight_bytes_; }
  bool is_plain() const { return plain_; }
  std::span<const std::unique_ptr<DrafterModel>> drafters() const { return drafters_; }
  uint64_t active_bytes() const { return active_bytes_; }
  /// Of the file, what the processor reads.
  uint64_t host_file_bytes() const { return host_file_bytes_; }
  /// Of the host's memory, what keys and values have come to take: the system gives it page by page as they are written. Any thread.
  uint64_t host_kv_bytes() const;
  /// What was free on the device before anything was brought there; nullopt: there is none.
  std::optional<uint64_t> device_free_before() const { return device_free_before_; }
  /// [n_experts] of a layer: whether the device has each now. Empty: there is no device, or the layer is dense.
  std::vector<bool> on_device(size_t layer) const;
  /// All that are no router's choice, once each.
  std::span<const Weight* const> shared_weights() const { return shared_; }
  /// Of the drafters' files whose keys and values lie in the pages; 0: there are none.
  uint64_t drafters_checksum() const { return drafters_checksum_; }

 private:
  size_t place(const EngineOptions& options, const PlanOptions& needs);
  std::vector<ExpertHome> homes(const EngineOptions& options, const Plan& plan) const;
  void prepare_weights(const Progress& progress);
  bool is_expert(const Weight& weight) const;
  void open_drafters(const EngineOptions& options);
  void attach_drafters();

  std::unique_ptr<GgufFile> file_;
  ModelSpec spec_;
  std::unique_ptr<Ops> ops_;
  const HybridOps* hybrid_ = nullptr;
  ModelWeights weights_;
  std::vector<const Weight*> shared_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<Forward> forward_;
  std::vector<std::unique_ptr<DrafterModel>> drafters_;
  bool plain_ = false;
  int n_context_ = 0;
  uint64_t weight_bytes_ = 0, active_bytes_ = 0, drafters_checksum_ = 0, host_file_bytes_ = 0;
  std::optional<uint64_t> device_free_before_;
};

}  // namespace conclave
