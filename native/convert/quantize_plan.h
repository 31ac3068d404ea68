// Which number format each tensor of a converted model gets: a pure function of names, shapes and what was asked for.
#pragma once
#include "convert/source.h"

namespace conclave {

struct QuantizeRequest {
  DType type;                  // is_quantizable
  bool experts_only = false;   // the other matrices keep the source's 16- or 32-bit floats
};

/// Norms, biases and routers stay F32: they are small and decide much. The output matrix, and token embeddings beside
/// 4-bit experts, get more bits; rows that 256-value blocks do not divide get 32-value ones, or F16.
DType stored_type(const SourceTensor& tensor, const QuantizeRequest& request);

/// GGUF's general.file_type for a request.
int64_t file_type_number(const QuantizeRequest& request);

}  // namespace conclave
