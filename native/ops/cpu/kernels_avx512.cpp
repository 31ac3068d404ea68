// AVX-512 with VNNI. Empty on other processors.
#include "ops/cpu/kernels.h"
#include "formats/quant_blocks.h"
#include "ops/cpu/kv_page.h"

#if defined(__AVX512VNNI__)
#define CONCLAVE_LEVEL avx512
#define CONCLAVE_LEVEL_NAME "avx512vnni"
#define CONCLAVE_MAX_TILE 8
#define CONCLAVE_FUSED 1
#include "ops/cpu/vec16.h"

#include "ops/cpu/panel_kernels.inl"
#include "ops/cpu/float_kernels.inl"
#include "ops/cpu/attend_kernels.inl"
#include "ops/cpu/attend_fixed_kernels.inl"
#include "ops/cpu/delta_kernels.inl"
#include "ops/cpu/kernels_table.inl"

const conclave::Kernels* conclave::kernels_avx512() { return &avx512::kTable; }
#else
const conclave::Kernels* conclave::kernels_avx512() { return nullptr; }
#endif
