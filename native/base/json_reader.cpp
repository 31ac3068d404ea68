// See json_reader.h. One recursive descent; a position and the text are all its state.
#include "base/json_reader.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace conclave {
namespace {

constexpr int kMaxDepth = 64;

class Parser {
 public:
  Parser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Json document() {
    Json value = read_value(0);
    skip_space();
    if (at_ < text_.size()) fail("the end");
    return value;
  }

 private:
  [[noreturn]] void fail(const char* expected) const {
    throw Error(ErrorCode::kBadFile, "'" + printable(file_, kMaxPathShown) + "' is not valid JSON at byte " + std::to_string(at_) + ": " + expected + " was expected");
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Json read_value(int depth) {
    if (depth > kMaxDepth) fail("less than 64 levels of nesting");
    skip_space();
    if (at_ >= text_.size()) fail("a value");
    switch (text_[at_]) {
      case '{': return Json(read_object(depth));
      case '[': return Json(read_array(depth));
      case '"': return Json(read_string());
      default: break;
    }
    if (take_word("true")) return Json(true);
    if (take_word("false")) return Json(false);
    if (take_word("null")) return Json();
    return read_number();
  }

  Json::Object read_object(int depth) {
    Json::Object members;
    ++at_;
    if (take('}')) return members;
    do {
      skip_space();
      if (at_ >= text_.size() || text_[at_] != '"') fail("a member's name");
      std::string key = read_string();
      if (!take(':')) fail("':'");
      members.emplace_back(std::move(key), read_value(depth + 1));
    } while (take(','));
    if (!take('}')) fail("',' or '}'");
    return members;
  }

  Json::Array read_array(int depth) {
    Json::Array items;
    ++at_;
    if (take(']')) return items;
    do items.push_back(read_value(depth + 1));
    while (take(','));
    if (!take(']')) fail("',' or ']'");
    return items;
  }

  /// JSON's grammar, then from_chars: that alone would also take "inf" and ".5".
  Json read_number() {
    const size_t begin = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    const size_t digits = at_;
    const auto skip_digits = [&] { while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_; };
    skip_digits();
    if (at_ == digits) fail("a value");
    if (text_[digits] == '0' && at_ > digits + 1) fail("a number without leading zeros");
    bool is_whole = true;
    if (at_ < text_.size() && text_[at_] == '.') {
      const size_t point = at_++;
      skip_digits();
      if (at_ == point + 1) fail("a digit");
      is_whole = false;
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      const size_t exponent = at_;
      skip_digits();
      if (at_ == exponent) fail("a digit");
      is_whole = false;
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    int64_t whole = 0;
    if (is_whole && std::from_chars(first, last, whole).ec == std::errc{}) return Json(whole);
    double real = 0;
    if (std::from_chars(first, last, real).ec != std::errc{}) fail("a number that a double can hold");
    return Json(real);
  }

  unsigned read_hex4() {
    unsigned code = 0;
    if (text_.size() - at_ < 4) fail("four hexadecimal digits");
    const auto result = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, code, 16);
    if (result.ptr != text_.data() + at_ + 4) fail("four hexadecimal digits");
    at_ += 4;
    return code;
  }

  void append_escape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const char name = at_ < text_.size() ? text_[at_++] : '\0';
    if (const size_t i = kNames.find(name); i != std::string_view::npos && name != '\0') {
      out += kValues[i];
      return;
    }
    if (name != 'u') fail("an escape sequence");
    unsigned code = read_hex4();
    if (code >= 0xd800 && code < 0xdc00 && take_word("\\u")) {
      const unsigned low = read_hex4();
      if (low < 0xdc00 || low > 0xdfff) fail("the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code >= 0xd800 && code < 0xe000) fail("a whole surrogate pair");
    append_utf8(out, code);
  }

  static void append_utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
      return;
    }
    const int n_more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static constexpr unsigned kLead[] = {0, 0xc0, 0xe0, 0xf0};
    out += static_cast<char>(kLead[n_more] | code >> (6 * n_more));
    for (int i = n_more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3f));
  }

  std::string read_string() {
    ++at_;
    std::string out;
    for (;;) {
      const size_t begin = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' && static_cast<unsigned char>(text_[at_]) >= 0x20) ++at_;
      const std::string_view plain = text_.substr(begin, at_ - begin);
      if (!is_utf8(plain)) fail("UTF-8 text");
      out += plain;
      if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 0x20) fail("the end of a text");
      if (text_[at_++] == '"') return out;
      append_escape(out);
    }
  }

  std::string_view text_;
  const std::string& file_;
  size_t at_ = 0;
};

}  // namespace

Json Json::parse(std::string_view text, const std::string& file) { return Parser(text, file).document(); }

bool Json::number(double& out) const {
  if (const auto* integer = std::get_if<int64_t>(&value_)) out = static_cast<double>(*integer);
  else if (const auto* real = std::get_if<double>(&value_)) out = *real;
  else return false;
  return true;
}

const Json* Json::find(std::string_view key) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  for (auto member = members->rbegin(); member != members->rend(); ++member) {
    if (member->first == key) return &member->second;
  }
  return nullptr;
}

}  // namespace conclave
