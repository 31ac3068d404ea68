// The GGUF reader: what it reads, and that every damaged or hostile file ends in one sentence. The corpus is made here,
// one line of damage at a time, so that each file's fault is its name. Run under the sanitizers too.
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "formats/gguf.h"
#include "test/check.h"
#include "test/gguf_builder.h"

using namespace conclave;
using conclave::test::Bytes;
using conclave::test::GgufBuilder;

namespace {

GgufBuilder sound_file() {
  GgufBuilder b;
  b.string("general.architecture", "olmoe").u32("olmoe.block_count", 2).f32("olmoe.rope.freq_base", 10000.f).boolean("tokenizer.ggml.add_bos_token", false);
  b.array<std::string>("tokenizer.ggml.tokens", GgufType::kString, {"a", "", "\xff"}).array<int32_t>("list", GgufType::kI32, {-1, 2});
  b.tensor("token_embd.weight", {32, 3}, DType::kQ8_0).tensor("norm.weight", {32}).tensor("cube", {32, 2, 2}, DType::kF16);
  return b;
}

std::unique_ptr<GgufFile> open(const std::vector<std::byte>& bytes) { return GgufFile::open_memory(bytes, "test.gguf"); }

/// The refusal's message; fails the test when the bytes are accepted or the message is not one printable line.
std::string refusal(const std::vector<std::byte>& bytes, std::optional<ErrorCode> code = ErrorCode::kBadFile) {
  // A copy of exactly this size, so that the address sanitizer sees one byte too far.
  const std::unique_ptr<std::byte[]> exact(new std::byte[bytes.size()]);
  if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
  try {
    GgufFile::open_memory({exact.get(), bytes.size()}, "test.gguf");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK_MSG(!code || error.code() == *code, std::string("wrong code ") + error_code_name(error.code()) + ": " + message);
    CHECK_MSG(message.size() < 600 && message.starts_with("'test.gguf' "), message);
    for (const char c : message) CHECK_MSG(static_cast<unsigned char>(c) >= 0x20, message);
    return message;
  }
  conclave::test::fail(__FILE__, __LINE__, "the bytes were accepted");
}

/// Refused, with `part` in the message.
void refuse(GgufBuilder builder, const std::string& part, ErrorCode code = ErrorCode::kBadFile) {
  const std::string message = refusal(builder.build(), code);
  CHECK_MSG(message.find(part) != std::string::npos, "'" + part + "' is not in: " + message);
}

GgufBuilder with_entry(const Bytes& entry) {
  GgufBuilder b = sound_file();
  b.entry(entry);
  return b;
}

GgufBuilder with_tensor(conclave::test::TensorRecord record) {
  GgufBuilder b = sound_file();
  b.tensors.push_back(std::move(record));
  return b;
}

constexpr uint64_t kHuge = 0xffffffffffffffffull;

}  // namespace

TEST("a sound file reads back as written, in versions 2 and 3") {
  for (const uint32_t version : {2u, 3u}) {
    GgufBuilder b = sound_file();
    b.version = version;
    const std::vector<std::byte> bytes = b.build();
    const auto file = open(bytes);
    CHECK(file->metadata().size() == 6 && file->tensors().size() == 3 && file->file_bytes() == bytes.size());
    CHECK(gguf_string(*file, "general.architecture") == "olmoe");
    CHECK(gguf_int(*file, "olmoe.block_count") == 2);
    CHECK(gguf_float(*file, "olmoe.rope.freq_base") == 10000.0);
    CHECK(gguf_bool_or(*file, "tokenizer.ggml.add_bos_token", true) == false);
    const auto& tokens = std::get<std::vector<std::string>>(std::get<GgufArray>(*file->find("tokenizer.ggml.tokens")));
    CHECK(tokens == (std::vector<std::string>{"a", "", "\xff"}));
    CHECK(gguf_ints_per_layer(*file, "list", 2, 0) == (std::vector<int64_t>{-1, 2}));
    const GgufTensor* table = file->find_tensor("token_embd.weight");
    CHECK(table != nullptr && table->type == DType::kQ8_0 && table->n_dims == 2 && table->dims[0] == 32 && table->dims[1] == 3 && table->dims[2] == 1);
    CHECK(table->bytes == 3 * 34 && table->data >= bytes.data() && table->data + table->bytes <= bytes.data() + bytes.size());
    CHECK((table->data - bytes.data()) % 32 == 0);
    CHECK(file->find_tensor("absent") == nullptr && file->find("absent") == nullptr);
  }
}

