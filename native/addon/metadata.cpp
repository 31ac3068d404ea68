#include "addon/metadata.h"

#include <variant>

#include "addon/arguments.h"
#include "addon/failure.h"
#include "addon/model_info.h"
#include "formats/gguf.h"

namespace conclave {
namespace {

constexpr int64_t kMaxSafeInteger = 9007199254740991;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

template <class T>
Napi::Value numbers(Napi::Env env, const std::vector<T>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) array[i] = static_cast<double>(values[i]);
  return array;
}

template <class JsType, class T>
Napi::Value list(Napi::Env env, const std::vector<T>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) {
    const Napi::HandleScope scope(env);
    array.Set(i, JsType::New(env, values[i]));
  }
  return array;
}

Napi::Value to_value(Napi::Env env, const GgufValue& value) {
  return std::visit(
      Overloaded{
          [&](int64_t number) -> Napi::Value {
            if (number > kMaxSafeInteger || number < -kMaxSafeInteger) return Napi::BigInt::New(env, number);
            return Napi::Number::New(env, static_cast<double>(number));
          },
          [&](double number) -> Napi::Value { return Napi::Number::New(env, number); },
          [&](bool flag) -> Napi::Value { return Napi::Boolean::New(env, flag); },
          [&](const std::string& text) -> Napi::Value { return Napi::String::New(env, text); },
          [&](const GgufArray& array) -> Napi::Value {
            return std::visit(Overloaded{
                                  [&](const std::vector<int64_t>& values) { return numbers(env, values); },
                                  [&](const std::vector<double>& values) { return numbers(env, values); },
                                  [&](const std::vector<bool>& values) { return list<Napi::Boolean>(env, values); },
                                  [&](const std::vector<std::string>& values) { return list<Napi::String>(env, values); },
                              },
                              array);
          },
      },
      value);
}

}  // namespace

Napi::Value read_metadata(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto file = GgufFile::open(path_argument(info, 0));
    const Napi::Env env = info.Env();
    const Napi::Object map = env.Global().Get("Map").As<Napi::Function>().New({});
    const Napi::Function set = map.Get("set").As<Napi::Function>();
    for (const GgufEntry& entry : file->metadata()) {
      const Napi::HandleScope scope(env);
      set.Call(map, {Napi::String::New(env, entry.key), to_value(env, entry.value)});
    }
    return map;
  });
}

Napi::Value inspect_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const InspectedModel found = inspect_model(path_argument(info, 0));
    return model_info(info.Env(), found.spec, found.file_bytes);
  });
}

Napi::Value inspect_drafter(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const DrafterInfo found = inspect_drafter(path_argument(info, 0), path_argument(info, 1));
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("kind", found.kind == DraftMode::kMaskedDiffusion ? "mdlm" : "dflash");
    out.Set("name", found.name);
    out.Set("fileBytes", static_cast<double>(found.file_bytes));
    out.Set("maxLength", found.max_length);
    return out;
  });
}

}  // namespace conclave
