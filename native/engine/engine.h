// The engine's door: open a model, submit requests, receive their events. One scheduler thread owns all mutable state;
// every function here may be called from any thread. Callbacks run on the scheduler thread and must return quickly.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "forward/steering.h"
#include "model/spec.h"
#include "ops/ops.h"
#include "sample/sampler_options.h"
#include "weights/expert_residency.h"
#include "weights/plan.h"

namespace conclave {

enum class DraftMode { kOff, kLookup, kMaskedDiffusion, kBlockDiffusion, kAuto };

/// "off", "lookup", "mdlm", "dflash", "auto"; nullopt for anything else.
std::optional<DraftMode> draft_mode_of(std::string_view name);

/// What a model's header says; reads no tensors. Throws Error: kIo, kBadFile, kUnsupported (an unknown architecture, a drafter).
struct InspectedModel {
  ModelSpec spec;
  uint64_t file_bytes = 0;
};
InspectedModel inspect_model(const std::string& path);

/// What a drafter's file says.
struct DrafterInfo {
  DraftMode kind = DraftMode::kOff; // kMaskedDiffusion or kBlockDiffusion
  std::string name;                 // the file's own, or its architecture
  uint64_t file_bytes = 0;
  int max_length = 0;               // tokens of one draft
};
/// Reads both headers. Throws Error: kUnsupported when `path` holds no drafter, kBadFile, kBadArgument when it was made for another
/// model than the one at `model_path`.
DrafterInfo inspect_drafter(const std::string& path, const std::string& model_path);

/// Drafting never changes what is emitted, only when.
struct DraftOptions {
  DraftMode mode = DraftMode::kOff;
  int length = 0;                   // tokens drafted at each step; 0: as many as pay, none included
};

struct RequestOptions {
  std::vector<int32_t> tokens;      // the whole prompt; the engine finds the known prefix itself
  int max_tokens = 512;             // 0: only compute (and keep) the prompt
  std::vector<int32_t> stop_tokens; // end-of-generation ids; not emitted
  SamplerOptions sampler;
  DraftOptions draft;
  Steering steering;                // what it computes is shared only with requests steered alike
  int score_from = 0;               // > 0: the prompt's tokens from here on are scored as they are computed; see on_scored
};

enum class StopReason { kEndOfText, kMaxTokens, kContextFull, kCancelled };

/// Routing of the forward row that produced a token: [n_moe_layers][k], best expert first; k as trained, or fewer if so steered.
struct ExpertChoice {
  std::vector<uint16_t> experts;
  std::vector<float> weights;
};

struct TokenEvent {
  int32_t token;
  float logprob;                    // of the model's own distribution (temperature 1, no truncation)
  std::vector<TopLogprob> top;
  ExpertChoice choice;
  bool drafted = false;             // a draft had it right, so that it cost no pass of its own
};

inline constexpr int kMaxDraft = 16;   // tokens of one draft

struct RunTimings {
  double queue_ms = 0, prefill_ms = 0, decode_ms = 0, first_token_ms = 0;
  int n_prompt = 0, n_reused = 0, n_generated = 0, n_drafted = 0, n_accepted = 0;
  int n_passes = 0;                 // that emitted its tokens
  double draft_ms = 0;              // spent in drafters
  double plain_ms = 0;              // what a token would have taken without drafts, as measured beside; 0: not known
  double distinct_experts = 0;      // per MoE layer and pass, mean
  // By position in the draft: verified drafts that reached it (all tokens before it stood), and those of them that stood there.
  std::array<int, kMaxDraft> tried_at{}, stood_at{};
};

/// Exactly one of on_ended / on_failed is called, last.
struct RequestCallbacks {
  std::function<void(int done, int reused, int total)> on_prefill;
  /// Log-probabilities of the next prompt tokens to be scored, in order, each given all before it (temperature 1, no truncation).
  std::function<void(const std::vector<float>& logprobs)> on_scored = {};
  std::function<void(const TokenEvent&)> on_token;
  std::function<void(StopReason, const RunTimings&)> on_ended;
  std::function<void(ErrorCode, const std::string&)> on_failed;
};

struct EngineOptions {
  std::string path;
  int n_threads = 0;                // 0: physical cores
  int n_context = 0;                // tokens of KV for all sequences together; 0: min(trained, 8192)
  int prefill_chunk = 512;          // with 128 experts of which 8 are used, 256 rows are 16 an expert: too few to repay decoding its weights
  DType kv_type = DType::kF16;
  Precision precision = Precision::kFast;
  Device device = Device::kCpu;     // kAuto also falls back where the model's parts that every token reads do not fit on the card
  uint64_t device_bytes = 0;        // of the device's own memory to use; 0: what is free, less a reserve
  ResidencyPolicy expert_cache = ResidencyPolicy::kFixed;   // of experts on a device that does not hold all; see weights/hybrid_ops.h
  std::vector<std::vector<float>> expert_usage;   // [MoE layer][expert] how often each was chosen earlier: a device that holds some only gets the favourites; empty: not known
  std::function<std::unique_ptr<Ops>()> make_ops;   // instead of the device's: for tests
  std::function<bool(size_t layer, int expert)> on_device;   // instead of the plan's choice of experts: for tests
  int64_t stream_rows = 0;          // > 0: missing experts are streamed from so many rows an expert on, whatever the plan says: for tests
  std::vector<std::string> drafters;   // files of drafting models for this one, at most one of a kind
  bool plain = false;               // one request at a time, no reuse: the twin that results are compared with
};

/// A question about a load that has not happened.
struct PlanRequest {
  EngineOptions load;                      // as Engine::open would get them
  std::optional<MemoryBudget> budget;      // instead of what this machine has free now
  uint64_t returned_vram_bytes = 0;        // what a model that is loaded now would give back first; of this process's own RAM that is known
};

/// The answer, and what it was made from.
struct ModelPlan {
  Plan plan;                               // drafters count as work
  MemoryBudget budget;                     // as used
  int64_t n_context = 0;                   // tokens of keys and values planned for
  uint64_t ram_bytes = 0, vram_bytes = 0;  // of the machine, all; 0: not asked for
  uint64_t vram_free_bytes = 0;            // with what the budget leaves alone
  std::string card;                        // the device's name; empty: there is none, or it was not asked for
  std::string no_card;                     // why a card that was asked for cannot be used
};

/// Where the model would go; `conclave plan` prints this. Reads no tensor data; asks the device and the system what is free unless
/// `budget` says so. Throws Error as Engine::open does for bad files and options; a card that is not there is no error.
ModelPlan plan_model(const PlanRequest& request);

enum class ExpertTier : uint8_t { kDevice, kMemory, kDisk };

/// Where the model is at this moment, in bytes. Parts of the file are in memory as far as a sample of their pages is.
struct Residence {
  std::vector<std::vector<ExpertTier>> experts;   // [MoE layer][expert]; on disk: less than half of it is in memory
  MemoryUse device, host;                         // the host's: what the processor computes with, as far as it came to be in memory
  uint64_t ram_bytes = 0, ram_free_bytes = 0, vram_bytes = 0, vram_free_bytes = 0;   // of the machine; the rest is other programs'
  bool unified = false;                           // the device's memory is part of the RAM
};

struct EngineStats {
  uint64_t weight_bytes = 0, active_bytes_per_token = 0;
  uint64_t kv_bytes_reserved = 0, kv_pages_total = 0, kv_pages_free = 0, kv_pages_cached = 0;
  uint64_t n_requests_running = 0, n_requests_waiting = 0;
  // Of the layers whose experts a device holds in part: all and those there now; by (row, expert) pair, computed there or by the processor;
  // bytes brought there, to stay or for one pass of a prompt (whose pairs are not counted).
  uint64_t n_experts_placed = 0, n_experts_on_device = 0, expert_hits = 0, expert_misses = 0, expert_bytes_moved = 0;
  uint64_t logit_rows_fetched = 0;  // whole, from a device, since the load: what the best logits did not decide
  // Of this process: all; and without the pages of files but those of weights that the processor reads, now and at most since the
  // load as far as stats() was asked.
  uint64_t resident_bytes = 0, host_bytes = 0, host_peak_bytes = 0, host_work_peak_bytes = 0;   // work: without weights, keys and values
  // Of the device, zero without one: what the engine took there since it asked before the load, at most, and what is left.
  uint64_t device_bytes = 0, device_peak_bytes = 0, device_free_bytes = 0, device_total_bytes = 0;
  std::string backend;
};

/// A prefix on disk: where, of which model and computed by which build. Anything else in that file is refused.
struct PrefixFile {
  std::string path;                 // UTF-8
  std::string model_sha256;         // 64 hex digits
  std::string engine_version;
  std::vector<int32_t> tokens;
};

/// Cheap copyable handle; cancel() is seen before the next forward chunk.
class Request {
 public:
  void cancel() const { if (flag_) flag_->store(true, std::memory_order_relaxed); }

