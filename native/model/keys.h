// The metadata under an architecture's prefix, each value checked against a range. Shared by the files that fill a
// ModelSpec; ranges lie far above any real model, so that products in later code cannot overflow.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"

namespace conclave {

inline constexpr int64_t kMaxLayers = 1024, kMaxHeads = 1024, kMaxHeadWidth = 1024, kMaxModelWidth = 1 << 17, kMaxFfnWidth = 1 << 20;
inline constexpr int64_t kMaxExperts = 4096, kMaxExpertsUsed = 128, kMaxVocab = 1 << 22, kMaxContext = 1 << 28;


[[noreturn]] inline void bad_file(const std::string& what) { throw Error(ErrorCode::kBadFile, what); }

inline std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

class Keys {
 public:
  Keys(const GgufFile& file, std::string architecture) : file_(file), prefix_(std::move(architecture) + ".") {}

  std::string name(const char* key) const { return prefix_ + key; }
  bool has(const char* key) const { return file_.find(name(key)) != nullptr; }
  const GgufFile& file() const { return file_; }

  int integer(const char* key, int64_t low, int64_t high) const { return checked(name(key), gguf_int(file_, name(key)), low, high); }
  int integer_or(const char* key, int64_t low, int64_t high, int64_t fallback) const {
    return has(key) ? integer(key, low, high) : static_cast<int>(fallback);
  }
  std::vector<int> per_layer(const char* key, int n_layers, int64_t low, int64_t high, int64_t fallback) const {
    std::vector<int> out;
    for (const int64_t value : gguf_ints_per_layer(file_, name(key), n_layers, fallback)) out.push_back(checked(name(key), value, low, high));
    return out;
  }
  float real(const char* key, double low, double high) const {
    const double value = gguf_float(file_, name(key));
    if (!(value >= low && value <= high)) bad_file("metadata key '" + name(key) + "' is " + shown(value) + "; " + shown(low) + " to " + shown(high) + " is allowed");
    return static_cast<float>(value);
  }
  float real_or(const char* key, double low, double high, double fallback) const { return has(key) ? real(key, low, high) : static_cast<float>(fallback); }

 private:
  static int checked(const std::string& key, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high) {
      bad_file("metadata key '" + key + "' is " + std::to_string(value) + "; " + std::to_string(low) + " to " + std::to_string(high) + " is allowed");
    }
    return static_cast<int>(value);
  }

  const GgufFile& file_;
  std::string prefix_;
};

inline std::string block_tensor(int layer, const char* name) { return "blk." + std::to_string(layer) + "." + name + ".weight"; }

}  // namespace conclave
