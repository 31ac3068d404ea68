// The ops on the graphics processor of a Mac.
#pragma once
#include <memory>
#include <string>

#include "ops/ops.h"

namespace conclave {

/// nullptr, and in `why` one sentence, where there is no macOS or no graphics processor with Metal 3.
std::unique_ptr<Ops> make_metal_ops(std::string& why);

}  // namespace conclave
