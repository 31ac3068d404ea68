// A Hugging Face folder as a model to convert: config.json and the tensors' names through the families table, the text
// side through hf_tokenizer. What the table does not know is an error that names it: half a model must not be written.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/printable.h"
#include "convert/hf_families.h"
#include "convert/hf_tokenizer.h"
#include "convert/source.h"
#include "formats/mapped_file.h"

namespace conclave {
namespace {

constexpr size_t kMaxJsonBytes = size_t{256} << 20;
constexpr int64_t kMaxExperts = 4096, kMaxLayers = 4096, kMaxVocab = int64_t{1} << 24, kMaxNumber = int64_t{1} << 31;

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::kBadFile, what); }
[[noreturn]] void unsupported(const std::string& what) { throw Error(ErrorCode::kUnsupported, what); }

class Folder {
 public:
  explicit Folder(const std::string& path) : place_(std::u8string(path.begin(), path.end())) {}

  bool has(const char* name) const {
    std::error_code ignored;   // "no" is the answer either way
    return std::filesystem::exists(place_ / name, ignored);
  }
  std::string read(const char* name) const {
    const std::u8string path = (place_ / name).u8string();
    const MappedFile file(std::string(path.begin(), path.end()));
    if (file.bytes().size() > kMaxJsonBytes) bad("'" + file.path() + "' is " + std::to_string(file.bytes().size()) + " bytes long; at most " + std::to_string(kMaxJsonBytes) + " are accepted");
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  }
  Json json(const char* name) const { return Json::parse(read(name), name); }
  Json json_if_there(const char* name) const { return has(name) ? json(name) : Json(); }
  std::string name() const {
    const std::u8string text = std::filesystem::weakly_canonical(place_).filename().u8string();
    return {text.begin(), text.end()};
  }

 private:
  std::filesystem::path place_;
};

const HfFamily& family_of(const Json& config) {
  const Json* stated = config.find("model_type");
  const std::string* type = stated != nullptr ? stated->text() : nullptr;
  if (type == nullptr) bad("config.json does not say what the model is ('model_type')");
  std::string known;
  for (const HfFamily& family : hf_families()) {
    if (*type == family.model_type) return family;
    known += std::string(known.empty() ? "" : ", ") + family.model_type;
  }
  unsupported("models of the type '" + printable(*type) + "' cannot be converted yet; " + known + " can");
}

bool is_set(const Json* value) { return value != nullptr && !value->is_null(); }

/// Options whose presence would make the converted model compute something else.
void refuse_variants(const Json& config) {
  for (const char* key : {"quantization_config", "clip_qkv"}) {
    if (is_set(config.find(key))) unsupported(std::string("config.json sets '") + key + "', which is not supported");
  }
  const Json *window = config.find("sliding_window"), *uses = config.find("use_sliding_window");
  const bool off = is_set(uses) && uses->boolean() != nullptr && !*uses->boolean();
  if (is_set(window) && !off) unsupported("config.json sets 'sliding_window', which is not supported yet");
  const Json* activation = config.find("hidden_act");
  if (is_set(activation) && (activation->text() == nullptr || *activation->text() != "silu")) unsupported("config.json asks for another activation than silu, which is not supported");
}

GgufEntry entry_for(const HfKey& key, const std::string& name, const Json& value) {
  double number = 0;
  switch (key.kind) {
    case HfKey::Kind::kU32:
      if (value.whole() == nullptr || *value.whole() < 0 || *value.whole() > kMaxNumber) break;
      return u32_entry(name, *value.whole());
    case HfKey::Kind::kF32:
      if (!value.number(number)) break;
      return f32_entry(name, number);
    case HfKey::Kind::kBool:
      if (value.boolean() == nullptr) break;
      return bool_entry(name, *value.boolean());
  }
  bad(std::string("config.json's '") + key.config + "' has a value of the wrong kind or size");
}

