// The metadata of a DFlash file under each of the three conventions; see dflash.h and README.md.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "speculate/dflash_spec.h"

namespace conclave {

namespace {

constexpr int kMaxTaps = 64, kMaxBlock = 64;

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::kBadFile, "the drafter's file: " + what); }
[[noreturn]] void misfit(const std::string& what) { throw Error(ErrorCode::kBadArgument, "the drafter was made for another model: " + what); }

bool one_based(const DrafterFile& file) { return file.architecture() == "dflash"; }

/// The keys lie under the architecture, and there under "dflash." but in the convention named just so.
std::string own_key(const DrafterFile& file, const char* name) { return one_based(file) ? name : "dflash." + std::string(name); }

/// Without a list: evenly spread, the middle for one (the paper's rule), of `n` as the fc's shape says.
std::vector<int> default_taps(int n, int n_target_layers) {
  if (n == 1) return {n_target_layers / 2};
  std::vector<int> taps;
  for (int i = 0; i < n; ++i) taps.push_back(static_cast<int>(std::lround(1 + double{1} * i * (n_target_layers - 4) / (n - 1))));
  return taps;
}

std::vector<int> read_taps(const DrafterFile& file, int n_fc, int n_target_layers) {
  const std::string key = one_based(file) ? "target_layers" : "dflash.target_layer_ids";
  std::vector<int> taps;
  if (!file.has(key)) {
    taps = default_taps(n_fc, n_target_layers);
  } else {
    for (const int64_t id : file.integers(key)) {
      const int64_t after = one_based(file) ? id - 1 : id;
      if (after < 0 || after >= n_target_layers) misfit("it reads layer " + std::to_string(after) + " (from zero) and this model has " + std::to_string(n_target_layers));
      taps.push_back(static_cast<int>(after));
    }
  }
  if (taps.empty() || taps.size() > kMaxTaps || !std::is_sorted(taps.begin(), taps.end()) || std::adjacent_find(taps.begin(), taps.end()) != taps.end()) {
    bad(file.quoted(key) + " must list 1 to " + std::to_string(kMaxTaps) + " layers in ascending order");
  }
  if (static_cast<int>(taps.size()) != n_fc) {
    bad("it names " + std::to_string(taps.size()) + " target layers and its 'fc' takes " + std::to_string(n_fc) + " times the width");
  }
  return taps;
}

/// Rules: full layers see the whole block; a sliding layer is causal unless the file says that nothing is.
void read_masks(const DrafterFile& file, DflashSpec& spec) {
  const bool says = file.has("attention.causal");
  const bool causal = says && gguf_bool_or(file.gguf(), file.key("attention.causal"), false);
  const int window = file.integer_or("attention.sliding_window", 0, 1 << 28, 0);
  std::vector<int64_t> sliding(spec.layers.layers.size(), window > 0 ? 1 : 0);
  if (window > 0 && file.has("attention.sliding_window_pattern")) sliding = file.integers("attention.sliding_window_pattern");
  if (sliding.size() != spec.layers.layers.size()) bad(file.quoted("attention.sliding_window_pattern") + " has " + std::to_string(sliding.size()) + " entries for " + std::to_string(spec.layers.layers.size()) + " layers");
  if (window > 0 && window < spec.block_size) bad("a window of " + std::to_string(window) + " is shorter than the block of " + std::to_string(spec.block_size));
  for (size_t i = 0; i < sliding.size(); ++i) {
    AttentionSpec& attention = spec.layers.layers[i].attention;
    if (sliding[i] != 0) attention.window = window;
    attention.causal = says ? causal : sliding[i] != 0;
  }
}

void refuse_variants(const DrafterFile& file) {
  for (const char* key : {"sample_from_anchor", "dflash.sample_from_anchor", "dflash.laguna"}) {
    if (gguf_bool_or(file.gguf(), file.key(key), false)) throw Error(ErrorCode::kUnsupported, file.quoted(key) + " belongs to a variant of block diffusion that is not supported yet");
  }
  for (const char* key : {"attention_value_scale", "output_multiplier", "input_embedding_scale", "dflash.attention_value_scale", "dflash.output_multiplier", "dflash.input_embedding_scale"}) {
    if (file.real_or(key, -1e6, 1e6, 1.0) != 1.f) throw Error(ErrorCode::kUnsupported, file.quoted(key) + " belongs to a variant of block diffusion that is not supported yet");
  }
  if (file.has_tensor("d2t") || file.has_tensor("d2t.weight")) throw Error(ErrorCode::kUnsupported, "a drafter with a vocabulary of its own ('d2t') is not supported yet");
}

}  // namespace

bool is_dflash_architecture(std::string_view name) { return name == "dflash" || name == "dflash-draft" || name == "qwen35-dflash-draft"; }

DflashSpec read_dflash_spec(const DrafterFile& file, const ModelSpec& target) {
  refuse_variants(file);
  DflashSpec spec;
  spec.layers = file.read_layers();
  if (spec.layers.d_model != target.d_model) misfit("its width is " + std::to_string(spec.layers.d_model) + " and this model's " + std::to_string(target.d_model));
  // Embedding and head are the target's, with all that is done around them there.
  spec.layers.n_vocab = target.n_vocab;
  spec.layers.embedding_scale = target.embedding_scale;
  spec.layers.logit_scale = target.logit_scale;
  spec.layers.logit_softcap = target.logit_softcap;
  spec.block_size = file.integer(own_key(file, "block_size"), 2, kMaxBlock);

  const GgufTensor* fc = nullptr;
  for (const char* name : {"fc.weight", "dflash_fc.weight", "dflash.fc.weight"}) fc = fc != nullptr ? fc : file.gguf().find_tensor(name);
  if (fc == nullptr) bad("the tensor 'fc.weight' is missing");
  if (fc->dims[0] < target.d_model || fc->dims[0] % target.d_model != 0) {
    bad("'fc' takes " + std::to_string(fc->dims[0]) + " values, which is no multiple of the width " + std::to_string(target.d_model));
  }
  spec.taps = read_taps(file, static_cast<int>(fc->dims[0] / target.d_model), target.n_layers);
  read_masks(file, spec);
  if (!file.has_tensor("mask_embd.weight")) {
    const std::string key = one_based(file) ? "tokenizer.ggml.mask_token_id" : file.key("dflash.mask_token_id");
    const int64_t mask = gguf_int(file.gguf(), key);
    if (mask < 0 || mask >= target.n_vocab) misfit("its mask token is " + std::to_string(mask) + " and this model has " + std::to_string(target.n_vocab) + " tokens");
    spec.mask_token = static_cast<int32_t>(mask);
  }
  return spec;
}

}  // namespace conclave
