// A cursor over untrusted GGUF bytes: every read is checked against what is left, every message says what was being
// read and at which byte. Private to formats/.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace conclave {

class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, const std::string& file_name) : bytes_(bytes), file_name_(file_name) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  [[noreturn]] void fail(const std::string& what, ErrorCode code = ErrorCode::kBadFile) const {
    throw Error(code, "'" + printable(file_name_, kMaxPathShown) + "' " + what);
  }

  /// Throws unless `n` items of at least `item_bytes` each can still follow.
  void expect_items(uint64_t n, uint64_t item_bytes, const std::string& what) const {
    if (n > remaining() / item_bytes) {
      fail("says that " + what + " has " + std::to_string(n) + " entries, but only " + std::to_string(remaining()) + " bytes follow byte " +
           std::to_string(position_) + "; the file is damaged or its download is incomplete");
    }
  }

  template <class T>
  T read(const char* what) {
    if (remaining() < sizeof(T)) {
      fail("ends at byte " + std::to_string(bytes_.size()) + " inside " + what + "; the file is damaged or its download is incomplete");
    }
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  /// A length and that many bytes; a view into the file.
  std::string_view read_string(const char* what) {
    const auto length = read<uint64_t>(what);
    if (length > remaining()) {
      fail("says that " + std::string(what) + " at byte " + std::to_string(position_) + " is " + std::to_string(length) + " bytes long, but only " +
           std::to_string(remaining()) + " follow; the file is damaged or its download is incomplete");
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + position_), length);
    position_ += length;
    return text;
  }

  /// A name: non-empty UTF-8 without NUL, at most `limit` bytes.
  std::string_view read_name(const char* what, uint64_t limit) {
    const uint64_t start = position_;
    const std::string_view name = read_string(what);
    if (name.empty() || name.size() > limit) {
      fail("has " + std::string(what) + " of " + std::to_string(name.size()) + " bytes at byte " + std::to_string(start) + "; 1 to " + std::to_string(limit) + " are allowed");
    }
    if (!is_utf8(name) || name.find('\0') != std::string_view::npos) {
      fail("has " + std::string(what) + " at byte " + std::to_string(start) + " that is not text: '" + printable(name) + "'");
    }
    return name;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string file_name_;
  uint64_t position_ = 0;
};

}  // namespace conclave
