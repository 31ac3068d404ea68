// See gguf.h. Layout: magic "GGUF", u32 version, u64 tensor count, u64 entry count; entries (key, type, value); tensor
// records (name, dimensions, type, offset); padding to the alignment; tensor data. Source: the GGUF specification.
// The limits below are far above any real model; they bound the memory that a hostile file can make us use. Sums and
// products of the file's numbers are compared by division or subtraction before they are formed, so none can overflow.
#include "formats/gguf.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/printable.h"
#include "formats/gguf_reader.h"
#include "formats/mapped_file.h"

namespace conclave {
namespace {

constexpr uint64_t kMaxEntries = 1u << 16;
constexpr uint64_t kMaxTensors = 1u << 17;
constexpr uint64_t kMaxKeyBytes = 65535;        // the specification's own limit
constexpr uint64_t kMaxTensorNameBytes = 255;
constexpr uint64_t kMaxArrayElements = 1u << 24;   // of all arrays of a file together
constexpr uint64_t kMaxAlignment = 1u << 16;
constexpr uint64_t kDefaultAlignment = 32;
constexpr int kMaxShards = 1000;

struct Shard {
  std::optional<MappedFile> file;        // absent when opened from memory
  std::span<const std::byte> bytes;
};

class GgufFileImpl final : public GgufFile {
 public:
  std::span<const GgufEntry> metadata() const override { return entries_; }
  std::span<const GgufTensor> tensors() const override { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const override {
    const auto found = tensor_index_.find(name);
    return found != tensor_index_.end() ? &tensors_[found->second] : nullptr;
  }
  const GgufValue* find(std::string_view key) const override {
    const auto found = entry_index_.find(key);
    return found != entry_index_.end() ? &entries_[found->second].value : nullptr;
  }
  uint64_t file_bytes() const override {
    uint64_t total = 0;
    for (const Shard& shard : shards_) total += shard.bytes.size();
    return total;
  }

  std::vector<Shard> shards_;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  // Keys are views into entries_ and tensors_, which do not change after build_indexes().
  std::unordered_map<std::string_view, size_t> entry_index_, tensor_index_;

  void build_indexes(const std::string& path) {
    entry_index_.reserve(entries_.size());
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (!entry_index_.emplace(entries_[i].key, i).second) {
        throw Error(ErrorCode::kBadFile, "'" + printable(path, kMaxPathShown) + "' has the metadata key '" + printable(entries_[i].key) + "' twice");
      }
    }
    tensor_index_.reserve(tensors_.size());
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (!tensor_index_.emplace(tensors_[i].name, i).second) {
        throw Error(ErrorCode::kBadFile, "'" + printable(path, kMaxPathShown) + "' has the tensor '" + printable(tensors_[i].name) + "' twice");
      }
    }
  }
};

/// Reads one shard's sections in order.
class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), reader_(bytes, name) {}

  void parse(std::vector<GgufEntry>& entries, std::vector<GgufTensor>& tensors) {
    read_header();
    entries.reserve(n_entries_);
    for (uint64_t i = 0; i < n_entries_; ++i) entries.push_back(read_entry());
    find_alignment(entries);
    const size_t first = tensors.size();
    for (uint64_t i = 0; i < n_tensors_; ++i) tensors.push_back(read_tensor());
    place_tensors(std::span(tensors).subspan(first));
  }

 private:
  void read_header() {
    if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) reader_.fail("is not a GGUF file: it does not begin with the letters GGUF");
    reader_.read<uint32_t>("its header");
    const auto version = reader_.read<uint32_t>("its header");
    if (version == 0x02000000u || version == 0x03000000u) {
      reader_.fail("is a big-endian GGUF file, which is not supported; convert it to little endian", ErrorCode::kUnsupported);
    }
    if (version != 2 && version != 3) {
      reader_.fail("is GGUF version " + std::to_string(version) + "; versions 2 and 3 are supported", ErrorCode::kUnsupported);
    }
    n_tensors_ = reader_.read<uint64_t>("its header");
    n_entries_ = reader_.read<uint64_t>("its header");
    limit(n_tensors_, kMaxTensors, "tensors");
    limit(n_entries_, kMaxEntries, "metadata entries");
    reader_.expect_items(n_entries_, 8 + 1 + 4 + 1, "its metadata");
    reader_.expect_items(n_tensors_, 8 + 1 + 4 + 8 + 4 + 8, "its list of tensors");
  }

  void limit(uint64_t n, uint64_t most, const char* what) const {
    if (n > most) reader_.fail("says that it has " + std::to_string(n) + " " + what + "; at most " + std::to_string(most) + " are accepted");
  }

  GgufType read_type(const std::string& key) {
    const auto id = reader_.read<uint32_t>("a value's type");
    if (id > static_cast<uint32_t>(GgufType::kF64)) reader_.fail("gives '" + printable(key) + "' the unknown value type " + std::to_string(id));
    return static_cast<GgufType>(id);
  }

  GgufEntry read_entry() {
    GgufEntry entry{std::string(reader_.read_name("a metadata key", kMaxKeyBytes)), GgufType::kU8, {}};
    entry.type = read_type(entry.key);
    if (entry.type == GgufType::kArray) {
      entry.value = read_array(entry.key);
    } else if (entry.type == GgufType::kString) {
      entry.value = std::string(reader_.read_string("a metadata string"));
    } else if (entry.type == GgufType::kBool) {
      entry.value = read_bool(entry.key);
    } else if (is_float(entry.type)) {
      entry.value = read_float(entry.type);
    } else {
      entry.value = read_int(entry.type, entry.key);
    }
    return entry;
  }

  static bool is_float(GgufType type) { return type == GgufType::kF32 || type == GgufType::kF64; }

  double read_float(GgufType type) {
    return type == GgufType::kF32 ? static_cast<double>(reader_.read<float>("a metadata value")) : reader_.read<double>("a metadata value");
  }

  bool read_bool(const std::string& key) {
    const auto byte = reader_.read<uint8_t>("a metadata value");
    if (byte > 1) reader_.fail("gives '" + printable(key) + "' the truth value " + std::to_string(byte) + "; 0 and 1 are allowed");
    return byte == 1;
  }

  int64_t read_int(GgufType type, const std::string& key) {
    constexpr const char* kWhat = "a metadata value";
    switch (type) {
      case GgufType::kU8: return reader_.read<uint8_t>(kWhat);
      case GgufType::kI8: return reader_.read<int8_t>(kWhat);
      case GgufType::kU16: return reader_.read<uint16_t>(kWhat);
      case GgufType::kI16: return reader_.read<int16_t>(kWhat);
      case GgufType::kU32: return reader_.read<uint32_t>(kWhat);
      case GgufType::kI32: return reader_.read<int32_t>(kWhat);
      case GgufType::kI64: return reader_.read<int64_t>(kWhat);
      default: break;
    }
    const auto value = reader_.read<uint64_t>(kWhat);
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      reader_.fail("gives '" + printable(key) + "' the number " + std::to_string(value) + ", which is above 2^63 - 1");
    }
    return static_cast<int64_t>(value);
  }

  static uint64_t least_bytes(GgufType type) {
    switch (type) {
      case GgufType::kU8: case GgufType::kI8: case GgufType::kBool: return 1;
      case GgufType::kU16: case GgufType::kI16: return 2;
      case GgufType::kU32: case GgufType::kI32: case GgufType::kF32: return 4;
      default: return 8;   // 64-bit numbers, and a string's length
    }
  }

  GgufArray read_array(const std::string& key) {
    const GgufType type = read_type(key);
    if (type == GgufType::kArray) reader_.fail("has an array of arrays in '" + printable(key) + "', which is not supported", ErrorCode::kUnsupported);
    const auto n = reader_.read<uint64_t>("an array's length");
    reader_.expect_items(n, least_bytes(type), "the array '" + printable(key) + "'");
    if (n > kMaxArrayElements - n_array_elements_) {
      reader_.fail("has arrays of more than " + std::to_string(kMaxArrayElements) + " values together; '" + printable(key) + "' with " + std::to_string(n) + " goes beyond");
    }
    n_array_elements_ += n;
    const auto fill = [n](auto values, auto&& read_one) {
      values.reserve(n);
      for (uint64_t i = 0; i < n; ++i) values.push_back(read_one());
      return GgufArray(std::move(values));
    };
    if (type == GgufType::kString) return fill(std::vector<std::string>(), [&] { return std::string(reader_.read_string("a string of an array")); });
    if (type == GgufType::kBool) return fill(std::vector<bool>(), [&] { return read_bool(key); });
    if (is_float(type)) return fill(std::vector<double>(), [&] { return read_float(type); });
    return fill(std::vector<int64_t>(), [&] { return read_int(type, key); });
  }

  void find_alignment(std::span<const GgufEntry> entries) {
    for (const GgufEntry& entry : entries) {
      if (entry.key != "general.alignment") continue;
      const auto* value = std::get_if<int64_t>(&entry.value);
      if (value == nullptr) reader_.fail(std::string("gives general.alignment the type ") + gguf_type_name(entry.type) + " instead of a whole number");
      const int64_t alignment = *value;
      // Multiples of 8 by the specification; the kernels read the numbers of F32 and F64 tensors in place.
      if (alignment < 8 || alignment > static_cast<int64_t>(kMaxAlignment) || (alignment & (alignment - 1)) != 0) {
        reader_.fail("has general.alignment " + std::to_string(alignment) + "; it must be a power of two from 8 to " + std::to_string(kMaxAlignment));
      }
      alignment_ = static_cast<uint64_t>(alignment);
    }
  }

  GgufTensor read_tensor() {
    GgufTensor tensor{};
    tensor.name = reader_.read_name("a tensor's name", kMaxTensorNameBytes);
    const std::string quoted = "tensor '" + printable(tensor.name) + "'";
    const auto n_dims = reader_.read<uint32_t>("a tensor's dimensions");
    if (n_dims < 1 || n_dims > 4) reader_.fail("gives " + quoted + " " + std::to_string(n_dims) + " dimensions; 1 to 4 are allowed");
    tensor.n_dims = static_cast<int>(n_dims);
    std::fill(std::begin(tensor.dims), std::end(tensor.dims), 1);
    constexpr auto kMaxElements = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    uint64_t n_elements = 1;
    for (uint32_t i = 0; i < n_dims; ++i) {
      const auto dim = reader_.read<uint64_t>("a tensor's dimensions");
      if (dim == 0 || dim > kMaxElements) {
        reader_.fail("gives " + quoted + " the size " + std::to_string(dim) + " in dimension " + std::to_string(i));
      }
      if (n_elements > kMaxElements / dim) reader_.fail("gives " + quoted + " more than 2^63 - 1 values");
      n_elements *= dim;
      tensor.dims[i] = static_cast<int64_t>(dim);
    }
    const auto type = reader_.read<uint32_t>("a tensor's type");
    const std::optional<DType> known = dtype_from_gguf(type);
    if (!known) reader_.fail("stores " + quoted + " in number format " + std::to_string(type) + ", which this version does not know", ErrorCode::kUnsupported);
    tensor.type = *known;
    const DTypeTraits& traits = *dtype_traits(*known);
    if (tensor.dims[0] % traits.block_elements != 0) {
      reader_.fail("gives " + quoted + " rows of " + std::to_string(tensor.dims[0]) + " values, which is not a multiple of the " +
                   std::to_string(traits.block_elements) + " in a block of " + traits.name);
    }
    const uint64_t n_blocks = n_elements / traits.block_elements;
    if (n_blocks > bytes_.size() / traits.block_bytes) {
      reader_.fail("gives " + quoted + " more bytes than the file's " + std::to_string(bytes_.size()) + "; the file is damaged or its download is incomplete");
    }
    tensor.bytes = static_cast<size_t>(n_blocks * traits.block_bytes);
    offsets_.push_back(reader_.read<uint64_t>("a tensor's offset"));
    return tensor;
  }

  void place_tensors(std::span<GgufTensor> tensors) {
    const uint64_t start = (reader_.position() + alignment_ - 1) / alignment_ * alignment_;   // position <= size of an object in memory
    for (size_t i = 0; i < tensors.size(); ++i) {
      GgufTensor& tensor = tensors[i];
      const std::string quoted = "tensor '" + printable(tensor.name) + "'";
      if (offsets_[i] % alignment_ != 0) {
        reader_.fail("places " + quoted + " at offset " + std::to_string(offsets_[i]) + ", which is not a multiple of the alignment " + std::to_string(alignment_));
      }
      if (start > bytes_.size() || offsets_[i] > bytes_.size() - start || tensor.bytes > bytes_.size() - start - offsets_[i]) {
        reader_.fail("places " + quoted + " (" + std::to_string(tensor.bytes) + " bytes at offset " + std::to_string(offsets_[i]) + ") past the file's end at byte " +
                     std::to_string(bytes_.size()) + "; the file is damaged or its download is incomplete");
      }
      tensor.data = bytes_.data() + static_cast<size_t>(start + offsets_[i]);
    }
    std::vector<const GgufTensor*> by_place;
    by_place.reserve(tensors.size());
    for (const GgufTensor& tensor : tensors) by_place.push_back(&tensor);
    std::sort(by_place.begin(), by_place.end(), [](const GgufTensor* a, const GgufTensor* b) { return a->data < b->data; });
    for (size_t i = 1; i < by_place.size(); ++i) {
      if (by_place[i - 1]->data + by_place[i - 1]->bytes > by_place[i]->data) {
        reader_.fail("stores the tensors '" + printable(by_place[i - 1]->name) + "' and '" + printable(by_place[i]->name) + "' in the same bytes");
      }
    }
  }

  std::span<const std::byte> bytes_;
  GgufReader reader_;
  uint64_t n_tensors_ = 0, n_entries_ = 0, n_array_elements_ = 0;
  uint64_t alignment_ = kDefaultAlignment;
  std::vector<uint64_t> offsets_;
};

