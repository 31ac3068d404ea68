// `conclave attention`: what one attention over a shared prefix costs when the sequences meet it together and when each reads
// it for itself: the micro-benchmark of Juravsky et al. 2024 ("Hydragen"), one query token a sequence, random keys and values.
// No model is needed. Every call goes to the next of several layers, so that no cache holds what it reads.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>

#include "base/error.h"
#include "base/json_writer.h"
#include "forward/shared_runs.h"
#include "tools/arguments.h"
#include "tools/commands.h"
#include "tools/model_options.h"

namespace conclave {
namespace {

struct Shape { int n_heads, n_kv_heads, d; DType type; };
struct Setting { int batch, prefix, suffix; };
struct Cost { Setting setting; double together_ms, apart_ms, gb; };

std::vector<float> random_floats(size_t n) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> period(4099), values(n);   // a prime: rows differ, and millions of them are made at once
  for (float& value : period) value = normal(random);
  for (size_t i = 0; i < n; ++i) values[i] = period[i % period.size()];
  return values;
}

class Setup {
 public:
  Setup(Ops& ops, const Shape& shape, const Setting& setting) : ops_(ops), shape_(shape) {
    const int common = setting.prefix / kPageTokens, own = setting.suffix / kPageTokens + 1, n_pages = common + setting.batch * own;
    for (int i = 0; i < setting.batch; ++i) {
      std::vector<int32_t>& pages = tables_.emplace_back();
      for (int page = 0; page < common; ++page) pages.push_back(page);
      for (int page = 0; page < own; ++page) pages.push_back(common + i * own + page);
      row_sequence_.push_back(i);
      row_position_.push_back(common * kPageTokens + setting.suffix);
    }
    for (const std::vector<int32_t>& pages : tables_) sequences_.push_back({pages});
    const int64_t n = setting.batch, width = int64_t{shape.n_heads} * shape.d;
    q_ = {device(n * width), DType::kF32, n, width, width};
    out_ = {device(n * width), DType::kF32, n, width, width};
    const std::vector<float> queries = random_floats(static_cast<size_t>(n * width));
    ops_.upload(q_.data, queries.data(), queries.size() * sizeof(float));
    const size_t half = static_cast<size_t>(n_pages) * kPageTokens * kv_token_bytes(shape.type, shape.n_kv_heads, shape.d, 0);
    const int n_layers = static_cast<int>(std::clamp<size_t>((size_t{256} << 20) / half, 1, 8));
    for (int i = 0; i < n_layers; ++i) fill(n_pages, half);
    runs_ = shared_runs(row_sequence_, row_position_, sequences_, {.min_pages = 1, .min_sequences = 2});
    gb_ = 2e-9 * static_cast<double>(half);
  }
  ~Setup() {
    for (void* buffer : buffers_) ops_.free(buffer);
  }
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;

  /// Milliseconds a call, the median of `repeats`.
  double measure(bool together, int repeats) {
    std::vector<double> ms;
    for (int i = 0; i <= repeats; ++i) {
      const auto start = std::chrono::steady_clock::now();
      ops_.begin();
      ops_.attend({.out = out_, .q = q_, .layer = layers_[static_cast<size_t>(i) % layers_.size()], .n_heads = shape_.n_heads, .scale = 0.09f, .softcap = 0.f, .window = 0, .sinks = nullptr, .row_sequence = row_sequence_,
                   .row_position = row_position_, .sequences = sequences_, .shared = together ? std::span<const SharedRun>(runs_) : std::span<const SharedRun>()});
      ops_.submit();
      ops_.wait();
      if (i > 0) ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());   // the first call warms up
    }
    std::sort(ms.begin(), ms.end());
    return ms[ms.size() / 2];
  }
  double gb() const { return gb_; }

 private:
  void* take(size_t bytes) {
    buffers_.push_back(nullptr);
    return buffers_.back() = ops_.alloc(bytes);
  }
  float* device(int64_t n) { return static_cast<float*>(take(static_cast<size_t>(n) * sizeof(float))); }

  void fill(int n_pages, size_t half) {
    const KvLayer layer{take(half), take(half), shape_.type, shape_.n_kv_heads, shape_.d, shape_.d, n_pages};
    layers_.push_back(layer);
    constexpr int kRows = 4096;
    const int64_t width = int64_t{shape_.n_kv_heads} * shape_.d;
    float* const rows = device(kRows * width);
    const std::vector<float> values = random_floats(static_cast<size_t>(kRows * width));
    ops_.upload(rows, values.data(), values.size() * sizeof(float));
    for (int first = 0; first < n_pages * kPageTokens; first += kRows) {
      std::vector<int32_t> slots;
      for (int slot = first; slot < std::min(first + kRows, n_pages * kPageTokens); ++slot) slots.push_back(slot);
      const Tensor some{rows, DType::kF32, static_cast<int64_t>(slots.size()), width, width};
      ops_.begin();
      ops_.store_kv({.layer = layer, .k = some, .v = some, .slots = slots});
      ops_.submit();
      ops_.wait();
    }
  }

