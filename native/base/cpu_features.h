// What the processor offers and how many cores we may use. Read once; immutable afterwards.
#pragma once

namespace conclave {

struct CpuFeatures {
  bool avx2 = false, fma = false, f16c = false;
  bool avx512f = false, avx512bw = false, avx512vl = false, avx512dq = false;
  bool avx512_vnni = false, avx512_bf16 = false, avx_vnni = false;
  bool neon = false, neon_dotprod = false;

  bool has_avx2_kernels() const { return avx2 && fma && f16c; }
  bool has_avx512_kernels() const { return has_avx2_kernels() && avx512f && avx512bw && avx512vl && avx512dq; }
};

/// The machine's features that the operating system also saves, lowered by CONCLAVE_CPU. Throws Error(kBadArgument) for an unknown value of it.
const CpuFeatures& cpu_features();

/// Physical cores among the CPUs this process may run on (affinity mask and, on Linux, cgroup quota); at least 1.
int physical_cores();

}  // namespace conclave
