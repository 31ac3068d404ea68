// See safetensors.h. Source of the layout: the published description of the safetensors format: u64 length of the
// header, the header as a JSON object, the data; offsets count from the end of the header.
#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/printable.h"
#include "formats/mapped_file.h"

namespace conclave {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;   // the format's own limit
constexpr uint64_t kMaxIndexBytes = 100'000'000;
constexpr size_t kMaxTensors = 1'000'000, kMaxDims = 8, kMaxNameBytes = 1024, kMaxShards = 10'000;

struct TypeName {
  const char* name;
  uint64_t bytes;
  DType type;
  bool known;   // has a GGUF counterpart
};

constexpr TypeName kTypeNames[] = {
    {"F64", 8, DType::kF64, true}, {"F32", 4, DType::kF32, true}, {"F16", 2, DType::kF16, true}, {"BF16", 2, DType::kBF16, true},
    {"I64", 8, DType::kI64, true}, {"I32", 4, DType::kI32, true}, {"I16", 2, DType::kI16, true}, {"I8", 1, DType::kI8, true},
    {"U8", 1, DType::kI8, false}, {"BOOL", 1, DType::kI8, false}, {"F8_E4M3", 1, DType::kI8, false}, {"F8_E5M2", 1, DType::kI8, false},
    {"F8_E8M0", 1, DType::kI8, false}, {"U16", 2, DType::kI16, false}, {"U32", 4, DType::kI32, false}, {"U64", 8, DType::kI64, false},
};

class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  void append_to(std::vector<SafeTensor>& out) {
    uint64_t length = 0;
    if (bytes_.size() < sizeof length) fail("is " + std::to_string(bytes_.size()) + " bytes long, too short for a safetensors file");
    std::memcpy(&length, bytes_.data(), sizeof length);
    if (length > kMaxHeaderBytes || length > bytes_.size() - sizeof length) {
      fail("says that its header has " + std::to_string(length) + " bytes, but only " + std::to_string(bytes_.size() - sizeof length) + " follow and " + std::to_string(kMaxHeaderBytes) +
           " are allowed; it is damaged or its download is incomplete");
    }
    data_ = bytes_.subspan(sizeof length + length);
    const Json header = Json::parse({reinterpret_cast<const char*>(bytes_.data()) + sizeof length, length}, name_);
    const Json::Object* members = header.object();
    if (members == nullptr) fail("has a header that is not a JSON object");
    if (members->size() > kMaxTensors) fail("lists " + std::to_string(members->size()) + " tensors; at most " + std::to_string(kMaxTensors) + " are allowed");
    for (const auto& [tensor_name, record] : *members) {
      if (tensor_name != "__metadata__") out.push_back(read_tensor(tensor_name, record));
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(ErrorCode::kBadFile, "'" + printable(name_, kMaxPathShown) + "' " + what); }
  [[noreturn]] void fail_tensor(const std::string& tensor, const std::string& what) const { fail("has a tensor '" + printable(tensor) + "' " + what); }

  /// A list of at most `limit` numbers from 0.
  std::vector<uint64_t> numbers(const std::string& tensor, const Json& record, const char* key, size_t limit) const {
    const Json* list = record.find(key);
    const Json::Array* items = list != nullptr ? list->array() : nullptr;
    if (items == nullptr || items->size() > limit) fail_tensor(tensor, std::string("whose ") + key + " is not a list of at most " + std::to_string(limit) + " numbers");
    std::vector<uint64_t> out;
    for (const Json& item : *items) {
      const int64_t* value = item.whole();
      if (value == nullptr || *value < 0) fail_tensor(tensor, std::string("whose ") + key + " holds something that is not a whole number from 0");
      out.push_back(static_cast<uint64_t>(*value));
    }
    return out;
  }

  SafeTensor read_tensor(const std::string& tensor, const Json& record) const {
    if (tensor.empty() || tensor.size() > kMaxNameBytes) fail("has a tensor with a name of " + std::to_string(tensor.size()) + " bytes; 1 to " + std::to_string(kMaxNameBytes) + " are allowed");
    const Json* dtype = record.find("dtype");
    const std::string* type_name = dtype != nullptr ? dtype->text() : nullptr;
    if (type_name == nullptr) fail_tensor(tensor, "without a type");
    const auto* type = std::find_if(std::begin(kTypeNames), std::end(kTypeNames), [&](const TypeName& row) { return *type_name == row.name; });
    if (type == std::end(kTypeNames)) fail_tensor(tensor, "of the unknown type '" + printable(*type_name) + "'");
    const std::vector<uint64_t> offsets = numbers(tensor, record, "data_offsets", 2);
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_.size()) {
      fail_tensor(tensor, "that reaches beyond the " + std::to_string(data_.size()) + " bytes of data; it is damaged or its download is incomplete");
    }
    uint64_t bytes = type->bytes;
    SafeTensor out{.name = tensor, .type_name = *type_name, .type = type->known ? dtype_traits(type->type) : nullptr, .shape = {}, .bytes = data_.subspan(offsets[0], offsets[1] - offsets[0])};
    for (const uint64_t n : numbers(tensor, record, "shape", kMaxDims)) {
      if (n != 0 && bytes > UINT64_MAX / n) fail_tensor(tensor, "with a shape too large to be true");
      bytes *= n;
      out.shape.push_back(static_cast<int64_t>(n));
    }
    if (bytes != out.bytes.size()) fail_tensor(tensor, "whose shape asks for " + std::to_string(bytes) + " bytes where " + std::to_string(out.bytes.size()) + " are kept");
    return out;
  }

