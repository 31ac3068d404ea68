// Part of `conclave bench`.
#pragma once
#include <vector>

#include "engine/engine.h"

namespace conclave {

/// Prints a table (or JSON) of what passes of these row counts (1 to 64 each) cost; the first is what the others are compared with.
void bench_rows(EngineOptions options, const std::vector<int32_t>& rows, int n_prompt, int n_repeats, bool random_rows, bool json);

}  // namespace conclave
