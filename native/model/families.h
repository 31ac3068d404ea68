// The model families as rows of data. A row says only what the file's metadata does not; sizes and options that have a
// metadata key are read from the file for every family alike (spec_from_gguf.cpp). Adding a family is one row plus golden
// vectors; a difference that no column expresses gets a new column whose default leaves the other rows as they are.
#pragma once
#include <span>
#include <string_view>

#include "model/spec.h"

namespace conclave {

enum class ExpertUse { kNever, kOptional, kRequired };
/// Which layers see a window only: none; every second one from the first; those that the file's pattern names.
enum class Windows { kNone, kEven, kFromFile };

struct Family {
  const char* architecture;      // GGUF's general.architecture
  const char* title;             // for people
  ExpertUse experts;
  RopeStyle rope;
  QkNorm qk_norm = QkNorm::kNone;
  bool renormalise = false;      // router weights, unless the file says otherwise
  bool shared_gate = false;      // a shared expert is gated by a sigmoid
  RouterScore score = RouterScore::kSoftmax;
  RouterOrder order = RouterOrder::kBeforeTopK;
  Activation activation = Activation::kSilu;
  NormKind norm = NormKind::kRms;
  AttentionKind attention = AttentionKind::kGqa;   // kLinear: but for every n-th layer, which is GQA
  Windows windows = Windows::kNone;
  const char* ffn_norm_tensor = "ffn_norm";
  bool sinks = false;
  bool output_gate = false;      // GQA layers' queries come with a gate for the attention's output
  bool cycling_heads = false;    // linear layers: value heads cycle through the key heads
  bool whole_yarn_ramp = true;
  float jitter = 0.f;
  bool gemma = false;            // embeddings times sqrt(width), norms after blocks, unit attention scale, normed values, experts beside a dense network
};

std::span<const Family> families();
const Family* find_family(std::string_view architecture);   // nullptr if unknown
/// The family whose architecture name needs the fewest edits (Levenshtein distance).
const Family& nearest_family(std::string_view architecture);

}  // namespace conclave
