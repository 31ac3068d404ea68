// The attention of each layer, from the metadata and the family's row. Used by spec_from_gguf.cpp.
#pragma once
#include <vector>

#include "model/families.h"
#include "model/keys.h"

namespace conclave {

std::vector<AttentionSpec> read_attentions(const Keys& keys, const Family& family, const ModelSpec& spec);

}  // namespace conclave
