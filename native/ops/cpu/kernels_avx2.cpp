// AVX2 with FMA and F16C (x86-64-v3). Empty on other processors.
#include "ops/cpu/kernels.h"
#include "formats/quant_blocks.h"
#include "ops/cpu/kv_page.h"

#if defined(__AVX2__)
#define CONCLAVE_LEVEL avx2
#define CONCLAVE_LEVEL_NAME "avx2"
#define CONCLAVE_MAX_TILE 2
#define CONCLAVE_FUSED 0
#include "ops/cpu/vec16.h"

#include "ops/cpu/panel_kernels.inl"
#include "ops/cpu/float_kernels.inl"
#include "ops/cpu/attend_kernels.inl"
#include "ops/cpu/attend_fixed_kernels.inl"
#include "ops/cpu/delta_kernels.inl"
#include "ops/cpu/kernels_table.inl"

const conclave::Kernels* conclave::kernels_avx2() { return &avx2::kTable; }
#else
const conclave::Kernels* conclave::kernels_avx2() { return nullptr; }
#endif
