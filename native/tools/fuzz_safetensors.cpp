// Fuzzes what a Hugging Face folder hands the engine: a safetensors header, and JSON read as a tokenizer. Anything but a
// conclave::Error with a one-line message, or a clean result, is a bug. Two drivers, as in fuzz_gguf:
//   clang: a libFuzzer target (CONCLAVE_LIBFUZZER);
//   any compiler: `fuzz_safetensors [--seconds N] [--seed N]`, a mutating loop over built-in inputs that keeps those whose
//   outcome is new. Build it with -DCONCLAVE_SANITIZE=address,undefined.
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>
#include <string>

#include "base/error.h"
#include "base/json_reader.h"
#include "convert/hf_tokenizer.h"
#include "formats/safetensors.h"
#include "test/safetensors_builder.h"

namespace {

using conclave::Error;
using Input = std::vector<std::byte>;

template <class F>
std::string outcome_of(F&& call) {
  try {
    call();
    return "sound";
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.empty() || message.size() > 4096 || message.find('\n') != std::string::npos) std::abort();
    return message;
  }
}

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
  return outcome_of([&] { is_json ? read_tokenizer(bytes) : read_safetensors(bytes); });
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

/// The message's fixed words: quoted parts and numbers removed.
std::string shape_of(const std::string& message) {
  std::string shape;
  bool quoted = false;
  for (const char c : message) {
    if (c == '\'') quoted = !quoted;
    else if (!quoted && (c < '0' || c > '9')) shape += c;
  }
  return shape;
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}
  size_t below(size_t n) { return n == 0 ? 0 : random_() % n; }

  void mutate(Input& input, const Input& other) {
    static constexpr char kWords[] = "{}[]\",:\\u0-.eE9tfn \xff\x00";
    for (size_t times = 1 + below(4); times > 0; --times) {
      const size_t at = below(input.size() + 1);
      const auto place = input.begin() + static_cast<ptrdiff_t>(at);
      switch (below(6)) {
        case 0: if (at < input.size()) input[at] ^= static_cast<std::byte>(1u << below(8)); break;
        case 1: input.insert(place, static_cast<std::byte>(kWords[below(sizeof kWords)])); break;
        case 2: if (at < input.size()) input[at] = static_cast<std::byte>(kWords[below(sizeof kWords)]); break;
        case 3: input.erase(place, place + static_cast<ptrdiff_t>(below(std::min<size_t>(input.size() - at, 20) + 1))); break;
        case 4: {
          const size_t begin = below(other.size()), n = below(std::min<size_t>(other.size() - begin, 60) + 1);
          const Input part(other.begin() + static_cast<ptrdiff_t>(begin), other.begin() + static_cast<ptrdiff_t>(begin + n));
          input.insert(place, part.begin(), part.end());
          break;
        }
        default: if (input.size() >= 8) input[below(8)] = static_cast<std::byte>(below(256)); break;   // the header's length
      }
    }
    constexpr size_t kMostBytes = 1 << 14;
    if (input.size() > kMostBytes) input.resize(kMostBytes);
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  double seconds = 10;
  uint64_t seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--seconds") seconds = std::atof(argv[i + 1]);
    if (std::string(argv[i]) == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  constexpr size_t kMostInputs = 2000;
  std::vector<Input> corpus = seeds();
  std::set<std::string> outcomes;
  for (const Input& input : corpus) {
    if (examine(input) != "sound") std::abort();
  }
  Mutator mutator(seed);
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  uint64_t n_runs = 0, n_sound = 0;
  double slowest = 0;
  while (elapsed() < seconds) {
    Input input = corpus[mutator.below(corpus.size())];
    mutator.mutate(input, corpus[mutator.below(corpus.size())]);
    input.shrink_to_fit();   // so that the address sanitizer sees the first byte too far
    const double before = elapsed();
    const std::string outcome = examine(input);
    slowest = std::max(slowest, elapsed() - before);
    ++n_runs;
    n_sound += outcome == "sound" ? 1 : 0;
    if (outcomes.insert(shape_of(outcome)).second && corpus.size() < kMostInputs) corpus.push_back(input);
  }
  std::printf("%" PRIu64 " inputs in %.0f s, seed %" PRIu64 ": %zu different outcomes, %" PRIu64 " inputs still sound, slowest %.1f ms, no crash\n", n_runs, elapsed(), seed, outcomes.size(), n_sound, slowest * 1e3);
  return 0;
}
#endif