  Ops& ops_;
  const Shape shape_;
  std::vector<void*> buffers_;
  std::vector<std::vector<int32_t>> tables_;
  std::vector<SequencePages> sequences_;
  std::vector<int32_t> row_sequence_, row_position_;
  std::vector<KvLayer> layers_;
  std::vector<SharedRun> runs_;
  Tensor q_, out_;
  double gb_ = 0;
};

Shape shape_of(const Arguments& arguments) {
  const std::vector<int32_t> heads = arguments.has("--heads") ? arguments.integers("--heads", 1, 1024) : std::vector<int32_t>{8, 1};
  if (heads.size() != 2 || heads[0] % heads[1] != 0) throw UsageError("the option --heads takes the number of query heads and of key heads, which divides it, as 8,1");
  const std::string kv = arguments.text("--kv", "F16");
  for (const DType type : {DType::kF16, DType::kBF16, DType::kF32, DType::kQ8_0}) {
    if (kv == dtype_traits(type)->name) return {heads[0], heads[1], static_cast<int>(arguments.integer("--width", 32, 512, 128)) / 32 * 32, type};
  }
  throw UsageError("the option --kv is '" + printable(kv) + "'; F16, BF16, F32 and Q8_0 are known");
}

/// Pairs of batch and prefix with every suffix.
std::vector<Setting> settings_of(const Arguments& arguments) {
  const auto list = [&](const char* name, int low, int high, std::vector<int32_t> fallback) { return arguments.has(name) ? arguments.integers(name, low, high) : fallback; };
  const std::vector<int32_t> batch = list("--batch", 2, 1 << 16, {512, 1024, 2048, 4096}), prefix = list("--prefix", kPageTokens, 1 << 20, {1024, 2048, 4096, 8192}), suffix = list("--suffix", 0, 1 << 20, {0, 128, 512});
  if (batch.size() != prefix.size()) throw UsageError("the options --batch and --prefix are lists of the same length: each batch goes with its prefix");
  std::vector<Setting> settings;
  for (size_t i = 0; i < batch.size(); ++i)
    for (const int32_t tokens : suffix) settings.push_back({batch[i], prefix[i], tokens});
  return settings;
}

void print(const std::string& backend, const Shape& shape, const std::vector<Cost>& costs, bool json_wanted) {
  if (!json_wanted) {
    std::printf("%s, %d heads on %d key heads of %d, %s\n%7s %8s %8s %10s %13s %10s\n", backend.c_str(), shape.n_heads, shape.n_kv_heads, shape.d, dtype_traits(shape.type)->name, "batch", "prefix", "suffix", "apart ms", "together ms", "gain");
    for (const Cost& cost : costs) std::printf("%7d %8d %8d %10.3f %13.3f %9.2fx\n", cost.setting.batch, cost.setting.prefix, cost.setting.suffix, cost.apart_ms, cost.together_ms, cost.apart_ms / cost.together_ms);
    return;
  }
  JsonWriter json;
  json.begin_object().field("backend", backend).field("heads", shape.n_heads).field("key_heads", shape.n_kv_heads).field("width", shape.d).field("kv", dtype_traits(shape.type)->name).key("settings").begin_array();
  for (const Cost& cost : costs) {
    json.begin_object().field("batch", cost.setting.batch).field("prefix", cost.setting.prefix).field("suffix", cost.setting.suffix);
    json.field("apart_ms", cost.apart_ms).field("together_ms", cost.together_ms).field("kv_gb", cost.gb).end_object();
  }
  json.end_array().end_object();
  std::puts(json.text().c_str());
}

}  // namespace

int command_attention(std::span<char* const> args) {
  const Arguments arguments(args, {{"--heads", nullptr, true}, {"--width", nullptr, true}, {"--kv", nullptr, true}, {"--batch", nullptr, true}, {"--prefix", nullptr, true}, {"--suffix", nullptr, true},
                                   {"--repeat", nullptr, true}, {"--threads", "-t", true}, {"--device", nullptr, true}, {"--json", nullptr, false}}, 0);
  const Shape shape = shape_of(arguments);
  const int repeats = static_cast<int>(arguments.integer("--repeat", 1, 10000, 9));
  const std::unique_ptr<Ops> ops = make_ops({.n_threads = static_cast<int>(arguments.integer("--threads", 0, 512, 0)), .device = device_argument(arguments)});
  std::vector<Cost> costs;
  for (const Setting& setting : settings_of(arguments)) {
    Setup setup(*ops, shape, setting);
    const double apart = setup.measure(false, repeats), together = setup.measure(true, repeats);
    costs.push_back({setting, together, apart, setup.gb()});
  }
  print(ops->name(), shape, costs, arguments.has("--json"));
  return 0;
}

}  // namespace conclave
