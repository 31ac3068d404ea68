// Context features, drafting passes, and one sequence's drafter; see dflash.h.
#include "speculate/dflash.h"

#include <algorithm>
#include <cassert>

#include "base/error.h"
#include "sample/distribution.h"

namespace conclave {

namespace {

int32_t slot(std::span<const int32_t> pages, int64_t position) {
  return pages[static_cast<size_t>(position / kPageTokens)] * kPageTokens + static_cast<int32_t>(position % kPageTokens);
}

/// Keeps the taps of newly committed rows until there are enough to be worth a pass over the weights, or until they are needed.
class DflashDrafter final : public Drafter {
 public:
  explicit DflashDrafter(DflashModel& model, Ops& ops) : model_(model), ops_(ops) {}

  void observe(const Observation& seen) override {
    if (seen.count == 0 || !seen.taps) return;
    if (seen.first != first_ + n_pending_) n_pending_ = 0, first_ = seen.first;   // pages were given back in between
    int done = 0;
    if (n_pending_ == 0) {
      for (; seen.count - done >= DflashModel::kContextRows; done += DflashModel::kContextRows) {
        model_.add_context(seen.taps.rows(done, DflashModel::kContextRows), seen.first + done, seen.pages);
      }
      first_ = seen.first + done;
    }
    const size_t d_row = static_cast<size_t>(seen.taps.d_row), n = static_cast<size_t>(seen.count - done);
    pending_.resize(std::max(pending_.size(), (static_cast<size_t>(n_pending_) + n) * d_row));
    if (n > 0) ops_.download(pending_.data() + static_cast<size_t>(n_pending_) * d_row, seen.taps.f32(done), n * d_row * sizeof(float));
    n_pending_ += static_cast<int>(n);
    if (n_pending_ >= DflashModel::kContextRows) settle(seen.pages);
  }

  Offer offer(std::span<const int32_t>) override { return {kBlockDiffusion, model_.max_length()}; }

  Draft propose(std::span<const int32_t> tokens, std::span<const int32_t> pages, int n) override {
    DraftAsk ask{.drafter = this, .tokens = tokens, .pages = pages, .n = n};
    model_.propose_together({&ask, 1});
    return {.tokens = std::move(ask.draft)};
  }

  void settle(std::span<const int32_t> pages) override {
    const size_t d_row = pending_.empty() || n_pending_ == 0 ? 0 : static_cast<size_t>(model_.spec().layers.d_model) * model_.spec().taps.size();
    for (int done = 0; done < n_pending_; done += DflashModel::kContextRows) {
      const int n = std::min(n_pending_ - done, DflashModel::kContextRows);
      model_.add_context(std::span(pending_).subspan(static_cast<size_t>(done) * d_row, static_cast<size_t>(n) * d_row), first_ + done, pages);
    }
    first_ += n_pending_;
    n_pending_ = 0;
  }