TEST("every scalar type keeps its value, also at its limits") {
  GgufBuilder b;
  b.entry(Bytes().text("u8").type(GgufType::kU8).number(uint8_t{255})).entry(Bytes().text("i8").type(GgufType::kI8).number(int8_t{-128}));
  b.entry(Bytes().text("u16").type(GgufType::kU16).number(uint16_t{65535})).entry(Bytes().text("i16").type(GgufType::kI16).number(int16_t{-32768}));
  b.entry(Bytes().text("u32").type(GgufType::kU32).number(uint32_t{4294967295u})).entry(Bytes().text("i32").type(GgufType::kI32).number(int32_t{-2147483647 - 1}));
  b.entry(Bytes().text("u64").type(GgufType::kU64).number(uint64_t{0x7fffffffffffffff})).entry(Bytes().text("i64").type(GgufType::kI64).number(INT64_MIN));
  b.entry(Bytes().text("f64").type(GgufType::kF64).number(1e300));
  const std::vector<std::byte> bytes = b.build();
  const auto file = open(bytes);
  CHECK(gguf_int(*file, "u8") == 255 && gguf_int(*file, "i8") == -128 && gguf_int(*file, "u16") == 65535 && gguf_int(*file, "i16") == -32768);
  CHECK(gguf_int(*file, "u32") == 4294967295 && gguf_int(*file, "i32") == -2147483648ll && gguf_int(*file, "u64") == INT64_MAX && gguf_int(*file, "i64") == INT64_MIN);
  CHECK(gguf_float(*file, "f64") == 1e300);
  CHECK(gguf_float(*file, "u8") == 255.0);   // whole numbers serve as real ones
}

TEST("typed look-ups name the key, what was expected and what is there") {
  const std::vector<std::byte> bytes = sound_file().build();
  const auto file = open(bytes);
  const auto message = [&](auto&& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kBadFile);
      return error.what();
    }
    return "";
  };
  CHECK(message([&] { gguf_int(*file, "none"); }) == "the file lacks the metadata key 'none'");
  CHECK(message([&] { gguf_int(*file, "general.architecture"); }) == "metadata key 'general.architecture' should be a whole number but is a text");
  CHECK(message([&] { gguf_string_or(*file, "list", ""); }) == "metadata key 'list' should be a text but is an array");
  CHECK(message([&] { gguf_bool_or(*file, "olmoe.block_count", false); }) == "metadata key 'olmoe.block_count' should be a truth value but is a whole number");
  CHECK(message([&] { gguf_float_or(*file, "general.architecture", 1); }) == "metadata key 'general.architecture' should be a real number but is a text");
  CHECK(message([&] { gguf_ints_per_layer(*file, "list", 3, 0); }) == "metadata key 'list' has 2 values for 3 layers");
  CHECK(message([&] { gguf_ints_per_layer(*file, "tokenizer.ggml.tokens", 3, 0); }).find("should be a whole number or an array of them") != std::string::npos);
  CHECK(gguf_int_or(*file, "none", 7) == 7 && gguf_string_or(*file, "none", "x") == "x" && gguf_float_or(*file, "none", 0.5) == 0.5);
  CHECK(gguf_ints_per_layer(*file, "none", 2, 9) == (std::vector<int64_t>{9, 9}) && gguf_ints_per_layer(*file, "olmoe.block_count", 2, 9) == (std::vector<int64_t>{2, 2}));
}

TEST("a file cut at any byte is refused") {
  const std::vector<std::byte> whole = sound_file().build();
  for (size_t n = 0; n < whole.size(); ++n) refusal({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)});
}

TEST("a file cut at each section's end says that the download may be incomplete") {
  GgufBuilder b = sound_file();
  const std::vector<std::byte> whole = b.build();
  for (const size_t n : b.boundaries) {
    if (n < 8 || n == whole.size()) continue;
    CHECK(refusal({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)}).find("incomplete") != std::string::npos);
  }
}

