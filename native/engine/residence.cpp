// Asks the scheduler which experts the device has, between two steps, and the system which pages of the file are in memory, on
// the caller's thread: a mapping that is only read is nobody's in particular.
#include "engine/residence.h"

#include <algorithm>
#include <array>

#include "base/memory_use.h"
#include "formats/mapped_file.h"

namespace conclave {

namespace {

constexpr int kSamplesOfAWeight = 16;

/// Pages asked for of each part of an expert: fewer of more experts, so that no answer takes more than some ten thousand questions
/// of half a microsecond each.
int samples_of_a_part(const ModelSpec& spec) {
  constexpr int kMost = 4, kQuestions = 32768, kParts = 3;
  int n_experts = 1;
  for (const LayerSpec& layer : spec.layers) n_experts += layer.ffn.kind == FfnKind::kMoe ? layer.ffn.n_experts : 0;
  return std::clamp(kQuestions / (n_experts * kParts), 1, kMost);
}

/// Bytes of an expert, and of them those in memory as far as the samples tell.
struct ExpertBytes {
  uint64_t all = 0;
  double in_memory = 0;
};

ExpertBytes expert_bytes(const LayerWeights& layer, int64_t expert, int n_samples) {
  ExpertBytes sum;
  for (const Weight* part : {&layer.gate, &layer.up, &layer.down, &layer.gate_bias, &layer.up_bias, &layer.down_bias}) {
    if (!*part) continue;
    const std::span<const std::byte> bytes{part->row(0, expert), part->expert_bytes()};
    sum.all += bytes.size();
    sum.in_memory += static_cast<double>(bytes.size()) * MappedFile::resident_share(bytes, n_samples);
  }
  return sum;
}

/// On the scheduler's thread: what only it may look at.
struct OnDevice {
  std::vector<std::vector<bool>> experts;   // [layer][expert]; see LoadedModel::on_device
  uint64_t kv = 0, used = 0;
  DeviceMemory memory;
  bool any = false;
};

OnDevice look(const LoadedModel& model, const KvCache& cache, const std::optional<DeviceMemory>& memory) {
  OnDevice found;
  for (size_t layer = 0; layer < model.spec().layers.size(); ++layer) found.experts.push_back(model.on_device(layer));
  found.kv = cache.pool().bytes() + cache.state_bytes();
  if (const std::optional<uint64_t> before = model.device_free_before()) {
    found.any = true;
    found.memory = memory.value_or(DeviceMemory{});
    found.used = *before - std::min<uint64_t>(*before, found.memory.free_bytes);
  }
  return found;
}

uint64_t less(uint64_t bytes, uint64_t taken) { return bytes - std::min(bytes, taken); }

void place_experts(Residence& result, const LoadedModel& model, const OnDevice& device) {
  const int n_samples = samples_of_a_part(model.spec());
  for (size_t i = 0; i < model.spec().layers.size(); ++i) {
    const FfnSpec& ffn = model.spec().layers[i].ffn;
    if (ffn.kind != FfnKind::kMoe) continue;
    std::vector<ExpertTier>& tiers = result.experts.emplace_back();
    for (int expert = 0; expert < ffn.n_experts; ++expert) {
      const ExpertBytes bytes = expert_bytes(model.weights().layers[i], expert, n_samples);
      const bool there = !device.experts[i].empty() && device.experts[i][static_cast<size_t>(expert)];
      if (there) result.device.experts += bytes.all;
      else result.host.experts += static_cast<uint64_t>(bytes.in_memory);
      tiers.push_back(there ? ExpertTier::kDevice : bytes.in_memory * 2 < static_cast<double>(bytes.all) ? ExpertTier::kDisk : ExpertTier::kMemory);
    }
  }
}

/// What every token reads, and the drafters.
void place_weights(Residence& result, const LoadedModel& model, const OnDevice& device) {
  uint64_t all = 0;
  double in_memory = 0;
  for (const Weight* weight : model.shared_weights()) {
    all += weight->bytes();
    in_memory += static_cast<double>(weight->bytes()) * MappedFile::resident_share({weight->data, weight->bytes()}, kSamplesOfAWeight);
  }
  if (device.any) result.device.weights = all;
  else result.host.weights = static_cast<uint64_t>(in_memory);
}

}  // namespace

Residence residence(Scheduler& scheduler) {
  OnDevice device;
  scheduler.between_steps([&](LoadedModel& model) { device = look(model, model.cache(), model.ops().memory()); });
  Residence result;
  place_experts(result, scheduler.model(), device);
  place_weights(result, scheduler.model(), device);
  const uint64_t own = process_memory().own_bytes;
  const SystemMemory system = system_memory();
  result.ram_bytes = system.total_bytes;
  // The system would give up the file's pages too, but not without making the next token wait.
  result.ram_free_bytes = less(system.free_bytes, result.host.weights + result.host.experts);
  result.vram_bytes = device.memory.total_bytes;
  result.vram_free_bytes = device.memory.free_bytes;
  if (device.any) {
    result.device.kv = device.kv;
    result.device.work = less(device.used, result.device.total());
    // Of a device without memory of its own, what lies there is this process's.
    result.unified = device.memory.unified;
    result.host.work = result.unified ? less(own, result.device.total()) : own;
  } else {
    result.host.kv = scheduler.model().host_kv_bytes();
    result.host.work = less(own, result.host.kv);
  }
  return result;
}

}  // namespace conclave
