// `conclave plan`: where a model's parts would go on a machine of given memory, before anything is loaded.
#include <cstdio>

#include "base/error.h"
#include "base/json_writer.h"
#include "engine/engine.h"
#include "tools/commands.h"
#include "tools/model_options.h"

namespace conclave {
namespace {

DType kv_type_argument(const Arguments& arguments) {
  const std::string name = arguments.text("--kv", "F16");
  const std::optional<DType> type = dtype_from_name(name);
  if (!type || (*type != DType::kF32 && *type != DType::kF16 && *type != DType::kBF16 && *type != DType::kQ8_0)) throw UsageError("the option --kv is '" + printable(name) + "'; F32, F16, BF16 and Q8_0 are known");
  return *type;
}

void write_use(JsonWriter& json, const char* name, const MemoryUse& use) {
  json.key(name).begin_object().field("weights", use.weights).field("experts", use.experts).field("kv", use.kv).field("work", use.work).field("total", use.total()).end_object();
}

void print_json(const Plan& plan) {
  JsonWriter json;
  json.begin_object().field("placement", placement_name(plan.placement)).field("reason", plan.reason);
  write_use(json, "gpu", plan.gpu);
  write_use(json, "cpu", plan.cpu);
  json.field("n_experts", plan.n_experts).field("n_experts_on_gpu", plan.n_experts_on_gpu).field("most_context", plan.most_context).key("experts_on_gpu").begin_array();
  for (const int n : plan.experts_on_gpu) json.value(n);
  std::puts(json.end_array().end_object().text().c_str());
}

void print_text(const Plan& plan) {
  std::printf("%s: %s\n\n%-10s %10s %10s %10s %10s %10s\n", placement_name(plan.placement), plan.reason.c_str(), "GB", "weights", "experts", "kv", "work", "total");
  for (const auto& [name, use] : {std::pair{"card", &plan.gpu}, std::pair{"memory", &plan.cpu}}) {
    std::printf("%-10s %10.2f %10.2f %10.2f %10.2f %10.2f\n", name, static_cast<double>(use->weights) * 1e-9, static_cast<double>(use->experts) * 1e-9, static_cast<double>(use->kv) * 1e-9,
                static_cast<double>(use->work) * 1e-9, static_cast<double>(use->total()) * 1e-9);
  }
  std::printf("\nlongest context: %lld tokens\n", static_cast<long long>(plan.most_context));
}

/// `--vram free`: what the graphics card of this machine has free now. Its driver has taken its own by then.
void ask_card(MemoryBudget& budget) {
#if defined(__APPLE__)
  constexpr Device kCard = Device::kMetal;
#else
  constexpr Device kCard = Device::kCuda;
#endif
  const std::optional<DeviceMemory> memory = make_ops({.device = kCard})->memory();
  budget.vram_bytes = memory ? memory->free_bytes : 0;
  budget.unified = memory && memory->unified;
  budget.driver_bytes = 0;
}

}  // namespace

int command_plan(std::span<char* const> args) {
  const Arguments arguments(args, {{"--vram", nullptr, true}, {"--ram", nullptr, true}, {"--unified", nullptr, true}, {"--context", nullptr, true}, {"--kv", nullptr, true}, {"--drafter", nullptr, true}, {"--json", nullptr, false}}, 1);
  PlanRequest request;
  request.load.path = arguments.positional(0);
  request.load.kv_type = kv_type_argument(arguments);
  request.load.n_context = static_cast<int>(arguments.integer("--context", 1, 1 << 24, 0));
  request.load.drafters = paths_argument(arguments, "--drafter");
  MemoryBudget budget;
  budget.ram_bytes = bytes_argument(arguments, "--ram");
  if (arguments.text("--vram", "") == "free") ask_card(budget);
  else budget.vram_bytes = bytes_argument(arguments, "--vram");
  if (arguments.has("--unified")) {
    if (arguments.has("--vram") || arguments.has("--ram")) throw UsageError("the option --unified stands for both --vram and --ram");
    budget.ram_bytes = bytes_argument(arguments, "--unified");
    budget.vram_bytes = budget.ram_bytes / 4 * 3;   // the share that macOS lets a graphics processor keep by itself
    budget.unified = true;
  }
  if (budget.ram_bytes == 0) throw UsageError("the option --ram is missing; it says how much memory the model may use, as 32G");
  request.budget = budget;
  const Plan plan = plan_model(request).plan;
  if (arguments.has("--json")) print_json(plan);
  else print_text(plan);
  return 0;
}

}  // namespace conclave
