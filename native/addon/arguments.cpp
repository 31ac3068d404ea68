#include "addon/arguments.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "addon/failure.h"

namespace conclave {
namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;
constexpr std::array<std::pair<const char*, DType>, 4> kKvTypes{{{"F16", DType::kF16}, {"BF16", DType::kBF16}, {"F32", DType::kF32}, {"Q8_0", DType::kQ8_0}}};

const char* type_name(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return "a boolean";
    case napi_number: return "a number";
    case napi_string: return "a string";
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_bigint: return "a bigint";
    default: return value.IsArray() ? "an array" : value.IsTypedArray() ? "a typed array" : "an object";
  }
}

[[noreturn]] void refuse_type(const Napi::Value& value, const std::string& name, const char* expected) {
  refuse(value.Env(), "'" + name + "' is " + type_name(value) + " where " + expected + " belongs.");
}

std::string shown(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.17g", value);
  return text.data();
}

double number(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber()) refuse_type(value, name, "a number");
  const double result = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(result)) refuse(value.Env(), "'" + name + "' is " + (std::isnan(result) ? "NaN" : "infinite") + "; a finite number belongs there.");
  return result;
}

double integer(const Napi::Value& value, const std::string& name, double low, double high) {
  const double result = number(value, name);
  if (result != std::floor(result) || result < low || result > high) {
    refuse(value.Env(), "'" + name + "' is " + shown(result) + "; it must be a whole number from " + shown(low) + " to " + shown(high) + ".");
  }
  return result;
}

void read_int(const Napi::Object& options, const char* name, int& target) {
  const Napi::Value value = options.Get(name);
  if (!value.IsUndefined()) target = static_cast<int>(integer(value, name, 0, std::numeric_limits<int>::max()));
}

void read_float(const Napi::Object& options, const char* name, float& target) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return;
  target = static_cast<float>(number(value, name));
  if (!std::isfinite(target)) refuse(value.Env(), std::string("'") + name + "' is too large for a 32-bit float.");
}

void read_bool(const Napi::Object& options, const char* name, bool& target) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return;
  if (!value.IsBoolean()) refuse_type(value, name, "true or false");
  target = value.As<Napi::Boolean>().Value();
}

std::string path(const Napi::Value& value) {
  if (!value.IsString()) refuse_type(value, "path", "a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  // A path with a NUL would name another file to the operating system than it shows.
  if (text.empty() || text.find('\0') != std::string::npos) refuse(value.Env(), "'path' is empty or contains a NUL character.");
  return text;
}

DType kv_type(const Napi::Value& value) {
  if (!value.IsString()) refuse_type(value, "kvType", "a string");
  const std::string name = value.As<Napi::String>().Utf8Value();
  for (const auto& [known, type] : kKvTypes) {
    if (name == known) return type;
  }
  refuse(value.Env(), "'kvType' is '" + name.substr(0, 40) + "'; it must be 'F16', 'BF16', 'F32' or 'Q8_0'.");
}

int32_t token_id(uint32_t token, Napi::Env env, const std::string& name) {
  if (token > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
    refuse(env, "'" + name + "' holds " + std::to_string(token) + ", which is not a token id.");
  }
  return static_cast<int32_t>(token);
}

std::vector<int32_t> token_ids(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    refuse_type(value, name, "a Uint32Array");
  }
  const auto array = value.As<Napi::Uint32Array>();
  std::vector<int32_t> tokens(array.ElementLength());
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = token_id(array.Data()[i], value.Env(), name);
  return tokens;
}

std::vector<std::pair<int32_t, float>> logit_bias(const Napi::Value& value) {
  if (!value.IsArray()) refuse_type(value, "logitBias", "an array of [token, bias]");
  const auto list = value.As<Napi::Array>();
  std::vector<std::pair<int32_t, float>> result;
  result.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::HandleScope scope(value.Env());
    const std::string name = "logitBias[" + std::to_string(i) + "]";
    const Napi::Value entry = list.Get(i);
    if (!entry.IsArray() || entry.As<Napi::Array>().Length() != 2) refuse_type(entry, name, "[token, bias]");
    const auto pair = entry.As<Napi::Array>();
    const double token = integer(pair.Get(0u), name + "[0]", 0, std::numeric_limits<int32_t>::max());
    result.emplace_back(static_cast<int32_t>(token), static_cast<float>(number(pair.Get(1u), name + "[1]")));
  }
  return result;
}

