// Rows of floats to blocks, the way back from dequantize_row. Scales and minima are searched for, not read off the
// extremes: each candidate assignment of codes gets the scale (and offset) that fits it best by weighted least squares,
// and the candidate with the least error stays. Slow beside a kernel (tens of nanoseconds a value); it runs once a model.
#pragma once
#include <cstdint>

#include "formats/block_types.h"

namespace conclave {

/// Whether quantize_row can write the type: F32, F16, BF16, Q8_0, Q4_0, IQ4_NL, MXFP4, Q4_K, Q5_K, Q6_K.
bool is_quantizable(DType type);

/// Values that every writable type can hold: finite and no larger than this.
inline constexpr float kLargestQuantizable = 65504.f;

/// Writes `n` values (a multiple of the type's block) as row_bytes(type, n) bytes; `dst` need not be aligned. Every value
/// must be finite and within kLargestQuantizable (asserted by the callers' checks). Throws Error(kUnsupported) for other types.
void quantize_row(DType type, const float* src, void* dst, int64_t n);

}  // namespace conclave
