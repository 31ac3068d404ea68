// Block diffusion drafting (DFlash, arXiv 2602.06036): one bidirectional pass over [anchor, mask, mask, ...] that attends to
// features of the target's own hidden states. Row i predicts the token at its own position. No embedding and no head of its own.
//
// The cache holds context rows only: a context row's keys and values depend on that row alone, so they are computed once, when
// the target has committed the row; a block's go behind them and are overwritten by what is committed next.
#pragma once
#include "forward/forward.h"
#include "speculate/dflash_spec.h"
#include "speculate/drafter_model.h"

namespace conclave {

class DflashModel final : public DrafterModel {
 public:
  DflashModel(const std::string& path, const ModelSpec& target);

  const DflashSpec& spec() const { return spec_; }
  int kind() const override { return kBlockDiffusion; }
  int max_length() const override { return spec_.block_size - 1; }
  std::vector<int> taps() const override { return spec_.taps; }
  std::vector<KvShape> kv_shapes() const override;
  uint64_t weight_bytes() const override;
  uint64_t draft_bytes() const override;
  int draft_rows() const override { return spec_.block_size; }
  uint64_t context_bytes() const override;
  void attach(Ops& ops, const ModelWeights& target, std::span<const KvLayer> kv) override;
  std::unique_ptr<Drafter> make_drafter() override;
  void propose_together(std::span<DraftAsk> asks) override;

  static constexpr int kContextRows = 32;   // injected at once: enough rows for each weight read
  static constexpr int kTogetherRows = 48;  // of one drafting pass over several sequences; half as many are drafted tokens

  /// Puts the keys and values of rows [first, first + taps.n_rows) in place, from the target's tapped states (device rows).
  void add_context(Tensor taps, int64_t first, std::span<const int32_t> pages);
  /// The same from rows in host memory.
  void add_context(std::span<const float> taps, int64_t first, std::span<const int32_t> pages);
  /// A sequence's anchor, its position, and how many tokens after it are asked for.
  struct Block {
    int32_t anchor;
    int64_t start;
    int n;
    std::span<const int32_t> pages;
  };
  /// One drafting pass: logits [n][n_vocab] of the tokens after each anchor, block after block; row i by logits(i).
  void run_blocks(std::span<const Block> blocks);
  void run_block(int32_t anchor, int64_t start, int n, std::span<const int32_t> pages) {
    const Block block{anchor, start, n, pages};
    run_blocks({&block, 1});
  }
  std::span<float> logits(int row) { return forward_->logits(row); }

 private:
  DrafterFile file_;
  DflashSpec spec_;
  ModelWeights weights_;
  Weight fc_, hidden_norm_;
  Ops* ops_ = nullptr;
  std::vector<KvLayer> kv_;
  std::unique_ptr<Workspace> work_;      // for context rows
  Tensor uploaded_;                      // [kContextRows][n_taps * d]
  std::unique_ptr<Forward> forward_;
};

}  // namespace conclave