SamplerOptions sampler_options(const Napi::Value& value) {
  if (!value.IsObject()) refuse_type(value, "sampler", "an object");
  const auto options = value.As<Napi::Object>();
  SamplerOptions sampler;
  read_float(options, "temperature", sampler.temperature);
  read_int(options, "topK", sampler.top_k);
  read_float(options, "topP", sampler.top_p);
  read_float(options, "minP", sampler.min_p);
  read_float(options, "repetitionPenalty", sampler.repetition_penalty);
  read_int(options, "repetitionWindow", sampler.repetition_window);
  read_int(options, "topLogprobs", sampler.n_top_logprobs);
  const Napi::Value seed = options.Get("seed");
  if (!seed.IsUndefined()) sampler.seed = static_cast<uint64_t>(integer(seed, "seed", 0, kMaxSafeInteger));
  const Napi::Value bias = options.Get("logitBias");
  if (!bias.IsUndefined()) sampler.logit_bias = logit_bias(bias);
  return sampler;
}

std::vector<std::string> drafter_paths(const Napi::Value& value) {
  if (!value.IsArray()) refuse_type(value, "drafters", "an array of paths");
  const auto list = value.As<Napi::Array>();
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < list.Length(); ++i) paths.push_back(path(list.Get(i)));
  return paths;
}

DraftOptions draft_options(const Napi::Value& value) {
  if (!value.IsObject()) refuse_type(value, "draft", "an object");
  const auto options = value.As<Napi::Object>();
  const Napi::Value mode = options.Get("mode");
  if (!mode.IsString()) refuse_type(mode, "draft.mode", "a string");
  const std::optional<DraftMode> known = draft_mode_of(mode.As<Napi::String>().Utf8Value());
  if (!known) refuse(value.Env(), "'draft.mode' is '" + mode.As<Napi::String>().Utf8Value().substr(0, 40) + "'; it must be 'off', 'lookup', 'mdlm', 'dflash' or 'auto'.");
  DraftOptions draft{.mode = *known};
  read_int(options, "length", draft.length);
  return draft;
}

ExpertBias expert_bias(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) refuse_type(value, name, "an object");
  const auto entry = value.As<Napi::Object>();
  const auto whole = [&](const char* key) { return static_cast<int>(integer(entry.Get(key), name + "." + key, 0, std::numeric_limits<int>::max())); };
  const Napi::Value bias = entry.Get("bias");
  return {whole("layer"), whole("expert"), bias.IsNull() ? -std::numeric_limits<float>::infinity() : static_cast<float>(number(bias, name + ".bias"))};
}

Steering steering_options(const Napi::Value& value) {
  if (!value.IsObject()) refuse_type(value, "steering", "an object");
  const auto options = value.As<Napi::Object>();
  Steering steering;
  read_int(options, "expertsUsed", steering.n_experts_used);
  const Napi::Value biases = options.Get("biases");
  if (biases.IsUndefined()) return steering;
  if (!biases.IsArray()) refuse_type(biases, "steering.biases", "an array");
  const auto list = biases.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::HandleScope scope(value.Env());
    steering.biases.push_back(expert_bias(list.Get(i), "steering.biases[" + std::to_string(i) + "]"));
  }
  return steering;
}

template <class T>
T named(const Napi::Value& value, const char* name, std::optional<T> (*known)(std::string_view), const char* names) {
  if (!value.IsString()) refuse_type(value, name, "a string");
  const std::string text = value.As<Napi::String>().Utf8Value();
  if (const std::optional<T> found = known(text)) return *found;
  refuse(value.Env(), "'" + std::string(name) + "' is '" + text.substr(0, 40) + "'; it must be " + names + ".");
}

uint64_t bytes(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  return value.IsUndefined() ? 0 : static_cast<uint64_t>(integer(value, name, 0, kMaxSafeInteger));
}

std::vector<std::vector<float>> expert_usage(const Napi::Value& value) {
  if (!value.IsArray()) refuse_type(value, "expertUsage", "an array of arrays of numbers");
  const auto layers = value.As<Napi::Array>();
  std::vector<std::vector<float>> usage(layers.Length());
  for (uint32_t layer = 0; layer < layers.Length(); ++layer) {
    const Napi::HandleScope scope(value.Env());
    const std::string name = "expertUsage[" + std::to_string(layer) + "]";
    const Napi::Value counts = layers.Get(layer);
    if (!counts.IsArray()) refuse_type(counts, name, "an array of numbers");
    const auto list = counts.As<Napi::Array>();
    for (uint32_t expert = 0; expert < list.Length(); ++expert) usage[layer].push_back(static_cast<float>(number(list.Get(expert), name)));
  }
  return usage;
}

