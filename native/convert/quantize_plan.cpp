// See quantize_plan.h.
#include "convert/quantize_plan.h"

#include <algorithm>

#include "base/error.h"
#include "formats/quantize.h"

namespace conclave {
namespace {

/// What the tensors around the experts get with each type, and GGUF's number for such a file.
struct Mix {
  DType type;
  DType output;      // output.weight
  DType embedding;   // token_embd.weight
  DType narrow;      // rows that are no whole number of 256-value blocks, but of 32
  int64_t file_type;
};

constexpr Mix kMixes[] = {
    {DType::kF32, DType::kF32, DType::kF32, DType::kF32, 0},
    {DType::kF16, DType::kF16, DType::kF16, DType::kF16, 1},
    {DType::kBF16, DType::kBF16, DType::kBF16, DType::kBF16, 32},
    {DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, DType::kQ8_0, 7},
    {DType::kQ6_K, DType::kQ6_K, DType::kQ6_K, DType::kQ8_0, 18},
    {DType::kQ5_K, DType::kQ6_K, DType::kQ5_K, DType::kQ8_0, 17},
    {DType::kQ4_K, DType::kQ6_K, DType::kQ4_K, DType::kIQ4_NL, 15},
    {DType::kIQ4_NL, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_NL, 25},
    {DType::kQ4_0, DType::kQ6_K, DType::kQ4_0, DType::kQ4_0, 2},
    {DType::kMXFP4, DType::kQ8_0, DType::kQ8_0, DType::kMXFP4, 38},
};

const Mix& mix_of(DType type) {
  const auto* row = std::find_if(std::begin(kMixes), std::end(kMixes), [type](const Mix& mix) { return mix.type == type; });
  if (row == std::end(kMixes)) throw Error(ErrorCode::kUnsupported, std::string("models cannot be written as ") + (dtype_traits(type) != nullptr ? dtype_traits(type)->name : "an unknown type"));
  return *row;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

/// What the ops read in place as floats (norms, biases, scales, tables), the routers and the short convolutions.
bool stays_f32(const SourceTensor& tensor) {
  return tensor.dims.size() == 1 || !tensor.name.ends_with(".weight") || contains(tensor.name, "_norm.") || contains(tensor.name, "ffn_gate_inp") || contains(tensor.name, "ssm_conv1d");
}

DType fitting(DType type, int64_t width) {
  const DType candidates[] = {type, mix_of(type).narrow};
  for (const DType candidate : candidates) {
    if (width % dtype_traits(candidate)->block_elements == 0) return candidate;
  }
  return DType::kF16;
}

}  // namespace

DType stored_type(const SourceTensor& tensor, const QuantizeRequest& request) {
  const Mix& mix = mix_of(request.type);
  if (stays_f32(tensor)) return DType::kF32;
  if (request.experts_only && !contains(tensor.name, "_exps.")) return tensor.type;
  const DType wanted = tensor.name == "output.weight" ? mix.output : tensor.name == "token_embd.weight" ? mix.embedding : mix.type;
  return fitting(wanted, tensor.dims.at(0));
}

int64_t file_type_number(const QuantizeRequest& request) { return mix_of(request.type).file_type; }

}  // namespace conclave