TEST("no change of a single header byte crashes the reader") {
  GgufBuilder b = sound_file();
  const std::vector<std::byte> whole = b.build();
  int n_refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::vector<std::byte> damaged = whole;
      damaged[at] = static_cast<std::byte>(value);
      try {
        open(damaged);
      } catch (const Error& error) {
        ++n_refused;
        CHECK(std::string(error.what()).find('\n') == std::string::npos);
      }
    }
  }
  CHECK(n_refused > 500);
}

TEST("not a GGUF file") {
  refusal({});
  GgufBuilder b = sound_file();
  b.magic = "GGUX";
  refuse(b, "does not begin with the letters GGUF");
}

TEST("versions that are not read say which are") {
  for (const uint32_t version : {0u, 1u, 4u, 0xffffffffu}) {
    GgufBuilder b = sound_file();
    b.version = version;
    refuse(b, "versions 2 and 3 are supported", ErrorCode::kUnsupported);
  }
  for (const uint32_t version : {0x02000000u, 0x03000000u}) {
    GgufBuilder b = sound_file();
    b.version = version;
    refuse(b, "big-endian", ErrorCode::kUnsupported);
  }
}

TEST("huge counts are refused before any memory is taken for them") {
  for (const uint64_t n : {uint64_t{1} << 20, uint64_t{1} << 40, uint64_t{1} << 63, kHuge}) {
    GgufBuilder entries = sound_file(), tensors = sound_file();
    entries.n_entries = n;
    tensors.n_tensors = n;
    refuse(entries, "at most 65536 are accepted");
    refuse(tensors, "at most 131072 are accepted");
  }
  GgufBuilder b = sound_file();
  b.n_entries = 60000;
  refuse(b, "60000 entries, but only");
  b = sound_file();
  b.n_tensors = 100000;
  refuse(b, "100000 entries, but only");
  b = sound_file();
  b.n_entries = 7;   // one more than there are: a tensor record read as an entry
  refusal(b.build());
}

TEST("lengths beyond the file are refused: keys, texts, arrays, and texts inside arrays") {
  for (const uint64_t n : {uint64_t{1} << 20, uint64_t{1} << 63, kHuge, kHuge - 7}) {
    refusal(with_entry(Bytes().number(n).raw("key")).build());
    refusal(with_entry(Bytes().text("key").type(GgufType::kString).number(n).raw("value")).build());
    refusal(with_entry(Bytes().text("key").type(GgufType::kArray).type(GgufType::kU8).number(n)).build());
    refusal(with_entry(Bytes().text("key").type(GgufType::kArray).type(GgufType::kF64).number(n)).build());
    refusal(with_entry(Bytes().text("key").type(GgufType::kArray).type(GgufType::kString).number(n)).build());
    refusal(with_entry(Bytes().text("key").type(GgufType::kArray).type(GgufType::kString).number(uint64_t{1}).number(n)).build());
  }
}

TEST("arrays of arrays are refused, also when they refer to themselves without end") {
  Bytes nested = Bytes().text("key").type(GgufType::kArray);
  for (int i = 0; i < 1000; ++i) nested.type(GgufType::kArray).number(uint64_t{1});
  refuse(with_entry(nested), "array of arrays", ErrorCode::kUnsupported);
}

TEST("arrays have a limit together, so that memory is bounded whatever the file's size") {
  GgufBuilder b;
  const std::string half(9 << 20, '\0');
  for (const char* key : {"one", "two"}) b.entry(Bytes().text(key).type(GgufType::kArray).type(GgufType::kU8).number(uint64_t{half.size()}).raw(half));
  refuse(b, "arrays of more than 16777216 values together");
}

TEST("unknown and wrong value types are refused") {
  for (const uint32_t type : {13u, 255u, 0x80000000u, 0xffffffffu}) {
    refuse(with_entry(Bytes().text("key").number(type).number(uint64_t{0})), "unknown value type " + std::to_string(type));
    refuse(with_entry(Bytes().text("key").type(GgufType::kArray).number(type).number(uint64_t{0})), "unknown value type " + std::to_string(type));
  }
  refuse(with_entry(Bytes().text("key").type(GgufType::kBool).number(uint8_t{2})), "truth value 2");
  refuse(with_entry(Bytes().text("key").type(GgufType::kU64).number(kHuge)), "above 2^63 - 1");
  refuse(with_entry(Bytes().text("key").type(GgufType::kArray).type(GgufType::kU64).number(uint64_t{1}).number(kHuge)), "above 2^63 - 1");
}

