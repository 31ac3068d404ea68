// The ops on a graphics card of NVIDIA's.
#pragma once
#include <memory>
#include <string>

#include "ops/ops.h"

namespace conclave {

/// nullptr, and in `why` one sentence, where there is no driver, library or usable card.
std::unique_ptr<Ops> make_cuda_ops(std::string& why);

}  // namespace conclave
