// Snapshot files; see snapshot.h.
#include "kv/snapshot.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include "base/error.h"

namespace conclave {

namespace {

static_assert(std::endian::native == std::endian::little, "snapshots are written as they lie in memory");

constexpr uint32_t kFormat = 2;
constexpr size_t kAlignment = 64;

struct Header {
  char magic[8];
  uint32_t format, page_tokens, n_layers, n_tokens;
  char model_sha256[64], engine_version[32], backend[32];
  uint64_t drafters;
};
static_assert(sizeof(Header) == 160);

struct LayerRecord {
  uint32_t type, n_kv_heads, d_k, d_v;
};

template <size_t N>
void put(char (&field)[N], const std::string& text) {
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

size_t n_pages(const SnapshotKey& key) {
  assert(!key.tokens.empty() && key.tokens.size() % kPageTokens == 0);
  return key.tokens.size() / kPageTokens;
}

/// One of a layer's two stores of pages.
struct Store {
  std::byte* data;
  size_t page_bytes;   // of all heads

  std::byte* page(int32_t i) const { return data + page_bytes * static_cast<size_t>(i); }
};

std::array<Store, 2> stores_of(const KvLayer& layer) {
  const auto n_rows = static_cast<size_t>(layer.n_kv_heads) * kPageTokens;
  return {{{static_cast<std::byte*>(layer.k), row_bytes(layer.type, layer.d_k) * n_rows}, {static_cast<std::byte*>(layer.v), row_bytes(layer.type, layer.d_v) * n_rows}}};
}

template <typename T>
void append(std::vector<std::byte>& bytes, const T* values, size_t n) {
  if (n == 0) return;
  const size_t at = bytes.size();
  bytes.resize(at + n * sizeof(T));
  std::memcpy(bytes.data() + at, values, n * sizeof(T));
}

/// Everything before the pages: the same for the same key, so that a comparison of bytes is a comparison of keys.
std::vector<std::byte> prologue(const SnapshotKey& key) {
  Header header{{'C', 'N', 'C', 'L', 'K', 'V', 'S', '\n'}, kFormat, kPageTokens, static_cast<uint32_t>(key.layers.size()), static_cast<uint32_t>(key.tokens.size()), {}, {}, {}, key.drafters};
  put(header.model_sha256, key.model_sha256);
  put(header.engine_version, key.engine_version);
  put(header.backend, key.backend);
  std::vector<std::byte> bytes;
  append(bytes, &header, 1);
  for (const KvLayer& layer : key.layers) {
    const LayerRecord record{static_cast<uint32_t>(layer.type), static_cast<uint32_t>(layer.n_kv_heads), static_cast<uint32_t>(layer.d_k), static_cast<uint32_t>(layer.d_v)};
    append(bytes, &record, 1);
  }
  append(bytes, key.tokens.data(), key.tokens.size());
  bytes.resize((bytes.size() + kAlignment - 1) / kAlignment * kAlignment);
  return bytes;
}

size_t pages_bytes(const SnapshotKey& key) {
  size_t bytes = 0;
  for (const KvLayer& layer : key.layers) {
    for (const Store& store : stores_of(layer)) bytes += store.page_bytes * n_pages(key);
  }
  return bytes;
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(ErrorCode::kBadFile, "the saved prefix '" + path + "' is not used: " + why);
}

/// Which part of the key differs, for the message.
std::string difference(std::span<const std::byte> found, std::span<const std::byte> expected) {
  struct Part { size_t offset, bytes; const char* what; };
  constexpr Part kParts[] = {
      {offsetof(Header, magic), sizeof(Header::magic), "it is not such a file"},
      {offsetof(Header, format), sizeof(Header::format), "it has another format"},
      {offsetof(Header, model_sha256), sizeof(Header::model_sha256), "it belongs to another model"},
      {offsetof(Header, engine_version), sizeof(Header::engine_version), "another version of the engine wrote it"},
      {offsetof(Header, backend), sizeof(Header::backend), "it was computed by another backend"},
      {offsetof(Header, drafters), sizeof(Header::drafters), "it was computed with another drafter"},
      {offsetof(Header, page_tokens), sizeof(uint32_t) * 2, "its pages are laid out differently"},
      {offsetof(Header, n_tokens), sizeof(uint32_t), "it holds other tokens"},
  };
  for (const Part& part : kParts) {
    if (std::memcmp(found.data() + part.offset, expected.data() + part.offset, part.bytes) != 0) return part.what;
  }
  return "it holds other tokens or another layout";
}

struct CloseFile {
  void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }
};

std::filesystem::path native_path(const std::string& utf8) { return std::filesystem::path(std::u8string(utf8.begin(), utf8.end())); }

std::FILE* create(const std::filesystem::path& path) {
#ifdef _WIN32
  return _wfopen(path.c_str(), L"wb");
#else
  return std::fopen(path.c_str(), "wb");
#endif
}

/// The bytes are on the disk, not only on their way: a rename must not overtake them when the power fails.
bool flush(std::FILE* file) {
  if (std::fflush(file) != 0) return false;
#ifdef _WIN32
  return _commit(_fileno(file)) == 0;
#else
  return fsync(fileno(file)) == 0;
#endif
}

}  // namespace

uint64_t checksum64(std::span<const std::byte> bytes) {
  // Four independent lanes, so that the multiplications overlap. Every step is a bijection of the lane for a given word and
  // of the result for given other lanes: one changed word cannot cancel out.
  constexpr uint64_t kFirst = 0x9e3779b185ebca87, kSecond = 0xc2b2ae3d27d4eb4f;
  std::array<uint64_t, 4> lanes{1, 2, 3, 4};
  const auto stir = [](uint64_t lane, uint64_t word) { return std::rotl((lane ^ word) * kFirst, 29) * kSecond; };
  size_t at = 0;
  for (; at + 32 <= bytes.size(); at += 32) {
    std::array<uint64_t, 4> words;
    std::memcpy(words.data(), bytes.data() + at, 32);
    for (size_t i = 0; i < 4; ++i) lanes[i] = stir(lanes[i], words[i]);
  }
  for (size_t i = 0; at < bytes.size(); at += 8, ++i) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<size_t>(8, bytes.size() - at));
    lanes[i] = stir(lanes[i], word);
  }
  uint64_t sum = bytes.size();
  for (const uint64_t lane : lanes) sum = stir(sum, lane);
  return sum ^ (sum >> 32);
}

