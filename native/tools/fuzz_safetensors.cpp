// Fuzzes what a Hugging Face folder hands the engine: a safetensors header, and JSON read as a tokenizer. A libFuzzer target
// with clang (CONCLAVE_LIBFUZZER); fuzz_loop.h drives it otherwise.
#include "base/json_reader.h"
#include "convert/hf_tokenizer.h"
#include "formats/safetensors.h"
#include "test/safetensors_builder.h"
#include "tools/fuzz_loop.h"

namespace {

using conclave::fuzz::Input;
using conclave::fuzz::Random;

void read_safetensors(std::span<const std::byte> bytes) {
  const auto file = conclave::Safetensors::open_memory(bytes, "input");
  for (const conclave::SafeTensor& tensor : file->tensors()) {
    if (file->find(tensor.name) != &tensor) std::abort();
    if (!tensor.bytes.empty() && (tensor.bytes.data() < bytes.data() || tensor.bytes.data() + tensor.bytes.size() > bytes.data() + bytes.size())) std::abort();
  }
}

void read_tokenizer(std::span<const std::byte> bytes) {
  constexpr int64_t kVocab = 16;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const conclave::HfTextFiles files{.tokenizer = conclave::Json::parse(text, "tokenizer.json"), .tokenizer_config = {}, .config = {}, .chat_template = {}};
  if (conclave::tokenizer_entries(files, kVocab).empty()) std::abort();
}

/// Both readings of the same bytes: a text that starts with '{' is JSON, anything else has a chance to be safetensors.
std::string examine(std::span<const std::byte> bytes) {
  const bool is_json = !bytes.empty() && bytes[0] == std::byte{'{'};
  return conclave::fuzz::outcome_of([&] { is_json ? read_tokenizer(bytes) : read_safetensors(bytes); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  examine(std::as_bytes(std::span(data, size)));
  return 0;
}

#ifndef CONCLAVE_LIBFUZZER

namespace {

Input bytes_of(const std::string& text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

std::vector<Input> seeds() {
  conclave::test::SafetensorsBuilder b;
  b.floats("a", {2, 3}, {1, 2, 3, 4, 5, 6}).floats("b.weight", {4}, {1, 2, 3, 4});
  return {b.build(),
          bytes_of(R"({"added_tokens":[{"id":3,"content":"<s>","special":true}],"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"}]},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b",["b","a"]]}})"),
          bytes_of(R"({"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},"model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>","vocab":{"<unk>":0,"<0x0A>":1,"a":2,"\u0061\ud83d\ude00":3,"b":4,"ab":5},"merges":["a b"]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}]}})")};
}

void change_once(Random& random, Input& input, const Input& other) {
  static constexpr char kWords[] = "{}[]\",:\\u0-.eE9tfn \xff\x00";
  const size_t at = random.below(input.size() + 1);
  const auto place = input.begin() + static_cast<ptrdiff_t>(at);
  switch (random.below(6)) {
    case 0: if (at < input.size()) input[at] ^= static_cast<std::byte>(1u << random.below(8)); break;
    case 1: input.insert(place, static_cast<std::byte>(kWords[random.below(sizeof kWords)])); break;
    case 2: if (at < input.size()) input[at] = static_cast<std::byte>(kWords[random.below(sizeof kWords)]); break;
    case 3: input.erase(place, place + static_cast<ptrdiff_t>(random.below(std::min<size_t>(input.size() - at, 20) + 1))); break;
    case 4: {
      const size_t begin = random.below(other.size()), n = random.below(std::min<size_t>(other.size() - begin, 60) + 1);
      const Input part(other.begin() + static_cast<ptrdiff_t>(begin), other.begin() + static_cast<ptrdiff_t>(begin + n));
      input.insert(place, part.begin(), part.end());
      break;
    }
    default: if (input.size() >= 8) input[random.below(8)] = static_cast<std::byte>(random.below(256)); break;   // the header's length
  }
}

void mutate(Random& random, Input& input, const Input& other) {
  constexpr size_t kMostBytes = 1 << 14;
  for (size_t n = 1 + random.below(4); n > 0; --n) change_once(random, input, other);
  if (input.size() > kMostBytes) input.resize(kMostBytes);
}

}  // namespace

int main(int argc, char** argv) { return conclave::fuzz::main_loop(argc, argv, {.name = "fuzz_safetensors", .examine = examine, .mutate = mutate, .seeds = seeds()}); }
#endif
