// Writes safetensors bytes, right or wrong on purpose, and folders of files that go away again; for tests and fuzzing.
#pragma once
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace conclave::test {

inline std::vector<std::byte> safetensors_bytes(const std::string& header, const std::vector<std::byte>& data) {
  const uint64_t length = header.size();
  std::vector<std::byte> out(sizeof length + header.size() + data.size());
  std::memcpy(out.data(), &length, sizeof length);
  std::memcpy(out.data() + sizeof length, header.data(), header.size());
  if (!data.empty()) std::memcpy(out.data() + sizeof length + header.size(), data.data(), data.size());
  return out;
}

struct SafetensorsBuilder {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::vector<std::byte> data;

  /// An F32 tensor; `shape` outer to inner.
  SafetensorsBuilder& floats(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) { return add("F32", name, shape, values.data(), values.size() * sizeof(float)); }
  /// A U8 tensor.
  SafetensorsBuilder& bytes(const std::string& name, const std::vector<int64_t>& shape, const std::vector<uint8_t>& values) { return add("U8", name, shape, values.data(), values.size()); }
  SafetensorsBuilder& add(const char* type, const std::string& name, const std::vector<int64_t>& shape, const void* values, size_t n_bytes) {
    header += ",\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":[";
    for (size_t i = 0; i < shape.size(); ++i) header.append(i > 0 ? "," : "").append(std::to_string(shape[i]));
    const size_t begin = data.size();
    data.resize(begin + n_bytes);
    if (n_bytes > 0) std::memcpy(data.data() + begin, values, n_bytes);
    header += "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(begin + n_bytes) + "]}";
    return *this;
  }
  std::vector<std::byte> build() const { return safetensors_bytes(header + "}", data); }
};

class TemporaryFolder {
 public:
  TemporaryFolder() : place_(std::filesystem::temp_directory_path() / ("conclave-test-" + std::to_string(std::random_device{}()))) { std::filesystem::create_directories(place_); }
  ~TemporaryFolder() {
    std::error_code ignored;   // a left-over in the temporary folder fails no test
    std::filesystem::remove_all(place_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name = "") const { return name.empty() ? place_.string() : (place_ / name).string(); }
  void write(const std::string& name, const std::string& content) const { std::ofstream(place_ / name, std::ios::binary) << content; }
  void write(const std::string& name, const std::vector<std::byte>& content) const {
    std::ofstream(place_ / name, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }

 private:
  std::filesystem::path place_;
};

}  // namespace conclave::test
