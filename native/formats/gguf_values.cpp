// Typed look-ups in a GGUF file's metadata; see gguf.h.
#include <type_traits>

#include "base/error.h"
#include "formats/gguf.h"

namespace conclave {
namespace {

const char* value_kind(const GgufValue& value) {
  constexpr const char* kNames[] = {"a whole number", "a real number", "a truth value", "a text", "an array"};
  return kNames[value.index()];
}

[[noreturn]] void fail_type(std::string_view key, const char* expected, const GgufValue& actual) {
  throw Error(ErrorCode::kBadFile, "metadata key '" + std::string(key) + "' should be " + expected + " but is " + value_kind(actual));
}

const GgufValue& require(const GgufFile& file, std::string_view key) {
  const GgufValue* value = file.find(key);
  if (value == nullptr) throw Error(ErrorCode::kBadFile, "the file lacks the metadata key '" + std::string(key) + "'");
  return *value;
}

template <class T>
const T& typed(std::string_view key, const GgufValue& value, const char* expected) {
  const T* typed_value = std::get_if<T>(&value);
  if (typed_value == nullptr) fail_type(key, expected, value);
  return *typed_value;
}

double number(std::string_view key, const GgufValue& value) {
  // Some converters write 1e6 as a whole number.
  if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  return typed<double>(key, value, "a real number");
}

}  // namespace

const char* gguf_type_name(GgufType type) {
  constexpr const char* kNames[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
  return static_cast<uint32_t>(type) < std::size(kNames) ? kNames[static_cast<uint32_t>(type)] : "unknown";
}

int64_t gguf_int(const GgufFile& file, std::string_view key) { return typed<int64_t>(key, require(file, key), "a whole number"); }

int64_t gguf_int_or(const GgufFile& file, std::string_view key, int64_t fallback) {
  const GgufValue* value = file.find(key);
  return value != nullptr ? typed<int64_t>(key, *value, "a whole number") : fallback;
}

double gguf_float(const GgufFile& file, std::string_view key) { return number(key, require(file, key)); }

double gguf_float_or(const GgufFile& file, std::string_view key, double fallback) {
  const GgufValue* value = file.find(key);
  return value != nullptr ? number(key, *value) : fallback;
}

bool gguf_bool_or(const GgufFile& file, std::string_view key, bool fallback) {
  const GgufValue* value = file.find(key);
  return value != nullptr ? typed<bool>(key, *value, "a truth value") : fallback;
}

std::string gguf_string(const GgufFile& file, std::string_view key) { return typed<std::string>(key, require(file, key), "a text"); }

std::string gguf_string_or(const GgufFile& file, std::string_view key, std::string_view fallback) {
  const GgufValue* value = file.find(key);
  return value != nullptr ? typed<std::string>(key, *value, "a text") : std::string(fallback);
}

std::vector<int64_t> gguf_ints_per_layer(const GgufFile& file, std::string_view key, int64_t n, int64_t fallback) {
  const auto count = static_cast<size_t>(n);
  const GgufValue* value = file.find(key);
  if (value == nullptr) return std::vector<int64_t>(count, fallback);
  if (const auto* whole = std::get_if<int64_t>(value)) return std::vector<int64_t>(count, *whole);
  const auto* array = std::get_if<GgufArray>(value);
  const auto* numbers = array != nullptr ? std::get_if<std::vector<int64_t>>(array) : nullptr;
  if (numbers == nullptr) fail_type(key, "a whole number or an array of them", *value);
  if (numbers->size() != count) {
    throw Error(ErrorCode::kBadFile, "metadata key '" + std::string(key) + "' has " + std::to_string(numbers->size()) + " values for " + std::to_string(n) + " layers");
  }
  return *numbers;
}

}  // namespace conclave