std::vector<std::byte> make_snapshot(const SnapshotKey& key, Ops& ops, std::span<const int32_t> pages) {
  assert(pages.size() == n_pages(key));
  std::vector<std::byte> file = prologue(key);
  size_t at = file.size();
  file.resize(at + pages_bytes(key) + sizeof(uint64_t));
  for (const KvLayer& layer : key.layers) {
    for (const Store& store : stores_of(layer)) {
      for (const int32_t page : pages) {
        ops.download(file.data() + at, store.page(page), store.page_bytes);
        at += store.page_bytes;
      }
    }
  }
  const uint64_t sum = checksum64(std::span(file).first(at));
  std::memcpy(file.data() + at, &sum, sizeof(sum));
  return file;
}

void write_snapshot(const std::string& path, std::span<const std::byte> snapshot) {
  const std::filesystem::path target = native_path(path), part = native_path(path + ".part");
  const auto fail = [&](int code) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    throw Error(ErrorCode::kIo, "could not write the " + std::to_string(snapshot.size()) + " bytes of the saved prefix '" + path + "': " + std::generic_category().message(code));
  };
  std::unique_ptr<std::FILE, CloseFile> file(create(part));
  if (!file) fail(errno);
  if (std::fwrite(snapshot.data(), 1, snapshot.size(), file.get()) != snapshot.size() || !flush(file.get())) {
    const int code = errno;
    file.reset();
    fail(code);
  }
  if (std::fclose(file.release()) != 0) fail(errno);
  std::error_code failure;
  std::filesystem::rename(part, target, failure);
  if (failure) fail(failure.value());
}

Snapshot::Snapshot(const std::string& path, const SnapshotKey& key) : file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  const std::vector<std::byte> expected = prologue(key);
  if (bytes.size() < expected.size() + sizeof(uint64_t)) {
    if (bytes.size() >= sizeof(Header) && std::memcmp(bytes.data(), expected.data(), sizeof(Header)) != 0) refuse(path, difference(bytes, expected));
    refuse(path, "it ends after " + std::to_string(bytes.size()) + " bytes");
  }
  if (std::memcmp(bytes.data(), expected.data(), expected.size()) != 0) refuse(path, difference(bytes, expected));
  const size_t whole = expected.size() + pages_bytes(key) + sizeof(uint64_t);
  if (bytes.size() != whole) refuse(path, "it has " + std::to_string(bytes.size()) + " bytes instead of " + std::to_string(whole));
  uint64_t sum = 0;
  std::memcpy(&sum, bytes.data() + whole - sizeof(sum), sizeof(sum));
  if (sum != checksum64(bytes.first(whole - sizeof(sum)))) refuse(path, "its checksum is wrong, so it is damaged");
}

void Snapshot::copy_to(const SnapshotKey& key, Ops& ops, std::span<const int32_t> pages) const {
  assert(pages.size() == n_pages(key));
  const std::byte* from = file_.bytes().data() + prologue(key).size();
  for (const KvLayer& layer : key.layers) {
    for (const Store& store : stores_of(layer)) {
      for (const int32_t page : pages) {
        ops.upload(store.page(page), from, store.page_bytes);
        from += store.page_bytes;
      }
    }
  }
}

}  // namespace conclave