MemoryBudget memory_budget(const Napi::Value& value) {
  if (!value.IsObject()) refuse_type(value, "budget", "an object");
  const auto options = value.As<Napi::Object>();
  MemoryBudget budget{.vram_bytes = bytes(options, "vram"), .ram_bytes = bytes(options, "ram")};
  read_bool(options, "unified", budget.unified);
  return budget;
}

EngineOptions load_options(const Napi::Object& options) {
  EngineOptions result;
  read_int(options, "threads", result.n_threads);
  read_int(options, "context", result.n_context);
  read_int(options, "prefillChunk", result.prefill_chunk);
  const Napi::Value kv = options.Get("kvType");
  if (!kv.IsUndefined()) result.kv_type = kv_type(kv);
  bool exact = false;
  read_bool(options, "exact", exact);
  if (exact) result.precision = Precision::kExact;
  const Napi::Value drafters = options.Get("drafters");
  if (!drafters.IsUndefined()) result.drafters = drafter_paths(drafters);
  const Napi::Value device = options.Get("device");
  if (!device.IsUndefined()) result.device = named(device, "device", device_of, "'auto', 'cpu', 'cuda' or 'metal'");
  result.device_bytes = bytes(options, "deviceBytes");
  const Napi::Value cache = options.Get("expertCache");
  if (!cache.IsUndefined()) result.expert_cache = named(cache, "expertCache", residency_policy_of, "'fixed', 'lru' or 'lfu'");
  const Napi::Value usage = options.Get("expertUsage");
  if (!usage.IsUndefined()) result.expert_usage = expert_usage(usage);
  return result;
}

}  // namespace

std::string path_argument(const Napi::CallbackInfo& info, size_t index) { return path(info[index]); }

Napi::Object object_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  const Napi::Value value = info[index];
  if (!value.IsObject() || value.IsFunction()) refuse_type(value, name, "an object");
  return value.As<Napi::Object>();
}

Napi::Function function_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  const Napi::Value value = info[index];
  if (!value.IsFunction()) refuse_type(value, name, "a function");
  return value.As<Napi::Function>();
}

EngineOptions engine_options(const Napi::Object& options) {
  EngineOptions result = load_options(options);
  result.path = path(options.Get("path"));
  return result;
}

PlanRequest plan_request(std::string path, const Napi::Object& options) {
  PlanRequest result;
  result.load = load_options(options);
  result.load.path = std::move(path);
  const Napi::Value budget = options.Get("budget");
  if (!budget.IsUndefined()) result.budget = memory_budget(budget);
  result.returned_vram_bytes = bytes(options, "returnedVram");
  return result;
}

RequestOptions request_options(const Napi::Object& options) {
  RequestOptions result;
  result.tokens = token_ids(options.Get("tokens"), "tokens");
  read_int(options, "maxTokens", result.max_tokens);
  const Napi::Value stop_tokens = options.Get("stopTokens");
  if (!stop_tokens.IsUndefined()) result.stop_tokens = token_ids(stop_tokens, "stopTokens");
  const Napi::Value sampler = options.Get("sampler");
  if (!sampler.IsUndefined()) result.sampler = sampler_options(sampler);
  const Napi::Value draft = options.Get("draft");
  if (!draft.IsUndefined()) result.draft = draft_options(draft);
  const Napi::Value steering = options.Get("steering");
  if (!steering.IsUndefined()) result.steering = steering_options(steering);
  read_int(options, "scoreFrom", result.score_from);
  return result;
}

PrefixFile prefix_file(const Napi::Object& file) {
  PrefixFile result;
  result.path = path(file.Get("path"));
  const Napi::Value sha256 = file.Get("modelSha256");
  if (!sha256.IsString()) refuse_type(sha256, "modelSha256", "a string");
  result.model_sha256 = sha256.As<Napi::String>().Utf8Value();
  if (result.model_sha256.size() != 64) refuse(file.Env(), "'modelSha256' has " + std::to_string(result.model_sha256.size()) + " characters; it must have 64 hex digits.");
  result.tokens = token_ids(file.Get("tokens"), "tokens");
  return result;
}

std::vector<int32_t> tokens_argument(const Napi::CallbackInfo& info, size_t index) { return token_ids(info[index], "tokens"); }

}  // namespace conclave
