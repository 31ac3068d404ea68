# Each SIMD level is one file compiled for its own instruction set; the rest of the engine stays at the baseline.
# (-Wno-*uninitialized: g++ 12 warns about its own intrinsics, GCC bug 105593.)
set(conclave_kernel_options -O3)
if(CONCLAVE_SANITIZE)   # at -O3 with checks in every lane g++ needs more than ten minutes and a gigabyte for such a file
  set(conclave_kernel_options -O1)
endif()
if(MSVC)
  set_source_files_properties(ops/cpu/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "/arch:AVX2")
  set_source_files_properties(ops/cpu/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS "/arch:AVX512")
else()
  set_source_files_properties(ops/cpu/kernels_portable.cpp PROPERTIES COMPILE_OPTIONS ${conclave_kernel_options})
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    set_source_files_properties(ops/cpu/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;${conclave_kernel_options}")
    set_source_files_properties(ops/cpu/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS
      "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mprefer-vector-width=512;${conclave_kernel_options};-Wno-uninitialized;-Wno-maybe-uninitialized")
  endif()
endif()
