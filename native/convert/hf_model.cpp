// A Hugging Face folder as a model to convert: config.json and the tensors' names through the families table, the text
// side through hf_tokenizer. What the table does not know is an error that names it: half a model must not be written.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/printable.h"
#include "convert/hf_derived.h"
#include "convert/hf_dflash.h"
#include "convert/hf_families.h"
#include "convert/hf_layouts.h"
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

/// Options whose presence would make the converted model compute something else.
void refuse_variants(const Json& config, const HfFamily& family) {
  for (const char* key : {"quantization_config", "clip_qkv"}) {
    const Json* value = config.find(key);
    const Json* method = hf_is_set(value) ? value->find("quant_method") : nullptr;
    if (method != nullptr && method->text() != nullptr && *method->text() == "mxfp4") continue;   // its tensors are known by their names
    if (hf_is_set(value)) unsupported(std::string("config.json sets '") + key + "', which is not supported");
  }
  const Json *window = config.find("sliding_window"), *uses = config.find("use_sliding_window");
  const bool off = hf_is_set(uses) && uses->boolean() != nullptr && !*uses->boolean();
  const Json* context = config.find("max_position_embeddings");
  const bool wide = hf_is_set(window) && window->whole() != nullptr && hf_is_set(context) && context->whole() != nullptr && *window->whole() >= *context->whole();
  const bool known = std::any_of(family.keys.begin(), family.keys.end(), [](const HfKey& key) { return std::string_view(key.config) == "sliding_window"; });
  if (hf_is_set(window) && !off && !wide && !known) unsupported("config.json sets 'sliding_window', which is not supported yet");
  const Json* activation = config.find("hidden_act");
  if (hf_is_set(activation) && (activation->text() == nullptr || *activation->text() != "silu")) unsupported("config.json asks for another activation than silu, which is not supported");
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

void append_original_context(const Json& config, const Json& scaling, const std::string& prefix, std::vector<GgufEntry>& out) {
  const char* key = "original_max_position_embeddings";
  const Json& source = hf_is_set(scaling.find(key)) ? scaling : config;
  if (hf_is_set(source.find(key))) out.push_back(u32_entry(prefix + "rope.scaling.original_context_length", hf_number(source, key)));
}

void append_yarn(const Json& scaling, const std::string& prefix, std::vector<GgufEntry>& out) {
  for (const auto& [key, gguf] : {std::pair{"beta_fast", "rope.scaling.yarn_beta_fast"}, std::pair{"beta_slow", "rope.scaling.yarn_beta_slow"}}) {
    double value = 0;
    if (hf_is_set(scaling.find(key)) && scaling.find(key)->number(value)) out.push_back(f32_entry(prefix + gguf, value));
  }
  double all = 0, some = 1;
  if (!hf_is_set(scaling.find("mscale_all_dim")) || !scaling.find("mscale_all_dim")->number(all) || all == 0) return;
  if (hf_is_set(scaling.find("mscale")) && (!scaling.find("mscale")->number(some) || some != all)) unsupported("config.json scales positions with 'mscale' other than 'mscale_all_dim', which is not supported");
  out.push_back(f32_entry(prefix + "rope.scaling.yarn_log_multiplier", 0.1 * all));
}

/// Divisors of the angles, for the short and for the long context; one factor on cos and sin.
void append_long_rope(const Json& config, const Json& scaling, const std::string& prefix, SourceModel& model) {
  append_original_context(config, scaling, prefix, model.metadata);
  double factor = 0;
  if (!hf_is_set(scaling.find("short_mscale")) || !scaling.find("short_mscale")->number(factor)) unsupported("config.json asks for position scaling 'longrope' without a 'short_mscale', which is not supported");
  model.metadata.push_back(f32_entry(prefix + "rope.scaling.attn_factor", factor));
  for (const auto& [key, name] : {std::pair{"short_factor", "rope_factors_short.weight"}, std::pair{"long_factor", "rope_factors_long.weight"}}) {
    const Json* list = scaling.find(key);
    if (!hf_is_set(list) || list->array() == nullptr || list->array()->empty()) bad(std::string("config.json lacks the list '") + key + "'");
    std::vector<float> values;
    for (const Json& item : *list->array()) {
      if (!item.number(factor)) bad(std::string("config.json's list '") + key + "' holds something that is not a number");
      values.push_back(static_cast<float>(factor));
    }
    model.tensors.push_back(hf_table(name, std::move(values)));
  }
}

/// rope_theta and scaling, at the top level or (newer) in rope_parameters.
void append_rope(const Json& config, const std::string& prefix, SourceModel& model) {
  std::vector<GgufEntry>& out = model.metadata;
  const Json *parameters = config.find("rope_parameters"), *scaling = config.find("rope_scaling");
  if (hf_is_set(parameters) && hf_is_set(parameters->find("full_attention"))) return;   // kinds of layers apart: the family's own affair
  const Json* theta = hf_is_set(parameters) ? parameters->find("rope_theta") : nullptr;
  if (!hf_is_set(theta)) theta = config.find("rope_theta");
  double value = 10000;
  if (hf_is_set(theta) && !theta->number(value)) bad("config.json's 'rope_theta' is not a number");
  out.push_back(f32_entry(prefix + "rope.freq_base", value));
  const Json& source = hf_is_set(scaling) ? *scaling : hf_is_set(parameters) ? *parameters : config;
  const Json* stated = source.find("rope_type");
  if (!hf_is_set(stated)) stated = source.find("type");
  const std::string type = hf_is_set(stated) && stated->text() != nullptr ? *stated->text() : "default";
  if (type == "default") return;
  if (type == "longrope") return append_long_rope(config, source, prefix, model);
  if (type != "linear" && type != "yarn") unsupported("config.json asks for position scaling '" + printable(type) + "', which cannot be converted yet; linear, longrope and yarn can");
  double factor = 0;
  if (!hf_is_set(source.find("factor")) || !source.find("factor")->number(factor)) bad("config.json scales positions without a 'factor'");
  out.push_back(string_entry(prefix + "rope.scaling.type", type));
  out.push_back(f32_entry(prefix + "rope.scaling.factor", factor));
  append_original_context(config, source, prefix, out);
  if (type == "yarn") append_yarn(source, prefix, out);
}

int64_t number_of(const std::vector<GgufEntry>& entries, const std::string& key, int64_t low, int64_t high, int64_t fallback) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const GgufEntry& entry) { return entry.key == key; });
  const int64_t value = found != entries.end() ? std::get<int64_t>(found->value) : fallback;
  if (value < low || value > high) bad("config.json gives " + std::to_string(value) + " for " + key + "; " + std::to_string(low) + " to " + std::to_string(high) + " are allowed");
  return value;
}

