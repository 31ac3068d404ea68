// See families.h. Facts: the published configurations and reference implementations of each family (Hugging Face
// transformers), and the GGUF converters for the order of q and k rows (llama's are permuted to adjacent pairs).
#include "model/families.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace conclave {
namespace {

constexpr Family kFamilies[] = {
    {.architecture = "deepseek2", .title = "DeepSeek-V2, V3, R1", .experts = ExpertUse::kOptional, .rope = RopeStyle::kPairs, .attention = AttentionKind::kMla},
    {.architecture = "gemma4", .title = "Gemma 4", .experts = ExpertUse::kOptional, .rope = RopeStyle::kHalves, .qk_norm = QkNorm::kPerHead, .renormalise = true, .activation = Activation::kGeluTanh, .windows = Windows::kFromFile, .gemma = true},
    {.architecture = "gpt-oss", .title = "gpt-oss", .experts = ExpertUse::kRequired, .rope = RopeStyle::kHalves, .order = RouterOrder::kAfterTopK, .activation = Activation::kClampedSwiglu, .windows = Windows::kEven, .ffn_norm_tensor = "post_attention_norm", .sinks = true, .whole_yarn_ramp = false},
    {.architecture = "granitemoe", .title = "Granite MoE", .experts = ExpertUse::kRequired, .rope = RopeStyle::kPairs, .order = RouterOrder::kAfterTopK},
    {.architecture = "llama", .title = "Llama, Mistral, Mixtral", .experts = ExpertUse::kOptional, .rope = RopeStyle::kPairs, .renormalise = true},
    {.architecture = "olmoe", .title = "OLMoE", .experts = ExpertUse::kRequired, .rope = RopeStyle::kHalves, .qk_norm = QkNorm::kWholeProjection},
    {.architecture = "phimoe", .title = "Phi-3.5-MoE", .experts = ExpertUse::kRequired, .rope = RopeStyle::kHalves, .order = RouterOrder::kSparseMixer, .norm = NormKind::kLayer, .jitter = 0.01f},
    {.architecture = "qwen2", .title = "Qwen2, Qwen2.5", .experts = ExpertUse::kNever, .rope = RopeStyle::kHalves},
    {.architecture = "qwen2moe", .title = "Qwen1.5-MoE, Qwen2-MoE", .experts = ExpertUse::kRequired, .rope = RopeStyle::kHalves, .shared_gate = true},
    {.architecture = "qwen3", .title = "Qwen3", .experts = ExpertUse::kNever, .rope = RopeStyle::kHalves, .qk_norm = QkNorm::kPerHead},
    {.architecture = "qwen35moe", .title = "Qwen3.5-MoE", .experts = ExpertUse::kRequired, .rope = RopeStyle::kHalves, .qk_norm = QkNorm::kPerHead, .renormalise = true, .shared_gate = true, .attention = AttentionKind::kLinear, .ffn_norm_tensor = "post_attention_norm", .output_gate = true, .cycling_heads = true},
    {.architecture = "qwen3moe", .title = "Qwen3-MoE", .experts = ExpertUse::kRequired, .rope = RopeStyle::kHalves, .qk_norm = QkNorm::kPerHead, .renormalise = true},
    {.architecture = "qwen3next", .title = "Qwen3-Next", .experts = ExpertUse::kRequired, .rope = RopeStyle::kHalves, .qk_norm = QkNorm::kPerHead, .renormalise = true, .shared_gate = true, .attention = AttentionKind::kLinear, .ffn_norm_tensor = "post_attention_norm", .output_gate = true},
};

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::span<const Family> families() { return kFamilies; }

const Family* find_family(std::string_view architecture) {
  for (const Family& family : kFamilies) {
    if (architecture == family.architecture) return &family;
  }
  return nullptr;
}

const Family& nearest_family(std::string_view architecture) {
  const std::string_view name = architecture.substr(0, 64);   // the name is a stranger's: bound the work
  return *std::min_element(std::begin(kFamilies), std::end(kFamilies), [name](const Family& a, const Family& b) {
    return edit_distance(name, a.architecture) < edit_distance(name, b.architecture);
  });
}

}  // namespace conclave
