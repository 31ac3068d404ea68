// Part of `conclave bench`.
#pragma once
#include <vector>

#include "engine/engine.h"

namespace conclave {

/// Prints a table (or JSON) of how fast `batches` of sequences decode `n_decode` tokens each behind one prefix of each length.
void bench_shared(EngineOptions options, const std::vector<int32_t>& prefixes, const std::vector<int32_t>& batches, int n_decode, bool json);

}  // namespace conclave
