// Writes JSON (RFC 8259) into a string. The caller nests; the writer places commas, escapes, and turns bytes that are
// not UTF-8 into U+FFFD and numbers that JSON lacks (NaN, infinity) into null, so the result always parses.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace conclave {

class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag) { return raw(flag ? "true" : "false"); }
  JsonWriter& value(double number);      // shortest text that reads back as the same double
  JsonWriter& value(float number);       // likewise as the same float
  JsonWriter& value(std::integral auto number) { return raw(std::to_string(number)); }
  JsonWriter& null() { return raw("null"); }
  /// Text that already is JSON.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& field(std::string_view name, const T& content) { return key(name).value(content); }

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  void quote(std::string_view text);

  std::string out_;
  bool needs_comma_ = false;
};

}  // namespace conclave
