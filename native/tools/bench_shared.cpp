// `conclave bench FILE --shared-prefix 1024,4096 --batch 8,32`: sequences that decode behind one prefix, whose pages they
// share: meeting them together, each for itself (the same pages: what is compared is attention, not storage), and with no
// attention at all, which nothing can beat. The end-to-end setting of Juravsky et al. 2024 ("Hydragen").
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "base/json_writer.h"
#include "engine/loaded_model.h"
#include "ops/forwarding_ops.h"
#include "tools/bench_shared.h"

namespace conclave {
namespace {

/// Leaves attention out on demand: the result is whatever was there.
class MayNotAttend final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  void attend(const AttendArgs& args) override {
    if (attends) inner().attend(args);
  }
  bool attends = true;
};

enum class Way { kTogether, kApart, kWithout };

/// A prefix of random tokens, then sequences that go on from it, each with a token of its own.
class Family {
 public:
  Family(LoadedModel& model, int n_prefix, int n_sequences, int chunk) : model_(model), sequences_(static_cast<size_t>(n_sequences)) {
    std::mt19937 random(7);
    const auto token = [&] { return static_cast<int32_t>(random() % static_cast<uint32_t>(model.spec().n_vocab)); };
    std::vector<int32_t> prefix(static_cast<size_t>(n_prefix));
    std::generate(prefix.begin(), prefix.end(), token);
    Sequence first;
    if (!model_.cache().open(first, prefix)) throw Error(ErrorCode::kInternal, "the bench's own cache has no room for its prefix");
    for (size_t begin = 0; begin < prefix.size(); begin += static_cast<size_t>(chunk)) {
      Batch batch;
      batch.sequences.push_back({first.pages, first.state});
      for (size_t at = begin; at < std::min(prefix.size(), begin + static_cast<size_t>(chunk)); ++at) batch.add_row(prefix[at], static_cast<int32_t>(at), 0, first.slot(static_cast<int64_t>(at)));
      model_.forward().run(batch);
    }
    model_.cache().close(first, prefix);
    for (Sequence& sequence : sequences_) {
      std::vector<int32_t> tokens = prefix;
      tokens.push_back(token());
      next_.push_back(tokens.back());
      if (!model_.cache().open(sequence, tokens)) throw Error(ErrorCode::kInternal, "the bench's own cache has no room for its sequences");
    }
    position_ = n_prefix;
  }
  ~Family() {
    for (Sequence& sequence : sequences_) model_.cache().close(sequence, {});
  }
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  /// Tokens per second of all sequences together.
  double decode(int n, Way way) {
    double seconds = 0;
    for (int i = 0; i <= n; ++i) {   // the first step warms up
      const auto start = std::chrono::steady_clock::now();
      step(way);
      if (i > 0) seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    return n * static_cast<double>(sequences_.size()) / seconds;
  }

 private:
  void step(Way way) {
    Batch batch;
    batch.attends_together = way == Way::kTogether;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      Sequence& sequence = sequences_[i];
      if (!model_.cache().reserve(sequence, position_ + 1)) throw Error(ErrorCode::kInternal, "the bench's own cache is too small");
      batch.sequences.push_back({sequence.pages, sequence.state});
      batch.logit_rows.push_back(static_cast<int32_t>(i));
      batch.add_row(next_[i], static_cast<int32_t>(position_), static_cast<int32_t>(i), sequence.slot(position_));
    }
    model_.forward().run(batch);
    for (size_t i = 0; i < sequences_.size() && way != Way::kWithout; ++i) {
      next_[i] = best_token(static_cast<int>(i));
    }
    ++position_;
  }
  int32_t best_token(int row) const {
    if (const TopLogits* best = model_.forward().best_logits(row)) return best->ids.front();
    const std::span<const float> logits = model_.forward().logits(row);
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }

  LoadedModel& model_;
  std::vector<Sequence> sequences_;
  std::vector<int32_t> next_;
  int64_t position_ = 0;
};

struct Speed { int prefix, batch; double together, apart, without; };

}  // namespace

void bench_shared(EngineOptions options, const std::vector<int32_t>& prefixes, const std::vector<int32_t>& batches, int n_decode, bool json_wanted) {
  const int longest = *std::max_element(prefixes.begin(), prefixes.end()), most = *std::max_element(batches.begin(), batches.end());
  const int own = (3 * (n_decode + 1) + 2 * kPageTokens) / kPageTokens * kPageTokens;   // three ways in a row
  options.n_context = longest + kPageTokens + most * own;
  MayNotAttend* attention = nullptr;
  LoadedModel model(options, most, {}, [&](std::unique_ptr<Ops> ops) {
    auto wrapped = std::make_unique<MayNotAttend>(std::move(ops));
    attention = wrapped.get();
    return wrapped;
  });
  std::vector<Speed> speeds;
  for (const int32_t batch : batches)
    for (const int32_t prefix : prefixes) {
      Family family(model, prefix, batch, options.prefill_chunk);
      Speed speed{prefix, batch, family.decode(n_decode, Way::kTogether), family.decode(n_decode, Way::kApart), 0};
      attention->attends = false;
      speed.without = family.decode(n_decode, Way::kWithout);
      attention->attends = true;
      speeds.push_back(speed);
      if (!json_wanted && speeds.size() == 1) std::printf("%s, %d tokens each\n%7s %8s %14s %11s %17s   tokens/s\n", model.ops().name(), n_decode, "batch", "prefix", "together", "apart", "no attention");
      if (!json_wanted) std::printf("%7d %8d %14.1f %11.1f %17.1f\n", batch, prefix, speed.together, speed.apart, speed.without);
      std::fflush(stdout);
    }
  if (!json_wanted) return;
  JsonWriter json;
  json.begin_object().field("backend", model.ops().name()).field("tokens", n_decode).key("settings").begin_array();
  for (const Speed& speed : speeds) json.begin_object().field("batch", speed.batch).field("prefix", speed.prefix).field("together_tps", speed.together).field("apart_tps", speed.apart).field("no_attention_tps", speed.without).end_object();
  json.end_array().end_object();
  std::puts(json.text().c_str());
}

}  // namespace conclave
