// Tensors whose values lie in another order in the folder than in GGUF: turned, interleaved, grouped by head, or packed.
#pragma once
#include "convert/hf_families.h"
#include "formats/safetensors.h"

namespace conclave {

/// What `tensor` becomes by a rule whose layout gathers values: one tensor or two, named block + target, and block + second.
/// The tensor's values are F32, F16 or BF16, or U8 with their scales in `all`. Throws Error (kBadFile) if the shape is not what config.json says.
std::vector<SourceTensor> gather_layout(const SafeTensor& tensor, const HfTensor& rule, const std::string& block, const Json& config, bool cycling_heads, const Safetensors& all);

}  // namespace conclave
