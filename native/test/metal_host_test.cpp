// The tests of the GPU's stand-in, in the words that a Mac's kernels have: every planted fault must be found there too.
#define CONCLAVE_METAL_ON_HOST
#include "gpu_host_test.cpp"   // NOLINT: the same tests in another dialect