 private:
  DflashModel& model_;
  Ops& ops_;
  std::vector<float> pending_;   // [n_pending_][n_taps * d_model] of the rows from first_
  int64_t first_ = 0;
  int n_pending_ = 0;
};

}  // namespace

DflashModel::DflashModel(const std::string& path, const ModelSpec& target) : file_(path), spec_(read_dflash_spec(file_, target)) {
  const int64_t d = spec_.layers.d_model;
  fc_ = file_.matrix({"fc.weight", "dflash_fc.weight", "dflash.fc.weight"}, d * static_cast<int64_t>(spec_.taps.size()), d);
  hidden_norm_ = file_.vector({"enc.output_norm.weight", "dflash_hidden_norm.weight", "dflash.hidden_norm.weight", "hidden_norm.weight"}, d);
  file_.bind_layers(spec_.layers, weights_);
  // Copies of the target's embedding and head are what the target has anyway.
  file_.check_all_used({"token_embd.weight", "output.weight"});
}

std::vector<KvShape> DflashModel::kv_shapes() const {
  const AttentionSpec& a = spec_.layers.layers.front().attention;
  return std::vector<KvShape>(spec_.layers.layers.size(), {a.n_kv_heads, a.d_k, a.d_v});
}

uint64_t DflashModel::weight_bytes() const {
  uint64_t bytes = fc_.bytes() + hidden_norm_.bytes();
  for_each_drafter_weight(const_cast<ModelWeights&>(weights_), [&](const Weight& weight) { bytes += weight.bytes(); });
  return bytes;
}

uint64_t DflashModel::draft_bytes() const { return weight_bytes() - fc_.bytes() + weights_.output.bytes(); }

uint64_t DflashModel::context_bytes() const {
  uint64_t bytes = fc_.bytes();
  for (const LayerWeights& layer : weights_.layers) bytes += layer.wk.bytes() + layer.wv.bytes();
  return bytes;
}

void DflashModel::attach(Ops& ops, const ModelWeights& target, std::span<const KvLayer> kv) {
  assert(kv.size() == spec_.layers.layers.size());
  ops_ = &ops;
  kv_.assign(kv.begin(), kv.end());
  ops.prepare(fc_);
  ops.prepare(hidden_norm_);
  for_each_drafter_weight(weights_, [&](Weight& weight) { ops.prepare(weight); });
  weights_.token_embd = target.token_embd;
  weights_.output = target.output;
  weights_.output_bias = target.output_bias;
  work_ = std::make_unique<Workspace>(ops, spec_.layers, kContextRows, 1);
  uploaded_ = work_->make(kContextRows, fc_.d_in);
  forward_ = std::make_unique<Forward>(ops, spec_.layers, weights_, kv_, std::max(spec_.block_size, kTogetherRows), std::max(max_length(), kTogetherRows / 2));
}

std::unique_ptr<Drafter> DflashModel::make_drafter() { return std::make_unique<DflashDrafter>(*this, *ops_); }

void DflashModel::add_context(std::span<const float> taps, int64_t first, std::span<const int32_t> pages) {
  const int64_t n = static_cast<int64_t>(taps.size()) / fc_.d_in;
  ops_->upload(uploaded_.data, taps.data(), taps.size_bytes());
  add_context(uploaded_.rows(0, n), first, pages);
}

void DflashModel::add_context(Tensor taps, int64_t first, std::span<const int32_t> pages) {
  const int64_t n = taps.n_rows;
  assert(n <= kContextRows && taps.d_row == fc_.d_in);
  std::vector<int32_t> positions, slots;
  for (int64_t position = first; position < first + n; ++position) {
    positions.push_back(static_cast<int32_t>(position));
    slots.push_back(slot(pages, position));
  }
  const Tensor features = work_->hidden.rows(0, n), context = work_->normed.rows(0, n);
  ops_->begin();
  const MatmulOutput fused[] = {{.out = features, .weight = &fc_, .bias = nullptr}};
  ops_->matmul(taps, fused);
  ops_->norm({.out = context, .x = features, .weight = &hidden_norm_, .bias = nullptr, .kind = NormKind::kRms, .eps = spec_.layers.norm_eps});
  for (size_t i = 0; i < weights_.layers.size(); ++i) {
    const AttentionSpec& a = spec_.layers.layers[i].attention;
    const LayerWeights& w = weights_.layers[i];
    const Tensor k = narrow(work_->k, n, int64_t{a.n_kv_heads} * a.d_k), v = narrow(work_->v, n, int64_t{a.n_kv_heads} * a.d_v);
    const MatmulOutput projections[] = {{.out = k, .weight = &w.wk, .bias = nullptr}, {.out = v, .weight = &w.wv, .bias = nullptr}};
    ops_->matmul(context, projections);
    // There are no queries: the keys pass as both, and the copy is not used.
    const Tensor q = narrow(work_->q, n, int64_t{a.n_kv_heads} * a.d_k);
    ops_->copy(q.data, k.data, static_cast<size_t>(n * k.d_row) * sizeof(float));
    ops_->qk_rope({.q = q, .k = k, .n_heads = a.n_kv_heads, .n_kv_heads = a.n_kv_heads, .d_k = a.d_k, .norm = a.qk_norm, .q_norm = &w.k_norm,
                   .k_norm = &w.k_norm, .eps = spec_.layers.norm_eps, .rope = a.rope, .freq_factors = nullptr, .positions = positions});
    ops_->store_kv({.layer = kv_[i], .k = k, .v = v, .slots = slots});
  }
  ops_->submit();
  ops_->wait();
}

void DflashModel::run_blocks(std::span<const Block> blocks) {
  Batch batch;
  for (const Block& block : blocks) {
    assert(block.n >= 1 && block.n <= max_length());
    const int32_t sequence = static_cast<int32_t>(batch.sequences.size());
    batch.sequences.push_back({block.pages});
    for (int i = 0; i <= block.n; ++i) {
      if (i > 0) batch.logit_rows.push_back(batch.n_rows());
      batch.add_row(i == 0 ? block.anchor : spec_.mask_token, static_cast<int32_t>(block.start + i), sequence, slot(block.pages, block.start + i));
      batch.visible_to.push_back(static_cast<int32_t>(block.start + block.n));
    }
  }
  forward_->run(batch);
}

void DflashModel::propose_together(std::span<DraftAsk> asks) {
  std::vector<Block> blocks;
  std::vector<DraftAsk*> of_blocks;
  int n_rows = 0, n_drafted = 0;
  const auto run = [&] {
    if (blocks.empty()) return;
    run_blocks(blocks);
    int row = 0;
    for (DraftAsk* ask : of_blocks) {
      for (int i = 0; i < ask->n; ++i, ++row) {
        const TopLogits* best = forward_->best_logits(row);
        ask->draft.push_back(best ? best->ids.front() : best_token(logits(row)));
      }
    }
    blocks.clear();
    of_blocks.clear();
    n_rows = n_drafted = 0;
  };
  for (DraftAsk& ask : asks) {
    ask.drafter->settle(ask.pages);
    ask.n = std::min(ask.n, max_length());
    if (ask.n < 1) continue;
    if (n_rows + ask.n + 1 > forward_->max_rows() || n_drafted + ask.n > forward_->max_logit_rows()) run();
    blocks.push_back({ask.tokens.back(), static_cast<int64_t>(ask.tokens.size()) - 1, ask.n, ask.pages});
    of_blocks.push_back(&ask);
    n_rows += ask.n + 1;
    n_drafted += ask.n;
  }
  run();
}

}  // namespace conclave