 private:
  friend class Engine;
  friend class Scheduler;
  std::shared_ptr<std::atomic<bool>> flag_;
};

class Engine {
 public:
  /// progress(done_bytes, total_bytes) while weights are touched; returning false abandons the load (Error kBadArgument "cancelled").
  static std::unique_ptr<Engine> open(const EngineOptions& options, const std::function<bool(uint64_t, uint64_t)>& progress = {});
  virtual ~Engine() = default;      // cancels every request (their on_ended runs with kCancelled), then joins

  virtual const ModelSpec& spec() const = 0;
  virtual EngineStats stats() const = 0;
  /// Waits for the next step, and for a few thousand questions to the system: not for callbacks, nor a thread that must not wait.
  virtual Residence residence() = 0;
  virtual int n_context() const = 0;
  /// Throws Error(kBadArgument) for empty or out-of-range tokens, a prompt longer than the context, or options out of range.
  virtual Request submit(RequestOptions options, RequestCallbacks callbacks) = 0;

  // Prefixes that outlive the process. These wait for the next step, and for the disk: not for callbacks, nor a thread that must not wait.
  // Files hold whole pages: the last n % kPageTokens tokens of a prefix are neither saved nor loaded.
  /// How many leading tokens are known in memory.
  virtual int known_prefix(const std::vector<int32_t>& tokens) = 0;
  /// Writes a known prefix atomically; returns the file's bytes. Throws Error: kBadArgument when it is not known, or fills no page; kIo.
  virtual uint64_t save_prefix(const PrefixFile& file) = 0;
  /// Makes it known from the file; returns the file's bytes. Throws Error: kIo, kBadFile (damaged, or of something else),
  /// kOutOfMemory when running requests hold the pages that it needs.
  virtual uint64_t load_prefix(const PrefixFile& file) = 0;
};

/// Logits of every position of one fresh sequence, with routing: the conformance path behind `conclave logits`.
struct LogitsResult {
  std::vector<std::vector<float>> logits;   // [n_tokens][n_vocab]
  std::vector<ExpertChoice> choices;        // [n_tokens]
  int n_moe_layers = 0;
};
LogitsResult compute_logits(const EngineOptions& options, const std::vector<int32_t>& tokens, const Steering& steering = {});

}  // namespace conclave
