// Prefixes on disk: at random, what is saved comes back to the bit and alone; nothing damaged or foreign is ever used; and on
// the embedded model, a process that starts from the file says what one that computed the prefix says.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <thread>

#include "base/error.h"
#include "check.h"
#include "engine_run.h"
#include "kv/kv_cache.h"
#include "kv/snapshot.h"

using namespace conclave;
using namespace conclave::test;
using Tokens = std::vector<int32_t>;
using Bytes = std::vector<std::byte>;

namespace {

const char* kModel = CONCLAVE_FIXTURES "/../../models/default/tiny-Q8_0.gguf";
const std::string kSha(64, 'a');

/// A folder that goes with the test.
struct Folder {
  std::filesystem::path path;
  Folder() : path(std::filesystem::temp_directory_path() / ("conclave-snapshot-" + std::to_string(std::random_device{}()))) { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name = "prefix.kv") const { return (path / name).string(); }
  size_t n_files() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {})); }
};

Bytes read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

void write(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  CHECK(file.good());
}

ErrorCode code_of(const std::function<void()>& action, std::string* message = nullptr) {
  try {
    action();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.code();
  }
  conclave::test::fail(__FILE__, __LINE__, "nothing was thrown");
}

std::array<std::pair<void*, int>, 2> stores(const KvLayer& layer) { return {{{layer.k, layer.d_k}, {layer.v, layer.d_v}}}; }

std::unique_ptr<Ops> cpu() { return make_cpu_ops({.n_threads = 1, .precision = Precision::kExact}); }

template <typename... Shapes>
std::vector<KvShape> layers_of(Shapes... shapes) {
  std::vector<KvShape> layers;
  (layers.push_back(shapes), ...);
  return layers;
}

/// A cache of its own with random bytes in every page.
struct Store {
  std::unique_ptr<Ops> ops = cpu();
  std::vector<KvShape> shapes;
  DType type;
  KvCache cache;

  Store(const std::vector<KvShape>& layers, DType kv_type, int64_t n_pages, uint32_t seed) : shapes(layers), type(kv_type), cache(*ops, shapes, type, n_pages, true) {
    std::mt19937 random(seed);
    for (const KvLayer& layer : cache.pool().layers()) {
      for (const auto& [data, d] : stores(layer)) {
        auto* bytes = static_cast<std::byte*>(data);
        const size_t n = row_bytes(type, d) * static_cast<size_t>(layer.n_kv_heads) * kPageTokens * static_cast<size_t>(n_pages);
        for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(random());
      }
    }
  }
  SnapshotKey key(std::span<const int32_t> tokens) const { return {kSha, "1.2.3", ops->name(), cache.pool().layers(), tokens}; }
  /// Makes `tokens` known with whatever its pages hold.
  void know(const Tokens& tokens) {
    Sequence sequence;
    CHECK(cache.open(sequence, tokens).has_value());
    cache.close(sequence, tokens);
  }
  /// The bytes of one page, all layers.
  Bytes page(int32_t page) const {
    Bytes out;
    for (const KvLayer& layer : cache.pool().layers()) {
      for (const auto& [data, d] : stores(layer)) {
        const size_t n = row_bytes(type, d) * static_cast<size_t>(layer.n_kv_heads) * kPageTokens;
        const auto* bytes = static_cast<const std::byte*>(data) + n * static_cast<size_t>(page);
        out.insert(out.end(), bytes, bytes + n);
      }
    }
    return out;
  }
};

Tokens random_tokens(std::mt19937& random, size_t n) {
  Tokens tokens(n);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 50000);
  return tokens;
}

EngineOptions options_of(DType kv_type, Precision precision) {
  EngineOptions options;
  options.path = kModel;
  options.n_threads = 2;
  options.kv_type = kv_type;
  options.precision = precision;
  options.prefill_chunk = 1;   // the fast path rounds a lone row and a row among others differently, and the pace depends on the machine
  return options;
}

Tokens prompt_of(int n) {
  Tokens tokens{0, 1, 201};
  for (int i = 3; i < n; ++i) tokens.push_back(5 + (i * 37) % 4000);
  return tokens;
}

struct Answer {
  Tokens tokens;
  std::vector<float> logprobs;   // of the chosen and the alternatives, in order
  int n_reused = 0;
};