/// rope_theta and scaling, at the top level or (newer) in rope_parameters.
void append_rope(const Json& config, const std::string& prefix, std::vector<GgufEntry>& out) {
  const Json *parameters = config.find("rope_parameters"), *scaling = config.find("rope_scaling");
  const Json* theta = is_set(parameters) ? parameters->find("rope_theta") : nullptr;
  if (!is_set(theta)) theta = config.find("rope_theta");
  double value = 10000;
  if (is_set(theta) && !theta->number(value)) bad("config.json's 'rope_theta' is not a number");
  out.push_back(f32_entry(prefix + "rope.freq_base", value));
  const Json& source = is_set(scaling) ? *scaling : is_set(parameters) ? *parameters : config;
  const Json* stated = source.find("rope_type");
  if (!is_set(stated)) stated = source.find("type");
  const std::string type = is_set(stated) && stated->text() != nullptr ? *stated->text() : "default";
  if (type == "default") return;
  if (type != "linear" && type != "yarn") unsupported("config.json asks for position scaling '" + printable(type) + "', which cannot be converted yet; linear and yarn can");
  double factor = 0;
  if (!is_set(source.find("factor")) || !source.find("factor")->number(factor)) bad("config.json scales positions without a 'factor'");
  out.push_back(string_entry(prefix + "rope.scaling.type", type));
  out.push_back(f32_entry(prefix + "rope.scaling.factor", factor));
  const Json* original = source.find("original_max_position_embeddings");
  if (is_set(original) && original->whole() != nullptr) out.push_back(u32_entry(prefix + "rope.scaling.original_context_length", *original->whole()));
}

int64_t number_of(const std::vector<GgufEntry>& entries, const std::string& key, int64_t low, int64_t high, int64_t fallback) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const GgufEntry& entry) { return entry.key == key; });
  const int64_t value = found != entries.end() ? std::get<int64_t>(found->value) : fallback;
  if (value < low || value > high) bad("config.json gives " + std::to_string(value) + " for " + key + "; " + std::to_string(low) + " to " + std::to_string(high) + " are allowed");
  return value;
}

std::vector<GgufEntry> config_entries(const Json& config, const HfFamily& family, const std::string& name) {
  const std::string prefix = std::string(family.architecture) + ".";
  std::vector<GgufEntry> out{string_entry("general.architecture", family.architecture), string_entry("general.name", name)};
  for (const std::span<const HfKey> keys : {hf_common_keys(), family.keys}) {
    for (const HfKey& key : keys) {
      const Json* value = config.find(key.config);
      if (!is_set(value) && key.other != nullptr) value = config.find(key.other);
      if (is_set(value)) out.push_back(entry_for(key, prefix + key.gguf, *value));
      else if (key.required) bad(std::string("config.json lacks '") + key.config + "'");
    }
  }
  append_rope(config, prefix, out);
  return out;
}

/// Gathers the folder's tensors into GGUF's, experts into one each.
class Gatherer {
 public:
  Gatherer(int64_t n_layers, int64_t n_experts, int64_t head_rows) : n_layers_(n_layers), n_experts_(n_experts), head_rows_(head_rows) {}

  void add(const SafeTensor& tensor) {
    std::string_view rest = tensor.name;
    int64_t layer = -1, expert = 0;
    if (rest.starts_with("model.layers.")) {
      rest.remove_prefix(std::string_view("model.layers.").size());
      layer = take_number(tensor, rest, n_layers_);
      if (!rest.starts_with('.')) unknown(tensor);
      rest.remove_prefix(1);
    }
    std::string source(rest);
    if (const size_t at = source.find("experts."); at != std::string::npos && at + 8 < source.size() && source[at + 8] >= '0' && source[at + 8] <= '9') {
      std::string_view after = std::string_view(source).substr(at + 8);
      expert = take_number(tensor, after, n_experts_);
      source = source.substr(0, at + 8) + "*" + std::string(after);
    }
    if (source.ends_with("rotary_emb.inv_freq")) return;   // old folders keep the angles that everyone computes
    const HfTensor* rule = find_hf_tensor(source, layer >= 0);
    if (rule == nullptr) unknown(tensor);
    if (tensor.type == nullptr || (tensor.type->type != DType::kF32 && tensor.type->type != DType::kF16 && tensor.type->type != DType::kBF16)) {
      unsupported("tensor '" + printable(tensor.name) + "' is stored as " + tensor.type_name + "; F32, F16 and BF16 can be converted");
    }
    place(tensor, *rule, layer >= 0 ? "blk." + std::to_string(layer) + "." : std::string(), expert);
  }

