// See json_writer.h.
#include "base/json_writer.h"

#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace conclave {

void JsonWriter::separate() {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  out_ += ':';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  quote(text);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return raw({digits, static_cast<size_t>(end - digits)});
}

JsonWriter& JsonWriter::value(float number) {
  if (!std::isfinite(number)) return null();
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return raw({digits, static_cast<size_t>(end - digits)});
}

void JsonWriter::quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out_ += '"';
  while (!text.empty()) {
    const size_t n = utf8_character(text);
    const auto lead = static_cast<unsigned char>(text.front());
    if (n == 0) {
      out_ += "\xef\xbf\xbd";
      text.remove_prefix(1);
      continue;
    }
    if (lead == '"' || lead == '\\') {
      out_ += '\\';
      out_ += text.front();
    } else if (lead < 0x20 || lead == 0x7f) {
      out_ += "\\u00";
      out_ += kHex[lead >> 4];
      out_ += kHex[lead & 15];
    } else {
      out_ += text.substr(0, n);
    }
    text.remove_prefix(n);
  }
  out_ += '"';
}

}  // namespace conclave
