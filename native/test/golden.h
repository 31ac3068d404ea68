// Reference cases: small models as GGUF beside a JSON file of what Hugging Face transformers says of them (prompt, logits
// [48][512], experts and expert_weights [layer][48][k], greedy continuation with the gap between its two best logits).
#pragma once
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "check.h"

namespace conclave::test {

struct GoldenCase {
  std::string name;   // "olmoe-Q4_K"
  std::string model;  // path of the GGUF file
  std::vector<int32_t> prompt, greedy, experts;
  std::vector<float> greedy_gap, expert_weights, logits;
  size_t n_experts_used;   // k

  std::string type() const { return name.substr(name.find('-') + 1); }
  bool plain_type() const { return type() == "F32" || type() == "F16" || type() == "BF16"; }
  size_t n_vocab() const { return logits.size() / prompt.size(); }
};

/// All numbers of the (nested) array under `key`, in order. The files are our own: anything unexpected fails the test.
template <typename T>
std::vector<T> numbers_of(const std::string& json, const std::string& key) {
  const size_t at = json.find('"' + key + "\":");
  CHECK_MSG(at != std::string::npos, "the reference file has no " + key);
  std::vector<T> values;
  int depth = 0;
  for (const char* p = json.c_str() + at + key.size() + 3; *p; ++p) {
    if (*p == '[') ++depth;
    if (*p == ']' && --depth == 0) break;
    if (*p != '-' && (*p < '0' || *p > '9')) continue;
    char* end = nullptr;
    values.push_back(static_cast<T>(std::strtod(p, &end)));
    p = end - 1;
  }
  CHECK_MSG(!values.empty(), "the reference file has nothing under " + key);
  return values;
}

/// Length of the innermost arrays under `key`.
inline size_t inner_length(const std::string& json, const std::string& key) {
  const size_t end = json.find(']', json.find('"' + key + "\":"));
  const size_t begin = json.rfind('[', end);
  return static_cast<size_t>(std::count(json.begin() + static_cast<std::ptrdiff_t>(begin), json.begin() + static_cast<std::ptrdiff_t>(end), ',')) + 1;
}

inline GoldenCase read_golden(const std::filesystem::path& model) {
  std::filesystem::path reference = model;
  std::ifstream file(reference.replace_extension(".json"), std::ios::binary);
  const std::string json((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK_MSG(!json.empty(), "cannot read " + reference.string());
  return {model.stem().string(), model.string(), numbers_of<int32_t>(json, "prompt"), numbers_of<int32_t>(json, "greedy"),
          numbers_of<int32_t>(json, "experts"), numbers_of<float>(json, "greedy_gap"), numbers_of<float>(json, "expert_weights"),
          numbers_of<float>(json, "logits"), inner_length(json, "experts")};
}

/// The cases kept in the repository and those of another folder; of equal names the other folder's.
inline std::vector<GoldenCase> golden_cases_with(const std::filesystem::path& other) {
  std::vector<GoldenCase> found;
  for (const std::filesystem::path& folder : {other, std::filesystem::path(CONCLAVE_FIXTURES) / "golden"}) {
    if (!std::filesystem::is_directory(folder)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".gguf") continue;
      const std::string name = entry.path().stem().string();
      if (std::none_of(found.begin(), found.end(), [&](const GoldenCase& known) { return known.name == name; })) found.push_back(read_golden(entry.path()));
    }
  }
  std::sort(found.begin(), found.end(), [](const GoldenCase& a, const GoldenCase& b) { return a.name < b.name; });
  return found;
}

/// The full set: CONCLAVE_GOLDEN, or ../shared/golden beside the repository.
inline std::vector<GoldenCase> golden_cases() {
  const char* named = std::getenv("CONCLAVE_GOLDEN");
  return golden_cases_with(named ? std::filesystem::path(named) : std::filesystem::path(CONCLAVE_FIXTURES) / "../../../shared/golden");
}

/// The full set only where it was asked for.
inline std::vector<GoldenCase> few_golden_cases() {
  const char* named = std::getenv("CONCLAVE_GOLDEN");
  return golden_cases_with(named ? named : "");
}

}  // namespace conclave::test
