// A model on its way to another file: metadata as it will be written, and float tensors that are read row by row, whether
// they come from a GGUF file or from a Hugging Face folder. Owns the mappings; holds no tensor's floats.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace conclave {

/// Consecutive rows as they lie in the source.
struct SourceRows {
  const std::byte* data;
  int64_t n_rows;
};

struct SourceTensor {
  std::string name;                 // GGUF's name
  DType type;                       // F32, F16 or BF16; holds every value of the source
  std::vector<int64_t> dims;        // GGUF order: dims[0] is contiguous
  std::vector<SourceRows> parts;    // one after another: an expert each, or the whole
  int64_t pair_rows = 0;            // rows of a head (values, of a vector) whose halves become adjacent pairs; 0: the order stays
  std::function<void(int64_t row, float* out)> make_row = nullptr;   // in place of `parts`: rows put together or computed; called by several threads

  int64_t n_rows() const;
  size_t source_bytes() const;
  /// Rows [first, first + n) as floats, [n][dims[0]].
  void read_rows(int64_t first, int64_t n, float* out) const;
};

struct SourceModel {
  std::vector<GgufEntry> metadata;
  std::vector<SourceTensor> tensors;

  std::unique_ptr<GgufFile> gguf;               // one of the two owns what `tensors` point into
  std::unique_ptr<Safetensors> safetensors;
};

/// A GGUF file of F32, F16 and BF16 tensors, or a folder with config.json, safetensors and tokenizer.json.
/// Throws Error (kIo, kBadFile, kUnsupported).
SourceModel open_source(const std::string& path);

/// The folder's half of it; hf_model.cpp.
SourceModel open_hugging_face(const std::string& folder);

/// Shorthands for entries.
GgufEntry u32_entry(std::string key, int64_t value);
GgufEntry f32_entry(std::string key, double value);
GgufEntry bool_entry(std::string key, bool value);
GgufEntry string_entry(std::string key, std::string value);
GgufEntry array_entry(std::string key, GgufArray items);

}  // namespace conclave