  std::vector<SourceTensor> take() {
    std::vector<SourceTensor> out;
    for (auto& [name, tensor] : tensors_) {
      for (size_t i = 0; i < tensor.parts.size(); ++i) {
        if (tensor.parts[i].data == nullptr) bad("the folder lacks expert " + std::to_string(i) + " of '" + printable(name) + "'");
      }
      out.push_back(std::move(tensor));
    }
    return out;
  }

 private:
  [[noreturn]] static void unknown(const SafeTensor& tensor) { unsupported("tensor '" + printable(tensor.name) + "' is not known; converting without it would give wrong answers"); }

  /// Reads a number below `limit` off the front of `rest`.
  static int64_t take_number(const SafeTensor& tensor, std::string_view& rest, int64_t limit) {
    int64_t value = -1;
    const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (result.ec != std::errc{} || value < 0) unknown(tensor);
    if (value >= limit) bad("tensor '" + printable(tensor.name) + "' counts to " + std::to_string(value) + " where config.json has only " + std::to_string(limit));
    rest.remove_prefix(static_cast<size_t>(result.ptr - rest.data()));
    return value;
  }

  void place(const SafeTensor& tensor, const HfTensor& rule, const std::string& block, int64_t expert) {
    if (tensor.shape.empty() || tensor.shape.size() > 3 || std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0) {
      bad("tensor '" + printable(tensor.name) + "' has " + std::to_string(tensor.shape.size()) + " dimensions or an empty one");
    }
    std::vector<int64_t> dims(tensor.shape.rbegin(), tensor.shape.rend());
    int64_t rows = 1;
    for (size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
    const std::string target = block + rule.target;
    switch (rule.layout) {
      case HfLayout::kPlain:
      case HfLayout::kHeads: {
        const int64_t pairs = rule.layout == HfLayout::kHeads ? head_rows_ : 0;
        const int64_t paired = dims.size() == 1 ? dims[0] : rows;
        if (pairs > 0 && (paired % pairs != 0 || pairs % 2 != 0)) bad("tensor '" + printable(tensor.name) + "' has " + std::to_string(paired) + " rows, which heads of " + std::to_string(pairs) + " do not divide");
        return put(tensor, target, dims, {tensor.bytes.data(), rows}, pairs);
      }
      case HfLayout::kVector:
        if (rows != 1) bad("tensor '" + printable(tensor.name) + "' has " + std::to_string(rows) + " rows where one is expected");
        return put(tensor, target, {dims[0]}, {tensor.bytes.data(), 1}, 0);
      case HfLayout::kExpert:
        if (dims.size() != 2) bad("tensor '" + printable(tensor.name) + "' has " + std::to_string(dims.size()) + " dimensions where two are expected");
        return put_expert(tensor, target, dims, expert);
      case HfLayout::kGateUp: return put_halves(tensor, target, block + rule.second, dims);
    }
  }

  SourceTensor& fresh(const SafeTensor& tensor, const std::string& target, std::vector<int64_t> dims, size_t n_parts) {
    const auto [at, added] = tensors_.try_emplace(target);
    if (!added) bad("tensor '" + printable(tensor.name) + "' is there under two names");
    at->second = {.name = target, .type = tensor.type->type, .dims = std::move(dims), .parts = std::vector<SourceRows>(n_parts, SourceRows{nullptr, 0})};
    return at->second;
  }

  void put(const SafeTensor& tensor, const std::string& target, std::vector<int64_t> dims, SourceRows rows, int64_t pairs) {
    SourceTensor& out = fresh(tensor, target, std::move(dims), 1);
    out.parts[0] = rows;
    out.pair_rows = pairs;
  }

  void put_expert(const SafeTensor& tensor, const std::string& target, const std::vector<int64_t>& dims, int64_t expert) {
    auto found = tensors_.find(target);
    SourceTensor& out = found != tensors_.end() ? found->second : fresh(tensor, target, {dims[0], dims[1], n_experts_}, static_cast<size_t>(n_experts_));
    if (out.dims != std::vector<int64_t>{dims[0], dims[1], n_experts_} || out.type != tensor.type->type) bad("tensor '" + printable(tensor.name) + "' differs in shape or type from the other experts'");
    out.parts[static_cast<size_t>(expert)] = {tensor.bytes.data(), dims[1]};
  }

  void put_halves(const SafeTensor& tensor, const std::string& first, const std::string& second, const std::vector<int64_t>& dims) {
    if (dims.size() != 3 || dims[2] != n_experts_ || dims[1] % 2 != 0) bad("tensor '" + printable(tensor.name) + "' is not [experts, 2 x width, model width]");
    const int64_t half = dims[1] / 2;
    const size_t half_bytes = static_cast<size_t>(half) * row_bytes(tensor.type->type, dims[0]);
    SourceTensor& gate = fresh(tensor, first, {dims[0], half, n_experts_}, static_cast<size_t>(n_experts_));
    SourceTensor& up = fresh(tensor, second, {dims[0], half, n_experts_}, static_cast<size_t>(n_experts_));
    for (size_t i = 0; i < gate.parts.size(); ++i) {
      gate.parts[i] = {tensor.bytes.data() + 2 * i * half_bytes, half};
      up.parts[i] = {tensor.bytes.data() + (2 * i + 1) * half_bytes, half};
    }
  }

  int64_t n_layers_, n_experts_, head_rows_;
  std::map<std::string, SourceTensor> tensors_;
};

}  // namespace

