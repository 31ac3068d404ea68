// Masked diffusion drafting (SpecDiff, arXiv 2408.05636, with an MDLM, arXiv 2406.07524): a small bidirectional transformer with the
// target's tokens fills masks behind the last tokens of the sequence in a few denoising passes. Stands alone: it reads tokens, not
// the target, so any model with the same tokenizer can use it. Several steps in free order: verified by matching only.
#pragma once
#include "forward/forward.h"
#include "kv/page_pool.h"
#include "speculate/drafter_file.h"
#include "speculate/drafter_model.h"

namespace conclave {

inline constexpr const char* kMdlmArchitecture = "conclave-mdlm";

enum class Reveal { kLeftToRight, kConfidence };

class MdlmModel final : public DrafterModel {
 public:
  MdlmModel(const std::string& path, const ModelSpec& target);

  int kind() const override { return kMaskedDiffusion; }
  int max_length() const override { return draft_length_; }
  uint64_t weight_bytes() const override;
  uint64_t draft_bytes() const override { return static_cast<uint64_t>(n_steps_) * (weight_bytes() - (spec_.tied_embeddings ? 0 : weights_.token_embd.bytes())); }
  int draft_rows() const override { return window_ + draft_length_; }
  void attach(Ops& ops, const ModelWeights& target, std::span<const KvLayer> kv) override;
  std::unique_ptr<Drafter> make_drafter() override;

  int context_window() const { return window_; }
  int n_steps() const { return n_steps_; }

  /// `n` tokens behind the last context_window() of `tokens`, in at most `n_steps` passes.
  std::vector<int32_t> denoise(std::span<const int32_t> tokens, int n, int n_steps, Reveal reveal);
  /// One pass over `tokens` (kMaskToken where masked); then logits(i) are those of the i-th masked position.
  void run(std::span<const int32_t> tokens);
  std::span<float> logits(int masked) { return forward_->logits(masked); }

  Reveal reveal() const { return reveal_; }

 private:
  /// The best token for the i-th masked position, and its probability at temperature 1.
  std::pair<int32_t, double> guess(int masked, bool with_probability);

  DrafterFile file_;
  ModelSpec spec_;
  ModelWeights weights_;
  int window_, draft_length_, n_steps_, n_target_vocab_;
  int32_t mask_token_ = kMaskToken;
  Reveal reveal_ = Reveal::kConfidence;
  std::unique_ptr<PagePool> pool_;
  std::vector<int32_t> pages_;
  std::unique_ptr<Forward> forward_;
};

}  // namespace conclave
