// Denoising; see mdlm.h and the keys in README.md.
#include "speculate/mdlm.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "sample/distribution.h"

namespace conclave {

namespace {

class MdlmDrafter final : public Drafter {
 public:
  explicit MdlmDrafter(MdlmModel& model) : model_(model) {}
  void observe(const Observation&) override {}   // it reads the tokens when it is asked
  Offer offer(std::span<const int32_t>) override { return {kMaskedDiffusion, model_.max_length()}; }
  Draft propose(std::span<const int32_t> tokens, std::span<const int32_t>, int n) override {
    return {model_.denoise(tokens, n, model_.n_steps(), model_.reveal()), DraftOrigin::kAny};
  }

 private:
  MdlmModel& model_;
};

struct Guess {
  size_t at;            // index into the sequence
  int32_t token;
  double probability;   // of the token, at temperature 1
};

}  // namespace

MdlmModel::MdlmModel(const std::string& path, const ModelSpec& target) : file_(path), spec_(file_.read_layers()), n_target_vocab_(target.n_vocab) {
  window_ = file_.integer("context_window", 1, 1 << 16);
  draft_length_ = file_.integer("draft_length", 1, 64);
  n_steps_ = file_.integer_or("steps", 1, 64, 1);
  const std::string order = gguf_string_or(file_.gguf(), file_.key("reveal"), "confidence");
  if (order != "confidence" && order != "left-to-right") throw Error(ErrorCode::kBadFile, "the drafter's file: '" + file_.key("reveal") + "' is '" + printable(order) + "'; 'confidence' and 'left-to-right' are known");
  reveal_ = order == "confidence" ? Reveal::kConfidence : Reveal::kLeftToRight;

  const GgufTensor* table = file_.gguf().find_tensor("token_embd.weight");
  spec_.n_vocab = table != nullptr && table->dims[1] < (1 << 22) ? static_cast<int>(table->dims[1]) : 0;
  if (spec_.n_vocab < target.n_vocab) {
    throw Error(ErrorCode::kBadArgument, "the drafter was made for another model: it knows " + std::to_string(spec_.n_vocab) + " tokens and this model has " + std::to_string(target.n_vocab));
  }
  weights_.token_embd = file_.matrix({"token_embd.weight"}, spec_.d_model, spec_.n_vocab);
  weights_.output = file_.has_tensor("output.weight") ? file_.matrix({"output.weight"}, spec_.d_model, spec_.n_vocab) : weights_.token_embd;
  spec_.tied_embeddings = !file_.has_tensor("output.weight");
  file_.bind_layers(spec_, weights_);
  if (!weights_.mask_embd) {
    const int64_t mask = gguf_int(file_.gguf(), "tokenizer.ggml.mask_token_id");
    if (mask < 0 || mask >= spec_.n_vocab) throw Error(ErrorCode::kBadFile, "the drafter's file: the mask token is " + std::to_string(mask) + " and it has " + std::to_string(spec_.n_vocab) + " tokens");
    mask_token_ = static_cast<int32_t>(mask);
  }
  file_.check_all_used({});
  for (LayerSpec& layer : spec_.layers) layer.attention.causal = false;
}

uint64_t MdlmModel::weight_bytes() const {
  uint64_t bytes = weights_.token_embd.bytes() + (spec_.tied_embeddings ? 0 : weights_.output.bytes());
  for_each_drafter_weight(const_cast<ModelWeights&>(weights_), [&](const Weight& weight) { bytes += weight.bytes(); });
  return bytes;
}

void MdlmModel::attach(Ops& ops, const ModelWeights&, std::span<const KvLayer>) {
  ops.prepare(weights_.token_embd);
  if (spec_.tied_embeddings) weights_.output = weights_.token_embd;
  else ops.prepare(weights_.output);
  for_each_drafter_weight(weights_, [&](Weight& weight) { ops.prepare(weight); });
  const AttentionSpec& a = spec_.layers.front().attention;
  const std::vector<KvShape> shapes(spec_.layers.size(), {a.n_kv_heads, a.d_k, a.d_v});
  const int max_rows = window_ + draft_length_;
  pool_ = std::make_unique<PagePool>(ops, shapes, DType::kF32, (max_rows + kPageTokens - 1) / kPageTokens);
  pages_.clear();
  pool_->take(pool_->n_pages(), pages_);
  forward_ = std::make_unique<Forward>(ops, spec_, weights_, pool_->layers(), max_rows, draft_length_);
}

std::unique_ptr<Drafter> MdlmModel::make_drafter() { return std::make_unique<MdlmDrafter>(*this); }

void MdlmModel::run(std::span<const int32_t> tokens) {
  const int n = static_cast<int>(tokens.size());
  assert(n <= window_ + draft_length_);
  Batch batch;
  batch.sequences.push_back({pages_});
  for (int i = 0; i < n; ++i) {
    const bool masked = tokens[static_cast<size_t>(i)] == kMaskToken;
    batch.add_row(masked ? mask_token_ : tokens[static_cast<size_t>(i)], i, 0, pages_[static_cast<size_t>(i / kPageTokens)] * kPageTokens + i % kPageTokens);
    batch.visible_to.push_back(n - 1);
    if (masked) batch.logit_rows.push_back(i);
  }
  forward_->run(batch);
}

/// Not the mask itself, nor what the target does not know.
std::pair<int32_t, double> MdlmModel::guess(int masked, bool with_probability) {
  const auto is_allowed = [this](int32_t token) { return token < n_target_vocab_ && token != mask_token_; };
  if (const TopLogits* top = forward_->best_logits(masked)) {
    double total = top->sum;   // of exp(logit - the best), less what is not allowed as far as it is known
    for (size_t i = 0; i < top->ids.size(); ++i) {
      const double mass = std::exp(static_cast<double>(top->values[i]) - top->values.front());
      if (is_allowed(top->ids[i])) return {top->ids[i], mass / total};
      total -= mass;
    }
  }
  const std::span<float> row = logits(masked).first(static_cast<size_t>(n_target_vocab_));
  if (mask_token_ >= 0 && mask_token_ < n_target_vocab_) row[static_cast<size_t>(mask_token_)] = -1e30f;
  const int32_t best = best_token(row);
  return {best, with_probability ? 1 / sum_exp(row, row[static_cast<size_t>(best)]) : 0};
}

std::vector<int32_t> MdlmModel::denoise(std::span<const int32_t> tokens, int n, int n_steps, Reveal reveal) {
  n = std::min(n, draft_length_);
  if (n < 1) return {};
  const std::span<const int32_t> context = tokens.last(std::min<size_t>(tokens.size(), static_cast<size_t>(window_)));
  std::vector<int32_t> sequence(context.begin(), context.end());
  sequence.resize(context.size() + static_cast<size_t>(n), kMaskToken);
  n_steps = std::min(n_steps, n);
  for (int step = 0, n_masked = n; n_masked > 0; ++step) {
    run(sequence);
    std::vector<Guess> guesses;
    for (size_t at = context.size(); at < sequence.size(); ++at) {
      if (sequence[at] != kMaskToken) continue;
      const auto [token, probability] = guess(static_cast<int>(guesses.size()), reveal == Reveal::kConfidence && n_steps > 1);
      guesses.push_back({at, token, probability});
    }
    if (reveal == Reveal::kConfidence) std::stable_sort(guesses.begin(), guesses.end(), [](const Guess& a, const Guess& b) { return a.probability > b.probability; });
    const int n_left = n_steps - step;   // passes, this one included
    const int n_shown = (n_masked + n_left - 1) / n_left;
    for (int i = 0; i < n_shown; ++i) sequence[guesses[static_cast<size_t>(i)].at] = guesses[static_cast<size_t>(i)].token;
    n_masked -= n_shown;
  }
  return {sequence.begin() + static_cast<std::ptrdiff_t>(context.size()), sequence.end()};
}

}  // namespace conclave