TEST("keys and names must be text, present and of a sane length") {
  for (const char* name : {"\xff", "a\xc0\x80", "\xed\xa0\x80", "cut\xe2\x82"}) {
    refuse(with_entry(Bytes().text(name).type(GgufType::kU8).number(uint8_t{0})), "not text");
    refuse(with_tensor({.name = name, .dims = {32}, .type = 0, .offset = {}, .bytes = {}, .n_dims = {}}), "not text");
  }
  refuse(with_entry(Bytes().text(std::string("a\0b", 3)).type(GgufType::kU8).number(uint8_t{0})), "not text");
  refuse(with_entry(Bytes().text("").type(GgufType::kU8).number(uint8_t{0})), "of 0 bytes");
  refuse(with_entry(Bytes().text(std::string(70000, 'k')).type(GgufType::kU8).number(uint8_t{0})), "1 to 65535 are allowed");
  refuse(with_tensor({.name = "", .dims = {32}, .type = 0, .offset = {}, .bytes = {}, .n_dims = {}}), "of 0 bytes");
  refuse(with_tensor({.name = std::string(256, 't'), .dims = {32}, .type = 0, .offset = {}, .bytes = {}, .n_dims = {}}), "1 to 255 are allowed");
}

TEST("the same key or the same tensor twice is refused") {
  refuse(with_entry(Bytes().text("olmoe.block_count").type(GgufType::kU8).number(uint8_t{0})), "metadata key 'olmoe.block_count' twice");
  refuse(with_tensor({.name = "norm.weight", .dims = {32}, .type = 0, .offset = {}, .bytes = {}, .n_dims = {}}), "tensor 'norm.weight' twice");
}

TEST("an alignment must be a power of two in range and a whole number") {
  for (const uint32_t alignment : {0u, 1u, 4u, 24u, 33u, 0x20000u, 0x80000000u, 0xffffffffu}) {
    GgufBuilder b = sound_file();
    b.u32("general.alignment", alignment);
    refuse(b, "must be a power of two from 8 to 65536");
  }
  GgufBuilder text = sound_file();
  text.string("general.alignment", "32");
  refuse(text, "the type string instead of a whole number");
  GgufBuilder wide = sound_file();
  wide.alignment = 4096;
  wide.u32("general.alignment", 4096);
  const std::vector<std::byte> bytes = wide.build();
  CHECK((open(bytes)->find_tensor("cube")->data - bytes.data()) % 4096 == 0);
}

TEST("dimensions: none, too many, zero, and products that overflow") {
  const auto tensor = [](std::vector<uint64_t> dims, uint32_t type = 0) {
    return with_tensor({.name = "bad", .dims = std::move(dims), .type = type, .offset = {}, .bytes = 0, .n_dims = {}});
  };
  refuse(tensor({}), "0 dimensions");
  refuse(tensor({1, 1, 1, 1, 1}), "5 dimensions");
  refuse(with_tensor({.name = "bad", .dims = {1}, .type = 0, .offset = {}, .bytes = 0, .n_dims = 0xffffffffu}), "4294967295 dimensions");
  refuse(tensor({0}), "the size 0 in dimension 0");
  refuse(tensor({32, 0}), "the size 0 in dimension 1");
  refuse(tensor({kHuge}), "the size 18446744073709551615");
  refuse(tensor({uint64_t{1} << 32, uint64_t{1} << 32}), "more than 2^63 - 1 values");
  refuse(tensor({uint64_t{1} << 63}), "the size 9223372036854775808");
  refuse(tensor({3, uint64_t{1} << 62, 3}), "more than 2^63 - 1 values");
  refuse(tensor({uint64_t{1} << 62}), "more bytes than the file's");        // 2^62 floats: their bytes overflow
  refuse(tensor({uint64_t{1} << 62}, 30), "more bytes than the file's");
  refuse(tensor({uint64_t{1} << 62}, 8), "more bytes than the file's");
  refuse(tensor({33}, 8), "not a multiple of the 32 in a block of Q8_0");
  refuse(tensor({128}, 12), "not a multiple of the 256 in a block of Q4_K");
}

