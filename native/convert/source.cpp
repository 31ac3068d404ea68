// See source.h: the GGUF side, and reading rows.
#include "convert/source.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/printable.h"

namespace conclave {
namespace {

bool is_float(DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; }

/// What the writer states itself, and what was true of the source's files only.
bool is_rewritten(std::string_view key) { return key == "general.file_type" || key == "general.quantization_version" || key == "general.alignment" || key.starts_with("split."); }

SourceModel open_gguf(const std::string& path) {
  SourceModel model;
  model.gguf = GgufFile::open(path);
  for (const GgufEntry& entry : model.gguf->metadata()) {
    if (!is_rewritten(entry.key)) model.metadata.push_back(entry);
  }
  for (const GgufTensor& tensor : model.gguf->tensors()) {
    if (!is_float(tensor.type)) {
      throw Error(ErrorCode::kUnsupported, "tensor '" + printable(tensor.name) + "' is stored as " + dtype_traits(tensor.type)->name +
                                               " already; take the F16, BF16 or F32 file of this model, because quantising twice loses twice");
    }
    SourceTensor out{.name = tensor.name, .type = tensor.type, .dims = {tensor.dims, tensor.dims + tensor.n_dims}, .parts = {}};
    out.parts.push_back({tensor.data, out.n_rows()});
    model.tensors.push_back(std::move(out));
  }
  return model;
}

/// Where row `row` of the result lies in the source: heads of `pair_rows` rows hold first the first halves of all pairs,
/// then the second ones; the result holds pair after pair.
int64_t paired_row(int64_t row, int64_t pair_rows) {
  const int64_t head = row / pair_rows, within = row % pair_rows;
  return head * pair_rows + within / 2 + within % 2 * (pair_rows / 2);
}

}  // namespace

int64_t SourceTensor::n_rows() const {
  int64_t rows = 1;
  for (size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
  return rows;
}

size_t SourceTensor::source_bytes() const { return static_cast<size_t>(n_rows()) * row_bytes(type, dims.at(0)); }

void SourceTensor::read_rows(int64_t first, int64_t n, float* out) const {
  const int64_t width = dims.at(0);
  if (make_row) {
    for (int64_t row = first; row < first + n; ++row, out += width) make_row(row, out);
    return;
  }
  if (pair_rows > 0 && dims.size() == 1) {
    std::vector<float> values(static_cast<size_t>(width));
    dequantize_row(type, parts[0].data, values.data(), width);
    for (int64_t i = 0; i < width; ++i) out[i] = values[static_cast<size_t>(paired_row(i, pair_rows))];
    return;
  }
  const size_t stride = row_bytes(type, width);
  size_t part = 0;
  int64_t part_begin = 0;
  for (int64_t row = first; row < first + n; ++row, out += width) {
    const int64_t wanted = pair_rows > 0 ? paired_row(row, pair_rows) : row;
    if (wanted < part_begin) part = 0, part_begin = 0;
    while (wanted >= part_begin + parts[part].n_rows) part_begin += parts[part++].n_rows;
    dequantize_row(type, parts[part].data + static_cast<size_t>(wanted - part_begin) * stride, out, width);
  }
}

SourceModel open_source(const std::string& path) {
  std::error_code ignored;   // "no" is the answer either way; opening it as a file then says why
  const bool is_folder = std::filesystem::is_directory(std::filesystem::path(std::u8string(path.begin(), path.end())), ignored);
  return is_folder ? open_hugging_face(path) : open_gguf(path);
}

GgufEntry u32_entry(std::string key, int64_t value) { return {std::move(key), GgufType::kU32, value}; }
GgufEntry f32_entry(std::string key, double value) { return {std::move(key), GgufType::kF32, value}; }
GgufEntry bool_entry(std::string key, bool value) { return {std::move(key), GgufType::kBool, value}; }
GgufEntry string_entry(std::string key, std::string value) { return {std::move(key), GgufType::kString, std::move(value)}; }
GgufEntry array_entry(std::string key, GgufArray items) { return {std::move(key), GgufType::kArray, std::move(items)}; }

}  // namespace conclave
