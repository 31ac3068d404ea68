// Plans before a load; see planning.h and plan_model in engine.h.
#include "engine/planning.h"

#include <algorithm>

#include "base/memory_use.h"
#include "engine/scheduler.h"

namespace conclave {

namespace {

constexpr int kMaxContext = 1 << 24;

/// What the card that the options name has free now; its driver has taken its own by then. Nothing, with the reason, without one.
std::optional<DeviceMemory> ask_card(Device device, ModelPlan& answer) {
  if (device == Device::kCpu) return std::nullopt;
  try {
    const std::unique_ptr<Ops> ops = make_ops({.n_threads = 1, .device = device});
    const std::optional<DeviceMemory> memory = ops->memory();
    if (memory) answer.card = ops->name();
    return memory;
  } catch (const Error& error) {
    answer.no_card = error.what();
    return std::nullopt;
  }
}

MemoryBudget free_now(const PlanRequest& request, ModelPlan& answer) {
  const SystemMemory system = system_memory();
  answer.ram_bytes = system.total_bytes;
  // A plan counts the engine's whole process, so what it holds now is not somebody else's.
  MemoryBudget budget{.vram_bytes = 0, .ram_bytes = std::min(system.total_bytes, system.free_bytes + process_memory().own_bytes), .unified = false, .driver_bytes = 0};
  if (const std::optional<DeviceMemory> card = ask_card(request.load.device, answer)) {
    answer.vram_bytes = card->total_bytes;
    answer.vram_free_bytes = std::min<uint64_t>(card->total_bytes, card->free_bytes + request.returned_vram_bytes);
    budget.vram_bytes = usable_bytes(request.load, answer.vram_free_bytes);
    budget.unified = card->unified;
  }
  return budget;
}

uint64_t less(uint64_t bytes, uint64_t taken) { return bytes - std::min(bytes, taken); }

}  // namespace

void check_options(const EngineOptions& options) {
  const auto require = [](bool holds, const std::string& message) {
    if (!holds) throw Error(ErrorCode::kBadArgument, message);
  };
  require(options.n_threads >= 0 && options.n_threads <= 512, "the number of threads is " + std::to_string(options.n_threads) + "; it must be 0 (all cores) to 512");
  require(options.n_context >= 0 && options.n_context <= kMaxContext, "the context is " + std::to_string(options.n_context) + " tokens; it must be 0 (the model's own) to " + std::to_string(kMaxContext));
  require(options.prefill_chunk >= 1 && options.prefill_chunk <= 8192, "the prefill chunk is " + std::to_string(options.prefill_chunk) + " tokens; it must be 1 to 8192");
}

int planned_tokens(const EngineOptions& options, const ModelSpec& spec) {
  if (options.n_context > 0) return options.n_context;
  return std::min(spec.context_trained > 0 ? spec.context_trained : kDefaultContext, kDefaultContext);
}

PlanOptions planned_needs(const EngineOptions& options, const ModelSpec& spec, int max_logit_rows) {
  return {.n_context = planned_tokens(options, spec), .kv_type = options.kv_type, .max_rows = options.prefill_chunk + max_logit_rows, .max_logit_rows = max_logit_rows,
          .needs_card = false, .spread = options.expert_cache != ResidencyPolicy::kFixed || !options.expert_usage.empty()};
}

// Cards give memory in pieces of up to 2 MB, and a desktop may come to need more: a sixteenth is left alone.
uint64_t usable_bytes(const EngineOptions& options, uint64_t free_bytes) {
  return options.device_bytes > 0 ? std::min(options.device_bytes, free_bytes) : free_bytes / 16 * 15;
}

uint64_t drafters_bytes(std::span<const std::unique_ptr<DrafterModel>> drafters, const PlanOptions& needs) {
  uint64_t sum = 0;
  for (const auto& drafter : drafters) {
    sum += 2 * drafter->weight_bytes();
    for (const KvShape& shape : drafter->kv_shapes()) sum += kv_token_bytes(needs.kv_type, shape.n_kv_heads, shape.d_k, shape.d_v) * static_cast<uint64_t>(needs.n_context + kPageTokens);
  }
  return sum;
}

ModelPlan plan_model(const PlanRequest& request) {
  const EngineOptions& options = request.load;
  check_options(options);
  const std::unique_ptr<GgufFile> file = GgufFile::open(options.path);
  refuse_drafter(*file);
  const ModelSpec spec = spec_from_gguf(*file);
  const ModelWeights weights = bind_weights(*file, spec);
  std::vector<std::unique_ptr<DrafterModel>> drafters;
  for (const std::string& path : options.drafters) drafters.push_back(open_drafter(path, spec, *file));

  ModelPlan answer;
  answer.budget = request.budget ? *request.budget : free_now(request, answer);
  PlanOptions needs = planned_needs(options, spec, Scheduler::kMaxRunning + Drafting::kMaxDraftRows);
  needs.needs_card = answer.budget.vram_bytes > 0 && options.device != Device::kAuto && options.device != Device::kCpu;
  answer.n_context = needs.n_context;
  const uint64_t beside = drafters_bytes(drafters, needs);
  MemoryBudget left = answer.budget;
  left.vram_bytes = less(left.vram_bytes, beside);
  left.ram_bytes = less(left.ram_bytes, beside);
  answer.plan = plan_placement(spec, weights, left, needs);
  (answer.plan.gpu.total() > 0 ? answer.plan.gpu : answer.plan.cpu).work += beside;
  return answer;
}

}  // namespace conclave