  std::span<const std::byte> bytes_, data_;
  const std::string& name_;
};

class Opened final : public Safetensors {
 public:
  void add(std::span<const std::byte> bytes, const std::string& name) { HeaderReader(bytes, name).append_to(tensors_); }
  void map(const std::filesystem::path& path) {
    const std::u8string text = path.u8string();
    const MappedFile& file = files_.emplace_back(std::string(text.begin(), text.end()));
    add(file.bytes(), file.path());
  }
  void sort(const std::string& name) {
    std::sort(tensors_.begin(), tensors_.end(), [](const SafeTensor& a, const SafeTensor& b) { return a.name < b.name; });
    const auto twin = std::adjacent_find(tensors_.begin(), tensors_.end(), [](const SafeTensor& a, const SafeTensor& b) { return a.name == b.name; });
    if (twin != tensors_.end()) throw Error(ErrorCode::kBadFile, "'" + printable(name, kMaxPathShown) + "' has two tensors called '" + printable(twin->name) + "'");
  }

  std::span<const SafeTensor> tensors() const override { return tensors_; }
  const SafeTensor* find(std::string_view name) const override {
    const auto found = std::lower_bound(tensors_.begin(), tensors_.end(), name, [](const SafeTensor& tensor, std::string_view key) { return tensor.name < key; });
    return found != tensors_.end() && found->name == name ? &*found : nullptr;
  }

 private:
  std::deque<MappedFile> files_;
  std::vector<SafeTensor> tensors_;
};

/// The files that an index names, each once. A name is a plain file name: an index must not lead out of its folder.
std::set<std::string> shard_names(const std::string& index_path) {
  const MappedFile file(index_path);
  if (file.bytes().size() > kMaxIndexBytes) throw Error(ErrorCode::kBadFile, "'" + printable(index_path, kMaxPathShown) + "' is too large to be an index");
  const Json index = Json::parse({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, index_path);
  const Json* map = index.find("weight_map");
  if (map == nullptr || map->object() == nullptr || map->object()->empty()) throw Error(ErrorCode::kBadFile, "'" + printable(index_path, kMaxPathShown) + "' lists no weights");
  std::set<std::string> names;
  for (const auto& [tensor, shard] : *map->object()) {
    const std::string* name = shard.text();
    if (name == nullptr || name->empty() || name->find_first_of("/\\:") != std::string::npos || name->find('\0') != std::string::npos || name->starts_with('.')) {
      throw Error(ErrorCode::kBadFile, "'" + printable(index_path, kMaxPathShown) + "' places the tensor '" + printable(tensor) + "' in something that is not a file of its folder");
    }
    names.insert(*name);
  }
  if (names.size() > kMaxShards) throw Error(ErrorCode::kBadFile, "'" + printable(index_path, kMaxPathShown) + "' names " + std::to_string(names.size()) + " files; at most " + std::to_string(kMaxShards) + " are allowed");
  return names;
}

}  // namespace

std::unique_ptr<Safetensors> Safetensors::open(const std::string& path) {
  auto opened = std::make_unique<Opened>();
  const std::filesystem::path place = std::filesystem::path(std::u8string(path.begin(), path.end()));
  std::error_code ignored;   // "no" is the answer either way; the open that follows says why
  if (!std::filesystem::is_directory(place, ignored)) {
    opened->map(place);
  } else if (const auto index = place / "model.safetensors.index.json"; std::filesystem::exists(index, ignored)) {
    const std::u8string text = index.u8string();
    for (const std::string& name : shard_names(std::string(text.begin(), text.end()))) opened->map(place / std::u8string(name.begin(), name.end()));
  } else {
    opened->map(place / "model.safetensors");
  }
  opened->sort(path);
  return opened;
}

std::unique_ptr<Safetensors> Safetensors::open_memory(std::span<const std::byte> bytes, const std::string& name) {
  auto opened = std::make_unique<Opened>();
  opened->add(bytes, name);
  opened->sort(name);
  return opened;
}

}  // namespace conclave
