// The door's implementation: a loaded model behind a scheduler.
#include "engine/engine.h"

#include <algorithm>

#include "engine/loaded_model.h"
#include "engine/prefix_files.h"
#include "engine/residence.h"
#include "engine/scheduler.h"

namespace conclave {

namespace {

class SchedulerEngine final : public Engine {
 public:
  SchedulerEngine(std::unique_ptr<LoadedModel> model, const EngineOptions& options) : scheduler_(std::move(model), options) {}

  const ModelSpec& spec() const override { return scheduler_.model().spec(); }
  EngineStats stats() const override { return scheduler_.stats(); }
  Residence residence() override { return conclave::residence(scheduler_); }
  int n_context() const override { return scheduler_.model().n_context(); }
  Request submit(RequestOptions options, RequestCallbacks callbacks) override { return scheduler_.submit(std::move(options), std::move(callbacks)); }
  int known_prefix(const std::vector<int32_t>& tokens) override { return conclave::known_prefix(scheduler_, tokens); }
  uint64_t save_prefix(const PrefixFile& file) override { return conclave::save_prefix(scheduler_, file); }
  uint64_t load_prefix(const PrefixFile& file) override { return conclave::load_prefix(scheduler_, file); }

 private:
  Scheduler scheduler_;
};

}  // namespace

std::unique_ptr<Engine> Engine::open(const EngineOptions& options, const std::function<bool(uint64_t, uint64_t)>& progress) {
  return std::make_unique<SchedulerEngine>(std::make_unique<LoadedModel>(options, Scheduler::kMaxRunning + Drafting::kMaxDraftRows, progress), options);
}

std::optional<DraftMode> draft_mode_of(std::string_view name) {
  constexpr std::pair<std::string_view, DraftMode> kModes[] = {{"off", DraftMode::kOff}, {"lookup", DraftMode::kLookup}, {"mdlm", DraftMode::kMaskedDiffusion},
                                                               {"dflash", DraftMode::kBlockDiffusion}, {"auto", DraftMode::kAuto}};
  for (const auto& [known, mode] : kModes) {
    if (name == known) return mode;
  }
  return std::nullopt;
}

InspectedModel inspect_model(const std::string& path) {
  const std::unique_ptr<GgufFile> file = GgufFile::open(path);
  refuse_drafter(*file);
  return {spec_from_gguf(*file), file->file_bytes()};
}

DrafterInfo inspect_drafter(const std::string& path, const std::string& model_path) {
  const std::unique_ptr<GgufFile> file = GgufFile::open(path), target = GgufFile::open(model_path);
  const std::unique_ptr<DrafterModel> drafter = open_drafter(path, spec_from_gguf(*target), *target);
  const std::string architecture = gguf_string(*file, "general.architecture");
  return {.kind = drafter->kind() == kMaskedDiffusion ? DraftMode::kMaskedDiffusion : DraftMode::kBlockDiffusion,
          .name = gguf_string_or(*file, "general.name", architecture), .file_bytes = file->file_bytes(), .max_length = drafter->max_length()};
}

LogitsResult compute_logits(const EngineOptions& options, const std::vector<int32_t>& tokens, const Steering& steering) {
  constexpr size_t kChunk = 64;
  EngineOptions own = options;
  own.plain = true;
  own.prefill_chunk = 1;   // beside kChunk logit rows
  if (own.n_context == 0) own.n_context = std::max<int>(1, static_cast<int>(tokens.size()));
  LoadedModel model(own, kChunk);
  if (tokens.empty()) throw Error(ErrorCode::kBadArgument, "no tokens were given; at least one is needed");
  if (tokens.size() > static_cast<size_t>(model.n_context())) {
    throw Error(ErrorCode::kBadArgument, std::to_string(tokens.size()) + " tokens were given and the context holds " + std::to_string(model.n_context()));
  }
  for (const int32_t token : tokens) {
    if (token < 0 || token >= model.spec().n_vocab) throw Error(ErrorCode::kBadArgument, "token " + std::to_string(token) + " is outside the vocabulary of " + std::to_string(model.spec().n_vocab));
  }

  check_steering(steering, model.spec());

  LogitsResult result;
  result.n_moe_layers = model.spec().n_moe_layers();
  Sequence sequence;
  if (!model.cache().open(sequence, tokens)) throw Error(ErrorCode::kInternal, "a fresh cache has no room for the sequence it was made for");
  for (size_t first = 0; first < tokens.size(); first += kChunk) {
    Batch batch;
    batch.sequences.push_back({sequence.pages, sequence.state});
    batch.steering.push_back(steering.is_none() ? nullptr : &steering);
    for (size_t position = first; position < std::min(tokens.size(), first + kChunk); ++position) {
      batch.logit_rows.push_back(batch.n_rows());
      batch.add_row(tokens[position], static_cast<int32_t>(position), 0, sequence.slot(static_cast<int64_t>(position)));
    }
    model.forward().run(batch);
    for (int row = 0; row < batch.n_rows(); ++row) {
      const std::span<const float> logits = model.forward().logits(row);
      result.logits.emplace_back(logits.begin(), logits.end());
      ExpertChoice& choice = result.choices.emplace_back();
      model.forward().append_choice(row, choice.experts, choice.weights, steering.n_experts_used);
    }
  }
  model.cache().close(sequence, {});
  return result;
}

}  // namespace conclave
