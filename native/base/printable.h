// A stranger's text made fit for one line of an error message.
#pragma once
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace conclave {

inline constexpr size_t kMaxPathShown = 1024;

/// At most about `limit` bytes; control characters and broken UTF-8 become '?'.
inline std::string printable(std::string_view text, size_t limit = 80) {
  std::string out;
  while (!text.empty() && out.size() < limit) {
    const size_t n = utf8_character(text);
    const auto lead = static_cast<unsigned char>(text.front());
    if (n == 0 || lead < 0x20 || lead == 0x7f) {
      out += '?';
      text.remove_prefix(1);
    } else {
      out += text.substr(0, n);
      text.remove_prefix(n);
    }
  }
  return text.empty() ? out : out + "...";
}

}  // namespace conclave