Answer ask(Engine& engine, Tokens tokens, int max_tokens) {
  RequestOptions request;
  request.tokens = std::move(tokens);
  request.max_tokens = max_tokens;
  request.sampler.temperature = 0.f;
  request.sampler.n_top_logprobs = 5;
  const auto outcome = run(engine, std::move(request));
  CHECK_MSG(outcome->failure.empty(), outcome->failure);
  Answer answer{.tokens = outcome->tokens, .logprobs = {}, .n_reused = outcome->timings.n_reused};
  for (const TokenEvent& event : outcome->events) {
    answer.logprobs.push_back(event.logprob);
    for (const TopLogprob& top : event.top) answer.logprobs.push_back(top.logprob);
  }
  return answer;
}

}  // namespace

TEST("any prefix of any layout comes back to the bit") {
  std::mt19937 random(7);
  const Folder folder;
  const DType types[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0};
  for (int round = 0; round < 60; ++round) {
    std::vector<KvShape> shapes;
    for (size_t i = 0, n = 1 + random() % 3; i < n; ++i) shapes.push_back({1 + static_cast<int>(random() % 3), 32 * (1 + static_cast<int>(random() % 2)), 32 * (1 + static_cast<int>(random() % 2))});
    const DType type = types[random() % 4];
    const Tokens tokens = random_tokens(random, kPageTokens * (1 + random() % 6));
    Store from(shapes, type, 12, static_cast<uint32_t>(random())), to(shapes, type, 12, static_cast<uint32_t>(random()));
    from.know(tokens);
    to.know(random_tokens(random, 1 + random() % 90));
    const std::vector<int32_t> pages = from.cache.known_pages(tokens);
    const Bytes file = make_snapshot(from.key(tokens), *from.ops, pages);
    write_snapshot(folder.file(), file);
    CHECK(read(folder.file()) == file && folder.n_files() == 1);

    const Snapshot snapshot(folder.file(), to.key(tokens));
    CHECK(snapshot.bytes() == file.size());
    CHECK(to.cache.restore(tokens, [&](std::span<const int32_t> into) { snapshot.copy_to(to.key(tokens), *to.ops, into); }));
    to.cache.check_integrity({});
    CHECK(to.cache.n_known(tokens) == static_cast<int64_t>(tokens.size()));
    const std::vector<int32_t> restored = to.cache.known_pages(tokens);
    for (size_t i = 0; i < pages.size(); ++i) CHECK(from.page(pages[i]) == to.page(restored[i]));
  }
}

TEST("every single changed byte, and every shortened or lengthened file, is refused") {
  const Folder folder;
  Store store(layers_of(KvShape{1, 32, 32}), DType::kQ8_0, 4, 1);
  Tokens tokens(64);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i);
  store.know(tokens);
  const SnapshotKey key = store.key(tokens);
  const Bytes good = make_snapshot(key, *store.ops, store.cache.known_pages(tokens));
  write(folder.file(), good);
  CHECK(Snapshot(folder.file(), key).bytes() == good.size());
  for (size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= static_cast<std::byte>(1u << (i % 8));
    write(folder.file(), bad);
    CHECK_MSG(code_of([&] { Snapshot(folder.file(), key); }) == ErrorCode::kBadFile, "byte " + std::to_string(i));
  }
  for (const size_t n : {size_t{0}, size_t{7}, size_t{151}, size_t{152}, size_t{300}, good.size() - 8, good.size() - 1}) {
    write(folder.file(), Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n)));
    CHECK_MSG(code_of([&] { Snapshot(folder.file(), key); }) == ErrorCode::kBadFile, std::to_string(n) + " bytes");
  }
  Bytes longer = good;
  longer.resize(good.size() + 8);
  write(folder.file(), longer);
  CHECK(code_of([&] { Snapshot(folder.file(), key); }) == ErrorCode::kBadFile);
  CHECK(code_of([&] { Snapshot(folder.file("absent.kv"), key); }) == ErrorCode::kIo);
}