/// Metadata, and the tensors that config.json holds.
void append_config(const Json& config, const HfFamily& family, const std::string& name, SourceModel& model) {
  const std::string prefix = std::string(family.architecture) + ".";
  std::vector<GgufEntry>& out = model.metadata;
  out = {string_entry("general.architecture", family.architecture), string_entry("general.name", name)};
  if (family.derive != nullptr) family.derive(config, prefix, model);
  for (const std::span<const HfKey> keys : {family.keys, hf_common_keys()}) {
    for (const HfKey& key : keys) {
      if (std::any_of(out.begin(), out.end(), [&](const GgufEntry& entry) { return entry.key == prefix + key.gguf; })) continue;   // the family's own comes before the common
      const Json* value = config.find(key.config);
      if (!hf_is_set(value) && key.other != nullptr) value = config.find(key.other);
      if (hf_is_set(value)) out.push_back(entry_for(key, prefix + key.gguf, *value));
      else if (key.required) bad(std::string("config.json lacks '") + key.config + "'");
    }
  }
  append_rope(config, prefix, model);
}

/// Gathers the folder's tensors into GGUF's, experts into one each.
class Gatherer {
 public:
  Gatherer(const HfFamily& family, const Json& config, const Safetensors& all, int64_t n_layers, int64_t n_experts, int64_t head_rows)
      : family_(family), config_(config), all_(all), n_layers_(n_layers), n_predicting_(predicting_layers(config)), n_experts_(n_experts), head_rows_(head_rows) {}

