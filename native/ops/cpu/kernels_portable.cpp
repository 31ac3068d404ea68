// The level that runs everywhere: plain loops over sixteen lanes, which compilers vectorise for the baseline (SSE2, NEON).
#include "ops/cpu/kernels.h"
#include "formats/quant_blocks.h"
#include "ops/cpu/kv_page.h"

#define CONCLAVE_LEVEL portable
#define CONCLAVE_LEVEL_NAME "portable"
#define CONCLAVE_MAX_TILE 2
#define CONCLAVE_FUSED 0
#include "ops/cpu/vec16.h"

#include "ops/cpu/panel_kernels.inl"
#include "ops/cpu/float_kernels.inl"
#include "ops/cpu/attend_kernels.inl"
#include "ops/cpu/attend_fixed_kernels.inl"
#include "ops/cpu/delta_kernels.inl"
#include "ops/cpu/kernels_table.inl"

const conclave::Kernels& conclave::kernels_portable() { return portable::kTable; }
