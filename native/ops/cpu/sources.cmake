# Each SIMD level is one file compiled for its own instruction set; the rest of the engine stays at the baseline.
# (-Wno-*uninitialized: g++ 12 warns about its own intrinsics, GCC bug 105593.)
if(NOT MSVC AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
  set_source_files_properties(ops/cpu/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;-O3")
  set_source_files_properties(ops/cpu/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS
    "-mavx2;-mfma;-mf16c;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mprefer-vector-width=512;-O3;-Wno-uninitialized;-Wno-maybe-uninitialized")
elseif(MSVC)
  set_source_files_properties(ops/cpu/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "/arch:AVX2")
  set_source_files_properties(ops/cpu/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS "/arch:AVX512")
endif()
if(CONCLAVE_SANITIZE)   # at -O3 with checks in every lane g++ needs more than ten minutes and a gigabyte for this file
  set_source_files_properties(ops/cpu/kernels_portable.cpp PROPERTIES COMPILE_OPTIONS "-O1")
else()
  set_source_files_properties(ops/cpu/kernels_portable.cpp PROPERTIES COMPILE_OPTIONS "$<$<NOT:$<CXX_COMPILER_ID:MSVC>>:-O3>")
endif()
