// The families whose Hugging Face folders can be converted, as rows of data: how config.json's keys and the tensors'
// names become GGUF's. A new family is a row, the keys that no row has yet, and the names that no rule has yet.
#pragma once
#include <span>
#include <string_view>

namespace conclave {

/// One key of config.json and what it becomes; `{arch}.` is put before `gguf`.
struct HfKey {
  const char* config;
  const char* gguf;
  enum class Kind { kU32, kF32, kBool } kind;
  bool required = false;
  const char* other = nullptr;   // another name for it in config.json, taken when the first is absent
};

struct HfFamily {
  const char* model_type;       // config.json's
  const char* architecture;     // GGUF's
  bool pairs_rows;              // GGUF keeps the rows of q and k as adjacent pairs
  std::span<const HfKey> keys;  // beyond the common ones
};

enum class HfLayout {
  kPlain,          // as it is
  kHeads,          // rows of q or k, or their biases: halves become pairs where the family asks for it
  kVector,         // a matrix of one row becomes a vector
  kExpert,         // one tensor per expert ("*" in the name) becomes a part of one
  kGateUp,         // [experts][2 ff][d]: the first half is the gate, the second goes to `second`
};

/// `source` without "model.layers.N." where `in_layer`; `target` gets "blk.N." and ".weight" is spelt out.
struct HfTensor {
  const char* source;
  const char* target;
  HfLayout layout = HfLayout::kPlain;
  bool in_layer = true;
  const char* second = nullptr;
};

std::span<const HfFamily> hf_families();
std::span<const HfKey> hf_common_keys();
const HfTensor* find_hf_tensor(std::string_view source, bool in_layer);   // nullptr if unknown

}  // namespace conclave