int64_t entry_int(std::span<const GgufEntry> entries, std::string_view key, int64_t fallback) {
  for (const GgufEntry& entry : entries) {
    if (entry.key != key) continue;
    const auto* value = std::get_if<int64_t>(&entry.value);
    return value != nullptr ? *value : fallback;
  }
  return fallback;
}

/// The place of `-00001-of-00003.gguf` in a path and its two numbers, if it ends so.
struct ShardName { size_t start; int index, count; };
std::optional<ShardName> shard_name(const std::string& path) {
  constexpr size_t kLength = sizeof "-00001-of-00003.gguf" - 1;
  if (path.size() < kLength) return std::nullopt;
  const std::string tail = path.substr(path.size() - kLength);
  const auto number = [&](size_t at) {
    int value = 0;
    for (size_t i = at; i < at + 5; ++i) {
      if (tail[i] < '0' || tail[i] > '9') return -1;
      value = value * 10 + (tail[i] - '0');
    }
    return value;
  };
  if (tail[0] != '-' || tail.compare(6, 4, "-of-") != 0 || tail.compare(15, 5, ".gguf") != 0) return std::nullopt;
  const int index = number(1), count = number(10);
  if (index < 1 || count < 1) return std::nullopt;
  return ShardName{path.size() - kLength, index, count};
}

