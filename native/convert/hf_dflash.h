// Block-diffusion drafters (DFlash, arXiv 2602.06036) as their authors publish them: config.json with a `dflash_config`, and the
// tensors of a few Qwen3 layers, fc and two norms. They become GGUF files of the architecture `dflash`.
#pragma once
#include <string>

#include "base/json_reader.h"
#include "convert/source.h"

namespace conclave {

bool is_hf_dflash(const Json& config);
/// Throws Error (kBadFile, kUnsupported). Embedding, head and tokenizer are the target's and are left out.
SourceModel open_hf_dflash(const std::string& folder, const Json& config, const std::string& name);

}  // namespace conclave
