// The families whose Hugging Face folders can be converted, as rows of data: how config.json's keys and the tensors'
// names become GGUF's. A new family is a row, the keys that no row has yet, and the names that no rule has yet.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "convert/source.h"

namespace conclave {

/// One key of config.json and what it becomes; `{arch}.` is put before `gguf`.
struct HfKey {
  const char* config;
  const char* gguf;
  enum class Kind { kU32, kF32, kBool } kind;
  bool required = false;
  const char* other = nullptr;   // another name for it in config.json, taken when the first is absent
};

enum class HfLayout {
  kPlain,          // as it is
  kHeads,          // rows of q or k, or their biases: halves become pairs where the family asks for it
  kVector,         // a matrix of one row becomes a vector
  kExpert,         // one tensor per expert ("*" in the name) becomes a part of one
  kGateUp,         // [experts][2 ff][d]: the first half is the gate, the second goes to `second`
  kSkipped,        // read together with another
  // From here on layouts whose values are gathered one by one: hf_layouts.cpp.
  kPlusOne,        // a norm stored less one
  kUnfold,         // [heads (nope + v)][latent]: keys transposed per head, values to `second`
  kQkvz,           // per key head q, k, its v's and its z's: all q, all k, all v, and z to `second`
  kQkv,            // all q, all k, all v
  kValueRows,      // a row per dimension of the value heads
  kValueColumns,   // a column per dimension of the value heads
  kScalarRows,     // a row per value head
  kScalars,        // a number per value head
  kDecay,          // the same; -exp of it
  kConvolution,    // [q, k and v][1][width]
  kTurnedGateUp,   // [experts][d][2 ff], gate and up taking turns
  kTurned,         // [experts][in][out]
  kTurnedBias,     // [experts][2 ff], gate and up taking turns
  kMxGateUp,       // MXFP4 blocks [experts][2 ff][d / 32][16] with `_scales` beside them, gate and up taking turns
  kMx,             // MXFP4 blocks [experts][out][in / 32][16]
};

/// `source` without "model.layers.N." where `in_layer`; `target` gets "blk.N." and ".weight" is spelt out.
struct HfTensor {
  const char* source;
  const char* target;
  HfLayout layout = HfLayout::kPlain;
  bool in_layer = true;
  const char* second = nullptr;
};

struct HfFamily {
  const char* model_type;       // config.json's
  const char* architecture;     // GGUF's
  bool pairs_rows;              // GGUF keeps the rows of q and k as adjacent pairs
  std::span<const HfKey> keys;  // beyond the common ones, or in their place
  std::span<const HfTensor> tensors = {};   // names that mean something else than in the common table
  void (*derive)(const Json& config, const std::string& prefix, SourceModel& out) = nullptr;   // what takes more than one key; goes before all keys
  bool cycling_heads = false;   // GGUF's value heads cycle through the key heads; the folder groups them
};

std::span<const HfFamily> hf_families();
std::span<const HfKey> hf_common_keys();
const HfTensor* find_hf_tensor(const HfFamily& family, std::string_view source, bool in_layer);   // nullptr if unknown

}  // namespace conclave