TEST("unknown number formats are named, known ones that cannot be computed are listed") {
  for (const uint32_t type : {4u, 5u, 9u, 31u, 36u, 1000u, 0xffffffffu}) {
    refuse(with_tensor({.name = "odd", .dims = {32}, .type = type, .offset = {}, .bytes = 4, .n_dims = {}}),
           "tensor 'odd' in number format " + std::to_string(type), ErrorCode::kUnsupported);
  }
  const std::vector<std::byte> bytes = with_tensor({.name = "listed", .dims = {256, 2}, .type = 16, .offset = {}, .bytes = {}, .n_dims = {}}).build();
  CHECK(open(bytes)->find_tensor("listed")->bytes == 2 * 66);
}

TEST("offsets: unaligned, past the end, and wrapping around") {
  const auto at = [](uint64_t offset) { return with_tensor({.name = "lost", .dims = {32}, .type = 0, .offset = offset, .bytes = 0, .n_dims = {}}); };
  for (const uint64_t offset : {uint64_t{1} << 20, uint64_t{1} << 62, kHuge - 31, kHuge - 127}) refuse(at(offset), "past the file's end");
  for (const uint64_t offset : {uint64_t{513}, uint64_t{520}, kHuge}) refuse(at(offset), "not a multiple of the alignment 32");
}

TEST("tensors that share bytes are refused") {
  refuse(with_tensor({.name = "twin", .dims = {32}, .type = 0, .offset = 0, .bytes = {}, .n_dims = {}}), "in the same bytes");
  GgufBuilder b;
  b.tensor("long", {64}).tensor("inside", {8});
  b.tensors[1].offset = 224;   // within the last 32 bytes of the first
  refuse(b, "the tensors 'long' and 'inside' in the same bytes");
}

TEST("hostile names cannot write control characters into a message") {
  GgufBuilder b = sound_file();
  b.tensors.push_back({.name = "\x1b[2J\nnext", .dims = {0}, .type = 0, .offset = {}, .bytes = 0, .n_dims = {}});
  refuse(b, "'?[2J?next'");
}

TEST("shards open as one, in any of their failures say what is wrong") {
  const auto shard = [](int index, int count, const char* tensor, int total) {
    GgufBuilder b;
    if (index == 0) b.string("general.architecture", "olmoe");
    b.entry(Bytes().text("split.no").type(GgufType::kU16).number(static_cast<uint16_t>(index)));
    b.entry(Bytes().text("split.count").type(GgufType::kU16).number(static_cast<uint16_t>(count)));
    b.entry(Bytes().text("split.tensors.count").type(GgufType::kI32).number(static_cast<int32_t>(total)));
    b.tensor(tensor, {8});
    return b.build();
  };
  std::vector<std::string> written;
  const auto write = [&](const std::string& name, const std::vector<std::byte>& bytes) {
    std::ofstream(name, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    written.push_back(name);
    return name;
  };
  const auto message = [](const std::string& path) -> std::string {
    try {
      GgufFile::open(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string first = write("gguf_test-00001-of-00002.gguf", shard(0, 2, "a", 2));
  CHECK(message(first).find("could not open 'gguf_test-00002-of-00002.gguf'") != std::string::npos);
  const std::string second = write("gguf_test-00002-of-00002.gguf", shard(1, 2, "b", 2));
  {
    const auto file = GgufFile::open(first);
    CHECK(file->tensors().size() == 2 && file->find_tensor("a") != nullptr && file->find_tensor("b") != nullptr);
    CHECK(file->file_bytes() == shard(0, 2, "a", 2).size() + shard(1, 2, "b", 2).size());
  }
  CHECK(message(second).find("part 2 of 2; open the first part") != std::string::npos);
  write("gguf_test-00002-of-00002.gguf", shard(1, 2, "a", 2));
  CHECK(message(first).find("tensor 'a' twice") != std::string::npos);
  write("gguf_test-00002-of-00002.gguf", shard(0, 2, "b", 2));
  CHECK(message(first).find("is not part 2 of 2 by its own metadata") != std::string::npos);
  write("gguf_test-00002-of-00002.gguf", shard(1, 2, "b", 2));
  write(first, shard(0, 2, "a", 3));
  CHECK(message(first).find("hold 2 tensors, but 3 are expected") != std::string::npos);
  CHECK(message(write("gguf_test_renamed.gguf", shard(0, 2, "a", 2))).find("restore the original file names") != std::string::npos);
  for (const std::string& name : written) std::remove(name.c_str());
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
