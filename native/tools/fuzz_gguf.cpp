// Fuzzes the path from a stranger's bytes to a bound model: parse, spec, binding, first rows as floats. A libFuzzer target
// with clang (CONCLAVE_LIBFUZZER); fuzz_loop.h drives it otherwise.
#include <cstring>

#include "formats/gguf.h"
#include "model/spec.h"
#include "test/model_builder.h"
#include "tools/fuzz_loop.h"
#include "weights/weights.h"

namespace {

using conclave::fuzz::Input;
using conclave::fuzz::Random;

void read_first_row(const conclave::GgufTensor& tensor) {
  constexpr int64_t kMostValues = 1 << 14;
  if (!conclave::dtype_traits(tensor.type)->computable || tensor.dims[0] > kMostValues) return;
  std::vector<float> row(static_cast<size_t>(tensor.dims[0]));
  conclave::dequantize_row(tensor.type, tensor.data, row.data(), tensor.dims[0]);
}

std::string examine(std::span<const std::byte> bytes) {
  return conclave::fuzz::outcome_of([&] {
    const auto file = conclave::GgufFile::open_memory(bytes, "input");
    for (const conclave::GgufTensor& tensor : file->tensors()) read_first_row(tensor);
    const conclave::ModelSpec spec = conclave::spec_from_gguf(*file);
    if (conclave::spec_to_json(spec).empty()) std::abort();
    const conclave::ModelWeights weights = conclave::bind_weights(*file, spec);
    if (conclave::active_bytes_per_token(spec, weights) > 2 * bytes.size() + 4096) std::abort();   // tied embeddings count twice
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  examine(std::as_bytes(std::span(data, size)));
  return 0;
}

#ifndef CONCLAVE_LIBFUZZER

namespace {

constexpr uint64_t kInteresting[] = {0, 1, 2, 3, 4, 7, 8, 9, 12, 16, 31, 32, 33, 64, 127, 128, 255, 256, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
                                     0x100000000, 0x3fffffffffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffe0, 0xffffffffffffffff};

/// Mostly in the metadata, which comes first.
size_t place(Random& random, size_t size) { return random.below(8) == 0 ? random.below(size) : random.below(std::min<size_t>(size, 6000)); }

void put(Input& input, size_t at, uint64_t value, size_t n) { std::memcpy(input.data() + at, &value, std::min(n, input.size() - at)); }

uint64_t neighbour(Random& random, const Input& input, size_t at) {
  uint64_t value = 0;
  if (at + 8 <= input.size()) std::memcpy(&value, input.data() + at, 8);
  return value + random.below(65) - 32;
}

void splice(Random& random, Input& input, size_t at, const Input& from) {
  if (from.empty()) return;
  const size_t begin = place(random, from.size()), n = std::min(from.size() - begin, 1 + random.below(200));
  const Input part(from.begin() + static_cast<ptrdiff_t>(begin), from.begin() + static_cast<ptrdiff_t>(begin + n));
  if (random.below(2) == 0) input.insert(input.begin() + static_cast<ptrdiff_t>(at), part.begin(), part.end());
  else std::copy_n(part.begin(), std::min(n, input.size() - at), input.begin() + static_cast<ptrdiff_t>(at));
}

void change_once(Random& random, Input& input, const Input& other) {
  if (input.empty()) input.resize(1 + random.below(64));
  const size_t at = place(random, input.size());
  switch (random.below(8)) {
    case 0: input[at] = static_cast<std::byte>(random.bits()); break;
    case 1: input[at] ^= static_cast<std::byte>(1u << random.below(8)); break;
    case 2: put(input, at, kInteresting[random.below(std::size(kInteresting))], random.below(2) == 0 ? 4 : 8); break;
    case 3: put(input, at, neighbour(random, input, at), 8); break;
    case 4: input.resize(at); break;
    case 5: input.erase(input.begin() + static_cast<ptrdiff_t>(at), input.begin() + static_cast<ptrdiff_t>(std::min(input.size(), at + 1 + random.below(32)))); break;
    case 6: splice(random, input, at, other); break;
    default: splice(random, input, at, input); break;
  }
}

void mutate(Random& random, Input& input, const Input& other) {
  for (size_t n = 1 + random.below(4); n > 0; --n) change_once(random, input, other);
}

std::vector<Input> seeds() {
  using namespace conclave::test;
  std::vector<Input> all;
  for (TinyModel model : {tiny_mixtral(), tiny_llama(), tiny_olmoe(), tiny_qwen2(), tiny_qwen2moe(), tiny_qwen3(), tiny_qwen3moe()}) {
    model.n_layers = 1;
    all.push_back(model.file().build());
    model.fused = true;
    all.push_back(model.file().build());
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) { return conclave::fuzz::main_loop(argc, argv, {.name = "fuzz_gguf", .examine = examine, .mutate = mutate, .seeds = seeds()}); }
#endif
