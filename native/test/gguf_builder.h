// Writes GGUF bytes for tests, right or wrong on purpose: every count, type and offset can be overridden.
#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "formats/block_types.h"
#include "formats/gguf.h"

namespace conclave::test {

class Bytes {
 public:
  template <class T>
  Bytes& number(T value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    data_.insert(data_.end(), bytes, bytes + sizeof value);
    return *this;
  }
  Bytes& text(const std::string& content) {   // with its length before it
    number(static_cast<uint64_t>(content.size()));
    return raw(content);
  }
  Bytes& raw(const std::string& content) {
    const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
    data_.insert(data_.end(), bytes, bytes + content.size());
    return *this;
  }
  Bytes& raw(const Bytes& other) {
    data_.insert(data_.end(), other.data_.begin(), other.data_.end());
    return *this;
  }
  Bytes& type(GgufType type) { return number(static_cast<uint32_t>(type)); }
  void pad(size_t alignment) { data_.resize((data_.size() + alignment - 1) / alignment * alignment); }
  size_t size() const { return data_.size(); }
  const std::vector<std::byte>& data() const { return data_; }

 private:
  std::vector<std::byte> data_;
};

struct TensorRecord {
  std::string name;
  std::vector<uint64_t> dims;            // GGUF order
  uint32_t type = 0;
  std::optional<uint64_t> offset;        // default: after the one before
  std::optional<uint64_t> bytes;         // default: what dims and type say
  std::optional<uint32_t> n_dims;        // default: dims.size()
};

struct GgufBuilder {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> n_entries, n_tensors;   // default: the true counts
  std::vector<Bytes> entries;
  std::vector<TensorRecord> tensors;
  size_t alignment = 32;
  std::vector<size_t> boundaries;                 // where each section, entry and record of the last build() ended
  std::byte fill{0};

  GgufBuilder& entry(const Bytes& bytes) { entries.push_back(bytes); return *this; }
  GgufBuilder& u32(const std::string& key, uint32_t value) { return entry(Bytes().text(key).type(GgufType::kU32).number(value)); }
  GgufBuilder& f32(const std::string& key, float value) { return entry(Bytes().text(key).type(GgufType::kF32).number(value)); }
  GgufBuilder& boolean(const std::string& key, bool value) { return entry(Bytes().text(key).type(GgufType::kBool).number(static_cast<uint8_t>(value))); }
  GgufBuilder& string(const std::string& key, const std::string& value) { return entry(Bytes().text(key).type(GgufType::kString).text(value)); }
  template <class T>
  GgufBuilder& array(const std::string& key, GgufType type, const std::vector<T>& values) {
    Bytes bytes = Bytes().text(key).type(GgufType::kArray).type(type).number(static_cast<uint64_t>(values.size()));
    for (const T& value : values) {
      if constexpr (std::is_same_v<T, std::string>) bytes.text(value);
      else bytes.number(value);
    }
    return entry(bytes);
  }
  GgufBuilder& tensor(const std::string& name, std::vector<uint64_t> dims, DType type = DType::kF32) {
    tensors.push_back({.name = name, .dims = std::move(dims), .type = static_cast<uint32_t>(type), .offset = {}, .bytes = {}, .n_dims = {}});
    return *this;
  }

  std::vector<std::byte> build() {
    boundaries.clear();
    Bytes out;
    const auto mark = [&] { boundaries.push_back(out.size()); };
    out.raw(magic), mark();
    out.number(version), mark();
    out.number(n_tensors.value_or(tensors.size())), mark();
    out.number(n_entries.value_or(entries.size())), mark();
    for (const Bytes& bytes : entries) out.raw(bytes), mark();
    uint64_t next = 0;
    std::vector<uint64_t> ends;
    for (const TensorRecord& record : tensors) {
      out.text(record.name), mark();
      out.number(record.n_dims.value_or(static_cast<uint32_t>(record.dims.size())));
      for (const uint64_t dim : record.dims) out.number(dim);
      mark();
      const uint64_t bytes = record.bytes.value_or(natural_bytes(record));
      const uint64_t offset = record.offset.value_or(next);
      out.number(record.type).number(offset), mark();
      ends.push_back(offset + bytes);
      next = (offset + bytes + alignment - 1) / alignment * alignment;
    }
    out.pad(alignment), mark();
    std::vector<std::byte> data = out.data();
    for (const uint64_t end : ends) {
      constexpr uint64_t kMostData = 64 << 20;   // hostile sizes are declared, not written
      if (end < kMostData && data.size() < out.size() + end) data.resize(out.size() + end, fill);
      boundaries.push_back(data.size());
    }
    return data;
  }

 private:
  static uint64_t natural_bytes(const TensorRecord& record) {
    const DTypeTraits* traits = dtype_traits(static_cast<DType>(record.type));
    uint64_t n = 1;
    for (const uint64_t dim : record.dims) n *= dim;
    return traits != nullptr ? n / traits->block_elements * traits->block_bytes : n;
  }
};

}  // namespace conclave::test
