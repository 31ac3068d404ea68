// `conclave inspect`: what a model file holds and what the engine makes of it. A file that is sound but of a family or
// type that the engine lacks is still shown, with the reason; a damaged one is an error.
#include <cinttypes>
#include <cstdio>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/json_writer.h"
#include "formats/gguf.h"
#include "model/spec.h"
#include "tools/arguments.h"
#include "tools/commands.h"
#include "weights/weights.h"

namespace conclave {
namespace {

constexpr size_t kShownElements = 8;
constexpr size_t kShownText = 200;

struct Understanding {
  std::optional<ModelSpec> spec;
  size_t active_bytes = 0;
  std::string obstacle;   // why the engine cannot run it; empty when it can
};

Understanding understand(const GgufFile& file) {
  Understanding result;
  try {
    result.spec = spec_from_gguf(file);
    if (file.tensors().empty()) {
      result.obstacle = "the file holds no tensors (a vocabulary only)";
    } else {
      result.active_bytes = active_bytes_per_token(*result.spec, bind_weights(file, *result.spec));
    }
  } catch (const Error& error) {
    const bool vocabulary_only = file.tensors().empty() && error.code() == ErrorCode::kBadFile;
    if (error.code() != ErrorCode::kUnsupported && !vocabulary_only) throw;
    result.obstacle = error.what();
  }
  return result;
}

struct TypeTotal { uint64_t n_tensors = 0, bytes = 0; int64_t n_values = 0; };

std::map<std::string, TypeTotal> totals_by_type(const GgufFile& file) {
  std::map<std::string, TypeTotal> totals;
  for (const GgufTensor& tensor : file.tensors()) {
    TypeTotal& total = totals[dtype_traits(tensor.type)->name];
    ++total.n_tensors;
    total.bytes += tensor.bytes;
    total.n_values += tensor.dims[0] * tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
  }
  return totals;
}

void write_array(JsonWriter& json, const GgufArray& array) {
  std::visit([&](const auto& values) {
    json.begin_object().field("length", values.size()).key("first").begin_array();
    for (size_t i = 0; i < values.size() && i < kShownElements; ++i) {
      if constexpr (std::is_same_v<std::decay_t<decltype(values)>, std::vector<std::string>>) json.value(std::string_view(values[i]).substr(0, kShownText));
      else if constexpr (std::is_same_v<std::decay_t<decltype(values)>, std::vector<bool>>) json.value(static_cast<bool>(values[i]));
      else json.value(values[i]);
    }
    json.end_array().end_object();
  }, array);
}

void write_value(JsonWriter& json, const GgufValue& value) {
  std::visit([&](const auto& held) {
    if constexpr (std::is_same_v<std::decay_t<decltype(held)>, GgufArray>) write_array(json, held);
    else json.value(held);
  }, value);
}

void print_json(const std::string& path, const GgufFile& file, const Understanding& understanding) {
  JsonWriter json;
  json.begin_object().field("path", path).field("file_bytes", file.file_bytes());
  json.key("metadata").begin_object();
  for (const GgufEntry& entry : file.metadata()) {
    json.key(entry.key);
    write_value(json, entry.value);
  }
  json.end_object().key("tensors").begin_array();
  for (const GgufTensor& tensor : file.tensors()) {
    json.begin_object().field("name", tensor.name).field("type", dtype_traits(tensor.type)->name).key("dims").begin_array();
    for (int i = 0; i < tensor.n_dims; ++i) json.value(tensor.dims[i]);
    json.end_array().field("bytes", tensor.bytes).end_object();
  }
  json.end_array().key("totals").begin_object();
  for (const auto& [type, total] : totals_by_type(file)) {
    json.key(type).begin_object().field("tensors", total.n_tensors).field("values", total.n_values).field("bytes", total.bytes).end_object();
  }
  json.end_object().key("spec");
  if (understanding.spec) json.raw(spec_to_json(*understanding.spec));
  else json.null();
  json.field("active_bytes_per_token", understanding.active_bytes).key("obstacle");
  if (understanding.obstacle.empty()) json.null();
  else json.value(understanding.obstacle);
  std::puts(json.end_object().text().c_str());
}

/// The value as JSON, cut at a readable length.
std::string shown(const GgufValue& value) {
  JsonWriter json;
  write_value(json, value);
  return printable(json.text(), kShownText);
}

std::string shape(const GgufTensor& tensor) {
  std::string text;
  for (int i = 0; i < tensor.n_dims; ++i) text += (i > 0 ? " x " : "") + std::to_string(tensor.dims[i]);
  return text;
}

void print_layer(const LayerSpec& layer, int first, int last) {
  const AttentionSpec& a = layer.attention;
  const FfnSpec& f = layer.ffn;
  std::printf("  layers %d-%d: %d heads over %d key-value heads of %d, ", first, last, a.n_heads, a.n_kv_heads, a.d_k);
  if (f.kind == FfnKind::kMoe) std::printf("%d of %d experts %d wide", f.n_experts_used, f.n_experts, f.d_ff);
  else std::printf("dense feed-forward %d wide", f.d_ff);
  if (f.d_ff_shared > 0) std::printf(", shared expert %d wide%s", f.d_ff_shared, f.shared_gate ? " (gated)" : "");
  std::printf("\n");
}

bool same_shape(const LayerSpec& a, const LayerSpec& b) {
  return a.attention.n_heads == b.attention.n_heads && a.attention.n_kv_heads == b.attention.n_kv_heads && a.attention.d_k == b.attention.d_k &&
         a.ffn.kind == b.ffn.kind && a.ffn.d_ff == b.ffn.d_ff && a.ffn.n_experts == b.ffn.n_experts && a.ffn.d_ff_shared == b.ffn.d_ff_shared;
}

void print_spec(const ModelSpec& spec, size_t active_bytes) {
  std::printf("\nmodel: %s (%s), %s\n", printable(spec.name).c_str(), spec.architecture.c_str(), spec.quantisation.c_str());
  std::printf("  %d layers of width %d, %d tokens in the vocabulary, trained on contexts of %d\n", spec.n_layers, spec.d_model, spec.n_vocab, spec.context_trained);
  std::printf("  %.1f M weights, %.1f M used per token, %.2f MB read per token\n", static_cast<double>(spec.n_params) * 1e-6,
              static_cast<double>(spec.n_params_active) * 1e-6, static_cast<double>(active_bytes) * 1e-6);
  for (size_t first = 0; first < spec.layers.size();) {
    size_t last = first;
    while (last + 1 < spec.layers.size() && same_shape(spec.layers[first], spec.layers[last + 1])) ++last;
    print_layer(spec.layers[first], static_cast<int>(first), static_cast<int>(last));
    first = last + 1;
  }
}

void print_text(const std::string& path, const GgufFile& file, const Understanding& understanding) {
  std::printf("%s: %" PRIu64 " bytes, %zu metadata entries, %zu tensors\n\n", printable(path, kMaxPathShown).c_str(), file.file_bytes(), file.metadata().size(), file.tensors().size());
  for (const GgufEntry& entry : file.metadata()) std::printf("%-48s %-7s %s\n", printable(entry.key).c_str(), gguf_type_name(entry.type), shown(entry.value).c_str());
  std::printf("\n");
  for (const GgufTensor& tensor : file.tensors()) {
    std::printf("%-48s %-7s %-24s %12zu bytes\n", printable(tensor.name).c_str(), dtype_traits(tensor.type)->name, shape(tensor).c_str(), tensor.bytes);
  }
  std::printf("\n");
  for (const auto& [type, total] : totals_by_type(file)) {
    std::printf("%-7s %6" PRIu64 " tensors %15" PRId64 " values %15" PRIu64 " bytes\n", type.c_str(), total.n_tensors, total.n_values, total.bytes);
  }
  if (understanding.spec) print_spec(*understanding.spec, understanding.active_bytes);
  if (!understanding.obstacle.empty()) std::printf("\nthe engine cannot run this file: %s\n", understanding.obstacle.c_str());
}

}  // namespace

int command_inspect(std::span<char* const> args) {
  const Arguments arguments(args, {{"--json", nullptr, false}}, 1);
  const std::string& path = arguments.positional(0);
  const std::unique_ptr<GgufFile> file = GgufFile::open(path);
  const Understanding understanding = understand(*file);
  if (arguments.has("--json")) print_json(path, *file, understanding);
  else print_text(path, *file, understanding);
  return 0;
}

}  // namespace conclave