TEST("a whole file of another model, build, backend, drafter, layout or text is refused, and says which") {
  const Folder folder;
  Store store(layers_of(KvShape{2, 32, 64}, KvShape{1, 32, 32}), DType::kF16, 4, 2);
  Tokens tokens(64, 5);
  store.know(tokens);
  const SnapshotKey key = store.key(tokens);
  write_snapshot(folder.file(), make_snapshot(key, *store.ops, store.cache.known_pages(tokens)));
  const auto refused = [&](const SnapshotKey& other) {
    std::string message;
    CHECK(code_of([&] { Snapshot(folder.file(), other); }, &message) == ErrorCode::kBadFile);
    return message;
  };
  const auto says = [](const std::string& message, const char* words) { CHECK_MSG(message.find(words) != std::string::npos, message); };
  SnapshotKey other = key;
  other.model_sha256.back() = 'b';
  says(refused(other), "another model");
  other = key, other.engine_version = "1.2.4";
  says(refused(other), "version of the engine");
  other = key, other.backend = "cuda";
  says(refused(other), "backend");
  other = key, other.drafters = 7;
  says(refused(other), "another drafter");
  Tokens different = tokens;
  different[32] = 6;
  other = key, other.tokens = different;
  says(refused(other), "other tokens");
  other.tokens = std::span(tokens).first(32);   // what the file holds begins with it, but the file is another's
  says(refused(other), "other tokens");
  const Store wider(layers_of(KvShape{2, 32, 64}, KvShape{1, 64, 32}), DType::kF16, 4, 2), typed(layers_of(KvShape{2, 32, 64}, KvShape{1, 32, 32}), DType::kBF16, 4, 2), deeper(layers_of(KvShape{2, 32, 64}, KvShape{1, 32, 32}, KvShape{1, 32, 32}), DType::kF16, 4, 2);
  for (const Store* store_of_other : {&wider, &typed, &deeper}) refused(store_of_other->key(tokens));
  says(refused(deeper.key(tokens)), "laid out");
}

TEST("a snapshot that cannot be written leaves the old one and no part behind") {
  const Folder folder;
  const Bytes old(100, std::byte{1}), fresh(200, std::byte{2});
  write_snapshot(folder.file(), old);
  CHECK(code_of([&] { write_snapshot(folder.file("absent/prefix.kv"), fresh); }) == ErrorCode::kIo);
  std::filesystem::create_directory(folder.file("taken.kv"));
  CHECK(code_of([&] { write_snapshot(folder.file("taken.kv"), fresh); }) == ErrorCode::kIo);
  CHECK(read(folder.file()) == old && folder.n_files() == 2);
  write_snapshot(folder.file(), fresh);
  CHECK(read(folder.file()) == fresh && folder.n_files() == 2);
}

TEST("restoring makes room by forgetting, but never at the cost of a running sequence") {
  Store store(layers_of(KvShape{1, 32, 32}), DType::kF32, 4, 3);
  const Tokens running = Tokens(64, 1), idle = Tokens(64, 2), wanted = Tokens(40, 3), large = Tokens(70, 4);
  Sequence sequence;
  CHECK(store.cache.open(sequence, running).has_value());
  store.know(idle);
  CHECK(store.cache.n_known(idle) == 64);
  bool filled = false;
  CHECK(!store.cache.restore(large, [&](std::span<const int32_t>) { filled = true; }) && !filled);
  CHECK(store.cache.n_known(idle) == 64);
  CHECK(store.cache.restore(wanted, [&](std::span<const int32_t> pages) { filled = pages.size() == 2; }) && filled);
  CHECK(store.cache.n_known(wanted) == 40 && store.cache.n_known(idle) == 0 && store.cache.known_pages(idle).empty());
  const Sequence* const open[] = {&sequence};
  store.cache.check_integrity(open);
  bool thrown = false;
  try {
    store.cache.restore(idle, [](std::span<const int32_t>) { throw Error(ErrorCode::kIo, "gone"); });
  } catch (const Error&) {
    thrown = true;
  }
  CHECK(thrown);
  store.cache.check_integrity(open);
  store.cache.close(sequence, {});
  store.cache.check_integrity({});
}

TEST("after a restart the answers from the file have the same logits as from a fresh prefill") {
  for (const auto& [kv_type, precision] : {std::pair(DType::kF32, Precision::kExact), std::pair(DType::kF16, Precision::kFast), std::pair(DType::kQ8_0, Precision::kFast)}) {
    const Folder folder;
    const PrefixFile file{folder.file(), kSha, "1.2.3", prompt_of(301)};   // nine pages and 13 tokens
    Tokens question = file.tokens;
    for (int i = 0; i < 25; ++i) question.push_back(700 + i);
    Answer before;
    uint64_t bytes = 0;
    {
      const std::unique_ptr<Engine> engine = Engine::open(options_of(kv_type, precision));
      CHECK(code_of([&] { engine->save_prefix(file); }) == ErrorCode::kBadArgument);
      ask(*engine, file.tokens, 0);
      CHECK(engine->known_prefix(file.tokens) == 301);
      bytes = engine->save_prefix(file);
      before = ask(*engine, question, 24);
      CHECK(before.n_reused == 301);
    }
    CHECK(bytes == std::filesystem::file_size(folder.file()));
    const std::unique_ptr<Engine> engine = Engine::open(options_of(kv_type, precision));
    CHECK(engine->known_prefix(file.tokens) == 0);
    CHECK(engine->load_prefix(file) == bytes && engine->known_prefix(file.tokens) == 288);
    const Answer after = ask(*engine, question, 24);
    const std::string kind = std::string(dtype_traits(kv_type)->name) + (precision == Precision::kExact ? " exact" : " fast");
    CHECK_MSG(after.n_reused == 288 && after.logprobs.size() == 24 * 6, kind);
    CHECK_MSG(after.tokens == before.tokens && after.logprobs == before.logprobs, kind);
  }
}

