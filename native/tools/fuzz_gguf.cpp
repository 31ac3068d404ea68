// Fuzzes the path from a stranger's bytes to a bound model: parse, spec, binding, first rows as floats. Anything but a
// conclave::Error with a one-line message, or a clean result, is a bug. Two drivers:
//   clang: built as a libFuzzer target (CONCLAVE_LIBFUZZER);
//   any compiler: `fuzz_gguf [--seconds N] [--seed N] [FILE...]`, a mutating loop over built-in models and the given
//   files. It keeps inputs whose outcome (the message without its numbers and names) is new, which walks it through
//   the checks one after another. Build it with -DCONCLAVE_SANITIZE=address,undefined.
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"
#include "model/spec.h"
#include "test/model_builder.h"
#include "weights/weights.h"

namespace {

using conclave::Error;
using Input = std::vector<std::byte>;

void read_first_row(const conclave::GgufTensor& tensor) {
  constexpr int64_t kMostValues = 1 << 14;
  if (!conclave::dtype_traits(tensor.type)->computable || tensor.dims[0] > kMostValues) return;
  std::vector<float> row(static_cast<size_t>(tensor.dims[0]));
  conclave::dequantize_row(tensor.type, tensor.data, row.data(), tensor.dims[0]);
}

/// The outcome as a word or a message; aborts on what must never happen.
std::string examine(std::span<const std::byte> bytes) {
  try {
    const auto file = conclave::GgufFile::open_memory(bytes, "input");
    for (const conclave::GgufTensor& tensor : file->tensors()) read_first_row(tensor);
    const conclave::ModelSpec spec = conclave::spec_from_gguf(*file);
    if (conclave::spec_to_json(spec).empty()) std::abort();
    const conclave::ModelWeights weights = conclave::bind_weights(*file, spec);
    if (conclave::active_bytes_per_token(spec, weights) > 2 * bytes.size() + 4096) std::abort();   // tied embeddings count twice
    return "bound";
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.empty() || message.size() > 4096 || message.find('\n') != std::string::npos) std::abort();
    return message;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  examine(std::as_bytes(std::span(data, size)));
  return 0;
}

#ifndef CONCLAVE_LIBFUZZER

#if defined(__GNUC__)
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));
#endif

namespace {

Input current;

void save_current() {
  std::ofstream("crash.gguf", std::ios::binary).write(reinterpret_cast<const char*>(current.data()), static_cast<std::streamsize>(current.size()));
  std::fprintf(stderr, "the input is in crash.gguf\n");
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

  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(random_() % n); }

  void mutate(Input& input, const Input& other) {
    for (size_t n = 1 + below(4); n > 0; --n) one(input, other);
  }

 private:
  static constexpr uint64_t kInteresting[] = {0, 1, 2, 3, 4, 7, 8, 9, 12, 16, 31, 32, 33, 64, 127, 128, 255, 256, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
                                              0x100000000, 0x3fffffffffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffe0, 0xffffffffffffffff};

  void one(Input& input, const Input& other) {
    if (input.empty()) input.resize(1 + below(64));
    const size_t at = place(input.size());
    switch (below(8)) {
      case 0: input[at] = static_cast<std::byte>(random_()); break;
      case 1: input[at] ^= static_cast<std::byte>(1u << below(8)); break;
      case 2: put(input, at, kInteresting[below(std::size(kInteresting))], below(2) == 0 ? 4 : 8); break;
      case 3: put(input, at, small(input, at), 8); break;
      case 4: input.resize(at); break;
      case 5: input.erase(input.begin() + static_cast<ptrdiff_t>(at), input.begin() + static_cast<ptrdiff_t>(std::min(input.size(), at + 1 + below(32)))); break;
      case 6: splice(input, at, other); break;
      default: splice(input, at, input); break;
    }
  }

  /// Mostly in the metadata, which comes first.
  size_t place(size_t size) { return below(8) == 0 ? below(size) : below(std::min<size_t>(size, 6000)); }

  uint64_t small(const Input& input, size_t at) {
    uint64_t value = 0;
    if (at + 8 <= input.size()) std::memcpy(&value, input.data() + at, 8);
    return value + below(65) - 32;
  }

  static void put(Input& input, size_t at, uint64_t value, size_t n) { std::memcpy(input.data() + at, &value, std::min(n, input.size() - at)); }

  void splice(Input& input, size_t at, const Input& from) {
    if (from.empty()) return;
    const size_t begin = place(from.size()), n = std::min(from.size() - begin, 1 + below(200));
    const Input part(from.begin() + static_cast<ptrdiff_t>(begin), from.begin() + static_cast<ptrdiff_t>(begin + n));
    if (below(2) == 0) input.insert(input.begin() + static_cast<ptrdiff_t>(at), part.begin(), part.end());
    else std::copy_n(part.begin(), std::min(n, input.size() - at), input.begin() + static_cast<ptrdiff_t>(at));
  }

  std::mt19937_64 random_;
};

std::vector<Input> seeds(const std::vector<std::string>& paths) {
  using namespace conclave::test;
  std::vector<Input> all;
  for (TinyModel model : {tiny_mixtral(), tiny_llama(), tiny_olmoe(), tiny_qwen2(), tiny_qwen2moe(), tiny_qwen3(), tiny_qwen3moe()}) {
    model.n_layers = 1;
    all.push_back(model.file().build());
    model.fused = true;
    all.push_back(model.file().build());
  }
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "fuzz_gguf: could not open '%s'\n", path.c_str());
      std::exit(1);
    }
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
    all.emplace_back(begin, begin + bytes.size());
  }
  return all;
}

int fuzz(double seconds, uint64_t seed, const std::vector<std::string>& paths) {
  constexpr size_t kMostInputs = 2000;
  std::vector<Input> corpus = seeds(paths);
  std::set<std::string> outcomes;
  for (const Input& input : corpus) outcomes.insert(shape_of(examine(input)));
  Mutator mutator(seed);
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  uint64_t n_runs = 0, n_bound = 0;
  double slowest = 0;
  while (elapsed() < seconds) {
    current = corpus[mutator.below(corpus.size())];
    mutator.mutate(current, corpus[mutator.below(corpus.size())]);
    current.shrink_to_fit();   // so that the address sanitizer sees the first byte too far
    const double before = elapsed();
    const std::string outcome = examine(current);
    slowest = std::max(slowest, elapsed() - before);
    ++n_runs;
    n_bound += outcome == "bound" ? 1 : 0;
    if (outcomes.insert(shape_of(outcome)).second && corpus.size() < kMostInputs) corpus.push_back(current);
  }
  std::printf("%" PRIu64 " inputs in %.0f s, seed %" PRIu64 ": %zu different outcomes, %" PRIu64 " inputs still a whole model, slowest %.1f ms, no crash\n", n_runs, elapsed(), seed,
              outcomes.size(), n_bound, slowest * 1e3);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 10;
  uint64_t seed = 1;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--seconds" && i + 1 < argc) seconds = std::atof(argv[++i]);
    else if (arg == "--seed" && i + 1 < argc) seed = std::strtoull(argv[++i], nullptr, 10);
    else paths.push_back(arg);
  }
#if defined(__GNUC__)
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_current);
#endif
  return fuzz(seconds, seed, paths);
}
#endif