void append_shard(GgufFileImpl& file, const std::string& path, std::vector<GgufEntry>& entries) {
  MappedFile mapped(path);
  const std::span<const std::byte> bytes = mapped.bytes();
  file.shards_.push_back({std::move(mapped), bytes});
  Parser(bytes, path).parse(entries, file.tensors_);
}

void append_other_shards(GgufFileImpl& file, const std::string& path, int64_t count) {
  const std::optional<ShardName> name = shard_name(path);
  if (!name || name->count != count || count > kMaxShards) {
    throw Error(ErrorCode::kBadFile, "'" + printable(path, kMaxPathShown) + "' is one of " + std::to_string(count) + " parts, but its name does not end in -00001-of-" +
                                         std::to_string(count) + " as parts are named; restore the original file names");
  }
  for (int i = 2; i <= count; ++i) {
    char tail[32];
    std::snprintf(tail, sizeof tail, "-%05d-of-%05d.gguf", i, static_cast<int>(count));
    const std::string part = path.substr(0, name->start) + tail;
    std::vector<GgufEntry> entries;
    append_shard(file, part, entries);
    if (entry_int(entries, "split.count", -1) != count || entry_int(entries, "split.no", -1) != i - 1) {
      throw Error(ErrorCode::kBadFile, "'" + printable(part, kMaxPathShown) + "' is not part " + std::to_string(i) + " of " + std::to_string(count) + " by its own metadata");
    }
  }
  const int64_t expected = entry_int(file.entries_, "split.tensors.count", static_cast<int64_t>(file.tensors_.size()));
  if (expected != static_cast<int64_t>(file.tensors_.size())) {
    throw Error(ErrorCode::kBadFile, "'" + printable(path, kMaxPathShown) + "' and its parts hold " + std::to_string(file.tensors_.size()) + " tensors, but " + std::to_string(expected) + " are expected");
  }
}

}  // namespace

std::unique_ptr<GgufFile> GgufFile::open(const std::string& path) {
  auto file = std::make_unique<GgufFileImpl>();
  append_shard(*file, path, file->entries_);
  const int64_t count = entry_int(file->entries_, "split.count", 1);
  if (count > 1) {
    const int64_t index = entry_int(file->entries_, "split.no", 0);
    if (index != 0) {
      throw Error(ErrorCode::kBadArgument, "'" + printable(path, kMaxPathShown) + "' is part " + std::to_string(index + 1) + " of " + std::to_string(count) + "; open the first part");
    }
    append_other_shards(*file, path, count);
  }
  file->build_indexes(path);
  return file;
}

std::unique_ptr<GgufFile> GgufFile::open_memory(std::span<const std::byte> bytes, const std::string& name) {
  auto file = std::make_unique<GgufFileImpl>();
  file->shards_.push_back({std::nullopt, bytes});
  Parser(bytes, name).parse(file->entries_, file->tensors_);
  file->build_indexes(name);
  return file;
}

}  // namespace conclave