  void add(const SafeTensor& tensor) {
    std::string inner = tensor.name;
    if (inner.starts_with("model.language_model.")) inner.erase(6, std::string_view("language_model.").size());
    for (const char* other : kOtherParts) {
      if (inner.starts_with(other)) return;
    }
    std::string_view rest = inner;
    int64_t layer = -1, expert = 0;
    if (rest.starts_with("model.layers.")) {
      rest.remove_prefix(std::string_view("model.layers.").size());
      layer = take_number(tensor, rest, n_layers_ + n_predicting_);
      if (layer >= n_layers_) return;   // it predicts the token after the next, which is no part of the answer
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
    const HfTensor* rule = find_hf_tensor(family_, source, layer >= 0);
    if (rule == nullptr) unknown(tensor);
    if (rule->layout == HfLayout::kSkipped) return;
    const bool packed = rule->layout == HfLayout::kMx || rule->layout == HfLayout::kMxGateUp;
    if (!packed && (tensor.type == nullptr || (tensor.type->type != DType::kF32 && tensor.type->type != DType::kF16 && tensor.type->type != DType::kBF16))) {
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

  [[noreturn]] static void twice(const SafeTensor& tensor) { bad("tensor '" + printable(tensor.name) + "' is there under two names"); }

  static int64_t predicting_layers(const Json& config) {
    const Json* stated = config.find("num_nextn_predict_layers");
    return hf_is_set(stated) && stated->whole() != nullptr ? std::clamp<int64_t>(*stated->whole(), 0, kMaxLayers) : 0;
  }

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
    if (rule.layout > HfLayout::kSkipped) {
      for (SourceTensor& out : gather_layout(tensor, rule, block, config_, family_.cycling_heads, all_)) {
        if (const std::string name = out.name; !tensors_.try_emplace(name, std::move(out)).second) twice(tensor);
      }
      return;
    }
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
      default: return put_halves(tensor, target, block + rule.second, dims);   // kGateUp
    }
  }

  SourceTensor& fresh(const SafeTensor& tensor, const std::string& target, std::vector<int64_t> dims, size_t n_parts) {
    const auto [at, added] = tensors_.try_emplace(target);
    if (!added) twice(tensor);
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

  /// What sees, hears or predicts tokens after the next: no part of the model of text.
  static constexpr const char* kOtherParts[] = {"mtp.", "model.visual.", "model.vision_tower.", "model.audio_tower.", "model.embed_vision.", "model.embed_audio."};

  const HfFamily& family_;
  const Json& config_;
  const Safetensors& all_;
  int64_t n_layers_, n_predicting_, n_experts_, head_rows_;
  std::map<std::string, SourceTensor> tensors_;
};

}  // namespace

SourceModel open_hugging_face(const std::string& path) {
  const Folder folder(path);
  Json stated = folder.json("config.json");
  if (is_hf_dflash(stated)) return open_hf_dflash(path, stated, folder.name());
  HfTextFiles text{.tokenizer = folder.json("tokenizer.json"), .tokenizer_config = folder.json_if_there("tokenizer_config.json"), .config = std::move(stated),
                   .chat_template = folder.has("chat_template.jinja") ? folder.read("chat_template.jinja") : std::string()};
  const Json* inner = text.config.find("text_config");   // models that also see keep the model of text there
  const Json& config = hf_is_set(inner) ? *inner : text.config;
  const HfFamily& family = family_of(config);
  refuse_variants(config, family);
  SourceModel model;
  append_config(config, family, folder.name(), model);
  const std::string prefix = std::string(family.architecture) + ".";
  const auto number = [&](const char* key, int64_t high, int64_t fallback) { return number_of(model.metadata, prefix + key, 1, high, fallback); };
  const int64_t n_heads = number("attention.head_count", 1 << 16, 0);
  const int64_t head_rows = number("attention.key_length", 1 << 16, number("embedding_length", 1 << 24, 0) / n_heads);
  model.safetensors = Safetensors::open(path);
  Gatherer gatherer(family, config, *model.safetensors, number("block_count", kMaxLayers, 0), number("expert_count", kMaxExperts, 0), family.pairs_rows ? head_rows : 0);
  const Json* tied = config.find("tie_word_embeddings");
  const bool is_tied = hf_is_set(tied) && tied->boolean() != nullptr && *tied->boolean();
  for (const SafeTensor& tensor : model.safetensors->tensors()) {
    if (!(is_tied && tensor.name == "lm_head.weight")) gatherer.add(tensor);
  }
  for (SourceTensor& tensor : gatherer.take()) model.tensors.push_back(std::move(tensor));
  for (GgufEntry& entry : tokenizer_entries(text, number("vocab_size", kMaxVocab, 0))) model.metadata.push_back(std::move(entry));
  return model;
}

}  // namespace conclave
