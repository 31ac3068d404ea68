// tokenizer.json (and tokenizer_config.json) as GGUF's tokenizer keys: byte-level BPE, and SentencePiece-like BPE with
// byte fallback as in Mixtral's. Other kinds are refused with a sentence that says which.
#pragma once
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "formats/gguf.h"

namespace conclave {

struct HfTextFiles {
  Json tokenizer;          // tokenizer.json
  Json tokenizer_config;   // tokenizer_config.json; null if there is none
  Json config;             // config.json
  std::string chat_template;   // of a file of its own; empty if there is none
};

/// Exactly `n_vocab` tokens: ids that the tokenizer leaves out are marked unused. Throws Error (kBadFile, kUnsupported).
std::vector<GgufEntry> tokenizer_entries(const HfTextFiles& files, int64_t n_vocab);

}  // namespace conclave
