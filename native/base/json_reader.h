// Reads JSON (RFC 8259) from a stranger into a tree. Bounded: nesting at most 64 deep, and the text's size is the caller's
// to bound (a tree takes at most about twenty times its text). Strings are valid UTF-8 or the text is refused; numbers are
// doubles, and whole ones that fit are kept as int64 too.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace conclave {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;   // in the text's order

  Json() = default;
  template <class T>
  explicit Json(T value) : value_(std::move(value)) {}

  /// Throws Error(kBadFile) naming `file`, the byte and what was expected there.
  static Json parse(std::string_view text, const std::string& file);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const int64_t* whole() const { return std::get_if<int64_t>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }
  /// Whole or not.
  bool number(double& out) const;
  /// The member of that name, the last one if there are several; nullptr if absent or not an object. Linear.
  const Json* find(std::string_view key) const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

}  // namespace conclave
