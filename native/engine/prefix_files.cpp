// See prefix_files.h.
#include "engine/prefix_files.h"

#include <string>

#include "kv/snapshot.h"

namespace conclave {

namespace {

std::span<const int32_t> whole_pages(const PrefixFile& file) {
  const size_t n = file.tokens.size() / kPageTokens * kPageTokens;
  if (n == 0) throw Error(ErrorCode::kBadArgument, "a prefix of " + std::to_string(file.tokens.size()) + " tokens fills no page of " + std::to_string(kPageTokens) + ", and only whole pages are kept in files");
  return std::span(file.tokens).first(n);
}

/// The pool's layers and the backend never change while a model is loaded, so any thread may read them.
SnapshotKey key_of(LoadedModel& model, const PrefixFile& file) {
  return {file.model_sha256, file.engine_version, model.ops().name(), model.cache().pool().layers(), whole_pages(file), model.drafters_checksum()};
}

}  // namespace

int known_prefix(Scheduler& scheduler, const std::vector<int32_t>& tokens) {
  int64_t n = 0;
  scheduler.between_steps([&](LoadedModel& model) { n = model.cache().n_known(tokens); });
  return static_cast<int>(n);
}

uint64_t save_prefix(Scheduler& scheduler, const PrefixFile& file) {
  const std::span<const int32_t> tokens = whole_pages(file);
  std::vector<std::byte> snapshot;
  scheduler.between_steps([&](LoadedModel& model) {
    if (model.cache().is_recurrent()) throw Error(ErrorCode::kUnsupported, "this model carries a recurrent state, which files of prefixes do not hold; its prefixes are kept in memory only");
    const std::vector<int32_t> pages = model.cache().known_pages(tokens);
    if (pages.empty()) {
      throw Error(ErrorCode::kBadArgument, "only " + std::to_string(model.cache().n_known(tokens)) + " of the prefix's " + std::to_string(tokens.size()) + " tokens are known; compute it first");
    }
    snapshot = make_snapshot(key_of(model, file), model.ops(), pages);
  });
  write_snapshot(file.path, snapshot);
  return snapshot.size();
}

uint64_t load_prefix(Scheduler& scheduler, const PrefixFile& file) {
  SnapshotKey key;
  scheduler.between_steps([&](LoadedModel& model) { key = key_of(model, file); });
  const Snapshot snapshot(file.path, key);
  scheduler.between_steps([&](LoadedModel& model) {
    const bool restored = model.cache().restore(key.tokens, [&](std::span<const int32_t> pages) { snapshot.copy_to(key, model.ops(), pages); });
    if (!restored) {
      throw Error(ErrorCode::kOutOfMemory, "the saved prefix needs the keys and values of " + std::to_string(key.tokens.size()) + " tokens and running requests leave no room for them; try again when they have ended");
    }
  });
  return snapshot.bytes();
}

}  // namespace conclave
