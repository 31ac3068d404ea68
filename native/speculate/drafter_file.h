// A drafter's GGUF file: its numbers with their ranges, its tensors with their shapes, under whichever of several names the
// converters gave them. The layers of all drafters are alike (Qwen3: RMSNorm, per-head q and k norms, RoPE by halves, SwiGLU), so
// their spec and weights are read here once. Throws Error(kBadFile, kUnsupported) with the file's words and ours.
#pragma once
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "model/spec.h"
#include "weights/weights.h"

namespace conclave {

class DrafterFile {
 public:
  explicit DrafterFile(const std::string& path);

  const GgufFile& gguf() const { return *file_; }
  const std::string& architecture() const { return architecture_; }

  // Keys are given without the architecture's prefix.
  std::string key(std::string_view name) const { return std::string(architecture_).append(".").append(name); }
  std::string quoted(std::string_view name) const { return std::string("'").append(key(name)).append("'"); }
  bool has(std::string_view name) const { return file_->find(key(name)) != nullptr; }
  int integer(std::string_view name, int64_t low, int64_t high) const;
  int integer_or(std::string_view name, int64_t low, int64_t high, int64_t fallback) const { return has(name) ? integer(name, low, high) : static_cast<int>(fallback); }
  float real_or(std::string_view name, double low, double high, double fallback) const;
  std::vector<int64_t> integers(std::string_view name) const;

  /// The first of `names` that the file has.
  bool has_tensor(std::string_view name) const { return file_->find_tensor(name) != nullptr; }
  Weight matrix(std::initializer_list<std::string> names, int64_t d_in, int64_t d_out);
  Weight vector(std::initializer_list<std::string> names, int64_t d);
  /// Everything must have been asked for but `spared`: a part that is skipped silently would make another model of it.
  void check_all_used(std::initializer_list<std::string_view> spared) const;

  /// Sizes and layers, all dense and as above; `n_vocab`, scales of embedding and head are left for the caller.
  ModelSpec read_layers() const;
  void bind_layers(const ModelSpec& spec, ModelWeights& weights);

 private:
  const GgufTensor& find(std::initializer_list<std::string> names, int64_t d_in, int64_t d_out);

  std::unique_ptr<GgufFile> file_;
  std::string architecture_;
  std::set<std::string_view> used_;
};

/// Hands every weight of `weights` that is present to `prepare` (Ops::prepare, or counting bytes).
template <typename Visit>
void for_each_drafter_weight(ModelWeights& weights, Visit visit) {
  if (weights.mask_embd) visit(weights.mask_embd);
  if (weights.output_norm) visit(weights.output_norm);
  for (LayerWeights& layer : weights.layers) {
    for (Weight* weight : {&layer.attn_norm, &layer.wq, &layer.wk, &layer.wv, &layer.wo, &layer.q_norm, &layer.k_norm, &layer.ffn_norm, &layer.gate, &layer.up, &layer.down}) visit(*weight);
  }
}

}  // namespace conclave
