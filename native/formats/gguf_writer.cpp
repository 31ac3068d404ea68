// See gguf_writer.h. Layout: the GGUF v3 description. Arrays lose their element type when read, so the narrowest of the
// usual ones that holds every element exactly is written: i32 or i64, f32 or f64, bool, string.
#include "formats/gguf_writer.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace conclave {
namespace {

constexpr size_t kAlignment = 32;

size_t padded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

class HeaderWriter {
 public:
  template <class T>
  void number(T value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    out_.insert(out_.end(), bytes, bytes + sizeof value);
  }
  void text(std::string_view content) {
    number<uint64_t>(content.size());
    const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
    out_.insert(out_.end(), bytes, bytes + content.size());
  }
  void entry(const GgufEntry& entry) {
    text(entry.key);
    number(static_cast<uint32_t>(entry.type));
    if (const auto* array = std::get_if<GgufArray>(&entry.value)) std::visit([this](const auto& items) { this->items(items); }, *array);
    else scalar(entry);
  }
  std::vector<std::byte> take() {
    out_.resize(padded(out_.size()));
    return std::move(out_);
  }

 private:
  void scalar(const GgufEntry& entry) {
    const auto whole = [&] { return std::get<int64_t>(entry.value); };
    switch (entry.type) {
      case GgufType::kU8: return number(static_cast<uint8_t>(whole()));
      case GgufType::kI8: return number(static_cast<int8_t>(whole()));
      case GgufType::kU16: return number(static_cast<uint16_t>(whole()));
      case GgufType::kI16: return number(static_cast<int16_t>(whole()));
      case GgufType::kU32: return number(static_cast<uint32_t>(whole()));
      case GgufType::kI32: return number(static_cast<int32_t>(whole()));
      case GgufType::kU64: case GgufType::kI64: return number(whole());
      case GgufType::kF32: return number(static_cast<float>(std::get<double>(entry.value)));
      case GgufType::kF64: return number(std::get<double>(entry.value));
      case GgufType::kBool: return number(static_cast<uint8_t>(std::get<bool>(entry.value)));
      case GgufType::kString: return text(std::get<std::string>(entry.value));
      case GgufType::kArray: break;
    }
    assert(false && "an entry of type array must hold one");
  }
  void head(GgufType type, size_t n) {
    number(static_cast<uint32_t>(type));
    number<uint64_t>(n);
  }
  void items(const std::vector<int64_t>& items) {
    const bool narrow = std::all_of(items.begin(), items.end(), [](int64_t v) { return v >= INT32_MIN && v <= INT32_MAX; });
    head(narrow ? GgufType::kI32 : GgufType::kI64, items.size());
    for (const int64_t item : items) narrow ? number(static_cast<int32_t>(item)) : number(item);
  }
  void items(const std::vector<double>& items) {
    const bool narrow = std::all_of(items.begin(), items.end(), [](double v) { return static_cast<double>(static_cast<float>(v)) == v || v != v; });
    head(narrow ? GgufType::kF32 : GgufType::kF64, items.size());
    for (const double item : items) narrow ? number(static_cast<float>(item)) : number(item);
  }
  void items(const std::vector<bool>& items) {
    head(GgufType::kBool, items.size());
    for (const bool item : items) number(static_cast<uint8_t>(item));
  }
  void items(const std::vector<std::string>& items) {
    head(GgufType::kString, items.size());
    for (const std::string& item : items) text(item);
  }

  std::vector<std::byte> out_;
};

}  // namespace

size_t GgufTensorPlan::bytes() const {
  size_t rows = 1;
  for (size_t i = 1; i < dims.size(); ++i) rows *= static_cast<size_t>(dims[i]);
  return rows * row_bytes(type, dims.at(0));
}

std::vector<std::byte> gguf_header(std::span<const GgufEntry> metadata, std::span<const GgufTensorPlan> tensors) {
  HeaderWriter out;
  out.number(uint32_t{0x46554747});   // "GGUF"
  out.number(uint32_t{3});
  out.number<uint64_t>(tensors.size());
  out.number<uint64_t>(metadata.size());
  for (const GgufEntry& entry : metadata) out.entry(entry);
  uint64_t offset = 0;
  for (const GgufTensorPlan& tensor : tensors) {
    out.text(tensor.name);
    out.number(static_cast<uint32_t>(tensor.dims.size()));
    for (const int64_t n : tensor.dims) out.number(static_cast<uint64_t>(n));
    out.number(static_cast<uint32_t>(tensor.type));
    out.number(offset);
    offset += padded(tensor.bytes());
  }
  return out.take();
}

GgufWriter::GgufWriter(const std::string& path, std::span<const GgufEntry> metadata, std::span<const GgufTensorPlan> tensors) : path_(path), partial_(path + ".partial") {
  for (const GgufTensorPlan& tensor : tensors) sizes_.push_back(tensor.bytes());
  const std::filesystem::path place = std::filesystem::path(std::u8string(partial_.begin(), partial_.end()));
#ifdef _WIN32
  file_ = ::_wfopen(place.c_str(), L"wb");
#else
  file_ = std::fopen(place.c_str(), "wb");
#endif
  if (file_ == nullptr) fail("create");
  put(gguf_header(metadata, tensors));
}

GgufWriter::~GgufWriter() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::error_code ignored;   // what is left over is called .partial and says what it is
  std::filesystem::remove(std::filesystem::path(std::u8string(partial_.begin(), partial_.end())), ignored);
}

void GgufWriter::fail(const char* verb) const {
  throw Error(ErrorCode::kIo, std::string("could not ") + verb + " '" + partial_ + "': " + std::strerror(errno));
}

void GgufWriter::put(std::span<const std::byte> bytes) {
  if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail("write");
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  assert(index_ < sizes_.size() && bytes.size() <= sizes_[index_] - written_);
  put(bytes);
  written_ += bytes.size();
  if (written_ < sizes_[index_]) return;
  static constexpr std::byte kZeros[kAlignment] = {};
  put({kZeros, padded(written_) - written_});
  ++index_;
  written_ = 0;
}

void GgufWriter::finish() {
  assert(index_ == sizes_.size());
  std::FILE* const file = std::exchange(file_, nullptr);
  const bool closed = std::fflush(file) == 0 && std::ferror(file) == 0;
  if (std::fclose(file) != 0 || !closed) fail("write");
  const std::filesystem::path from = std::filesystem::path(std::u8string(partial_.begin(), partial_.end())), to = std::filesystem::path(std::u8string(path_.begin(), path_.end()));
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) throw Error(ErrorCode::kIo, "could not rename '" + partial_ + "' to '" + path_ + "': " + error.message());
}

}  // namespace conclave
