// `conclave bench FILE --rows 1,2,4,8,16`: what a pass costs by its rows, as a verifying pass has them: the model's own next
// tokens behind a prompt (or random ones, whose experts differ the most), all wanting logits, beside how many distinct experts
// they chose. The counts are measured in turns, so that a
// machine that slows down slows all alike.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "base/json_writer.h"
#include "engine/loaded_model.h"
#include "tools/bench_rows.h"

namespace conclave {
namespace {

struct RowCost {
  int rows = 0;
  std::vector<double> ms;
  double distinct = 0;   // experts per MoE layer

  double median() const {
    std::vector<double> sorted = ms;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

class Continuation {
 public:
  Continuation(LoadedModel& model, int n_prompt, int n_more, int chunk) : model_(model) {
    std::mt19937 random(7);
    for (int i = 0; i < n_prompt; ++i) tokens_.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(model.spec().n_vocab)));
    if (!model_.cache().open(sequence_, tokens_) || !model_.cache().reserve(sequence_, n_prompt + n_more)) throw Error(ErrorCode::kInternal, "the bench's own cache is too small");
    for (size_t first = 0; first < tokens_.size(); first += static_cast<size_t>(chunk)) run(first, std::min(tokens_.size() - first, static_cast<size_t>(chunk)), false);
    for (int i = 0; i < n_more; ++i) {
      const std::span<const float> logits = model_.forward().logits(0);
      tokens_.push_back(static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
      run(tokens_.size() - 1, 1, false);
    }
  }
  ~Continuation() { model_.cache().close(sequence_, {}); }
  Continuation(const Continuation&) = delete;
  Continuation& operator=(const Continuation&) = delete;

  /// Computes `n` rows from `first` (again), with the logits of all or of the last; milliseconds.
  double run(size_t first, size_t n, bool all_logits) {
    Batch batch;
    batch.sequences.push_back({sequence_.pages, sequence_.state});
    for (size_t at = first; at < first + n; ++at) {
      if (all_logits || at + 1 == first + n) batch.logit_rows.push_back(batch.n_rows());
      batch.add_row(tokens_[at], static_cast<int32_t>(at), 0, sequence_.slot(static_cast<int64_t>(at)));
    }
    const auto start = std::chrono::steady_clock::now();
    model_.forward().run(batch);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }

  double distinct_experts(int n) const {
    std::vector<std::vector<bool>> seen;
    for (const LayerSpec& layer : model_.spec().layers) {
      if (layer.ffn.kind == FfnKind::kMoe) seen.emplace_back(static_cast<size_t>(layer.ffn.n_experts), false);
    }
    for (int row = 0; row < n; ++row) {
      std::vector<uint16_t> experts;
      std::vector<float> weights;
      model_.forward().append_choice(row, experts, weights);
      const size_t k = seen.empty() ? 1 : experts.size() / seen.size();
      for (size_t i = 0; i < experts.size(); ++i) seen[i / k][experts[i]] = true;
    }
    double total = 0;
    for (const auto& layer : seen) total += static_cast<double>(std::count(layer.begin(), layer.end(), true));
    return seen.empty() ? 0 : total / static_cast<double>(seen.size());
  }

  static constexpr int kMostRows = 64;

 private:
  LoadedModel& model_;
  std::vector<int32_t> tokens_;
  Sequence sequence_;
};

}  // namespace

void bench_rows(EngineOptions options, const std::vector<int32_t>& rows, int n_prompt, int n_repeats, bool random_rows, bool json_wanted) {
  const int most = *std::max_element(rows.begin(), rows.end());
  options.n_context = n_prompt + most + 1;
  options.plain = true;
  LoadedModel model(options, Continuation::kMostRows);
  if (model.cache().is_recurrent()) throw Error(ErrorCode::kUnsupported, "this model keeps a recurrent state, which cannot compute the same rows twice");
  Continuation text(model, random_rows ? n_prompt + most : n_prompt, random_rows ? 0 : most, options.prefill_chunk);
  std::vector<RowCost> costs;
  for (const int32_t n : rows) costs.push_back({.rows = n, .ms = {}});
  for (int repeat = 0; repeat <= n_repeats; ++repeat) {
    for (RowCost& cost : costs) {
      const double ms = text.run(static_cast<size_t>(n_prompt), static_cast<size_t>(cost.rows), true);
      if (repeat > 0) cost.ms.push_back(ms);   // the first round warms up
      cost.distinct = text.distinct_experts(cost.rows);
    }
  }
  const FfnSpec& ffn = model.spec().layers.back().ffn;
  JsonWriter json;
  json.begin_object().field("backend", model.ops().name()).field("prompt", n_prompt).field("experts", ffn.n_experts).field("experts_used", ffn.n_experts_used).key("rows").begin_array();
  for (const RowCost& cost : costs) {
    json.begin_object().field("rows", cost.rows).field("ms", cost.median()).field("ratio", cost.median() / costs.front().median()).field("distinct_experts", cost.distinct).end_object();
  }
  json.end_array().end_object();
  if (json_wanted) {
    std::puts(json.text().c_str());
    return;
  }
  std::printf("%s, %d experts, %d used, behind %d tokens\n%6s %10s %10s %10s %18s\n", model.ops().name(), ffn.n_experts, ffn.n_experts_used, n_prompt, "rows", "ms", "times one", "ms a row", "distinct experts");
  for (const RowCost& cost : costs) {
    std::printf("%6d %10.3f %10.2f %10.3f %18.2f\n", cost.rows, cost.median(), cost.median() / costs.front().median(), cost.median() / cost.rows, cost.distinct);
  }
}

}  // namespace conclave