SourceModel open_hugging_face(const std::string& path) {
  const Folder folder(path);
  HfTextFiles text{.tokenizer = folder.json("tokenizer.json"), .tokenizer_config = folder.json_if_there("tokenizer_config.json"), .config = folder.json("config.json"),
                   .chat_template = folder.has("chat_template.jinja") ? folder.read("chat_template.jinja") : std::string()};
  const HfFamily& family = family_of(text.config);
  refuse_variants(text.config);
  SourceModel model;
  model.metadata = config_entries(text.config, family, folder.name());
  const std::string prefix = std::string(family.architecture) + ".";
  const auto number = [&](const char* key, int64_t high, int64_t fallback) { return number_of(model.metadata, prefix + key, 1, high, fallback); };
  const int64_t n_heads = number("attention.head_count", 1 << 16, 0);
  const int64_t head_rows = number("attention.key_length", 1 << 16, number("embedding_length", 1 << 24, 0) / n_heads);
  Gatherer gatherer(number("block_count", kMaxLayers, 0), number("expert_count", kMaxExperts, 0), family.pairs_rows ? head_rows : 0);
  const Json* tied = text.config.find("tie_word_embeddings");
  const bool is_tied = is_set(tied) && tied->boolean() != nullptr && *tied->boolean();
  model.safetensors = Safetensors::open(path);
  for (const SafeTensor& tensor : model.safetensors->tensors()) {
    if (!(is_tied && tensor.name == "lm_head.weight")) gatherer.add(tensor);
  }
  model.tensors = gatherer.take();
  for (GgufEntry& entry : tokenizer_entries(text, number("vocab_size", kMaxVocab, 0))) model.metadata.push_back(std::move(entry));
  return model;
}

}  // namespace conclave
