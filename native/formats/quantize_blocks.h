// One block of 256 values of each K type; private to formats/ (see quantize.h).
#pragma once
#include "formats/quant_blocks.h"

namespace conclave {

void write_block(const float* x, BlockQ4_K& block);
void write_block(const float* x, BlockQ5_K& block);
void write_block(const float* x, BlockQ6_K& block);

}  // namespace conclave