TEST("an engine refuses what another precision, model or build left, and answers all the same") {
  const Folder folder;
  const PrefixFile file{folder.file(), kSha, "1.2.3", prompt_of(90)};
  {
    const std::unique_ptr<Engine> engine = Engine::open(options_of(DType::kF32, Precision::kExact));
    ask(*engine, file.tokens, 0);
    engine->save_prefix(file);
    PrefixFile other = file;
    other.model_sha256[0] = 'b';
    CHECK(code_of([&] { engine->load_prefix(other); }) == ErrorCode::kBadFile);
    other = file, other.engine_version = "2";
    CHECK(code_of([&] { engine->load_prefix(other); }) == ErrorCode::kBadFile);
    other = file, other.tokens.resize(31);
    CHECK(code_of([&] { engine->load_prefix(other); }) == ErrorCode::kBadArgument);
  }
  const std::unique_ptr<Engine> fast = Engine::open(options_of(DType::kF32, Precision::kFast));
  CHECK(code_of([&] { fast->load_prefix(file); }) == ErrorCode::kBadFile);
  CHECK(fast->known_prefix(file.tokens) == 0 && ask(*fast, file.tokens, 4).tokens.size() == 4);
}

TEST("prefixes are saved and loaded while others are being answered, from several threads") {
  const Folder folder;
  const std::unique_ptr<Engine> engine = Engine::open(options_of(DType::kF16, Precision::kFast));
  const Tokens prefix = prompt_of(120);
  ask(*engine, prefix, 0);
  const Tokens alone = ask(*engine, prompt_of(50), 40).tokens;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const PrefixFile file{folder.file(("p" + std::to_string(t)).c_str()), kSha, "1", prefix};
      for (int i = 0; i < 5; ++i) {
        engine->save_prefix(file);
        engine->load_prefix(file);
        CHECK(engine->known_prefix(prefix) == 120);
      }
    });
  }
  const Tokens among = ask(*engine, prompt_of(50), 40).tokens;
  for (std::thread& thread : threads) thread.join();
  CHECK(among == alone);
}

TEST("the speed of saving and loading, for the record") {
  const Folder folder;
  Store store(layers_of(KvShape{8, 128, 128}, KvShape{8, 128, 128}, KvShape{8, 128, 128}, KvShape{8, 128, 128}), DType::kF16, 66, 4);
  const Tokens tokens(2048, 1);
  store.know(tokens);
  const SnapshotKey key = store.key(tokens);
  const auto began = std::chrono::steady_clock::now();
  const Bytes file = make_snapshot(key, *store.ops, store.cache.known_pages(tokens));
  const auto made = std::chrono::steady_clock::now();
  write_snapshot(folder.file(), file);
  const auto written = std::chrono::steady_clock::now();
  const Snapshot snapshot(folder.file(), key);
  const auto checked = std::chrono::steady_clock::now();
  snapshot.copy_to(key, *store.ops, store.cache.known_pages(tokens));
  const auto copied = std::chrono::steady_clock::now();
  const auto rate = [&](auto from, auto to) { return static_cast<double>(file.size()) / 1e9 / std::chrono::duration<double>(to - from).count(); };
  std::printf("      %.0f MB: make %.1f GB/s, write %.2f GB/s, map and check %.1f GB/s, copy %.1f GB/s\n", static_cast<double>(file.size()) / 1e6, rate(began, made), rate(made, written), rate(written, checked), rate(checked, copied));
  CHECK(file.size() > 33'000'000);
}

int main(int argc, char** argv) {
#ifndef _WIN32
  setenv("CONCLAVE_CHECK_KV", "1", 1);   // a lost page ends the test with a sentence
#endif
  return conclave::test::run_tests(argc, argv);
}
