// What a DFlash file says, in one form, whichever of the three conventions of keys it follows (README.md).
#pragma once
#include "speculate/drafter_file.h"

namespace conclave {

struct DflashSpec {
  ModelSpec layers;          // windows and causality per layer; width, vocabulary and scales as the target's
  std::vector<int> taps;     // zero-based, ascending: the output of that target layer
  int block_size = 0;        // anchor and masks
  int32_t mask_token = -1;   // a row of the target's embedding; -1 (kMaskToken): the file has a vector for it
};

bool is_dflash_architecture(std::string_view name);

/// Throws Error: kBadFile, kUnsupported (a variant), kBadArgument (made for another model).
DflashSpec read_dflash_spec(const DrafterFile& file, const ModelSpec& target);

}  // namespace conclave
