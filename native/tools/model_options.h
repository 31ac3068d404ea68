// The options that logits, generate and bench share, and what they mean to the engine.
#pragma once
#include <climits>

#include "engine/engine.h"
#include "tools/arguments.h"

namespace conclave {

/// `--exact` keeps the keys and values in F32 too: the path that is compared with reference outputs.
inline EngineOptions engine_options(const Arguments& arguments) {
  EngineOptions options;
  options.path = arguments.positional(0);
  options.n_threads = static_cast<int>(arguments.integer("--threads", 0, 512, 0));
  if (arguments.has("--exact")) {
    options.precision = Precision::kExact;
    options.kv_type = DType::kF32;
  }
  return options;
}

inline std::vector<int32_t> token_argument(const Arguments& arguments) {
  std::vector<int32_t> tokens = arguments.integers("--tokens", 0, INT_MAX);
  if (tokens.empty()) throw UsageError("the option --tokens is missing; it lists the prompt's token ids, as 1,2,3");
  return tokens;
}

}  // namespace conclave
