// `conclave bench`: how fast a model prefills and decodes here, in tokens and in bytes: the weights that a decoded token
// must read, against what plain streaming reads of memory and of the file (on a card: a copy) reach in the same run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <thread>

#include "base/json_writer.h"
#include "engine/loaded_model.h"
#include "forward/profiling_ops.h"
#include "tools/bench_rows.h"
#include "tools/bench_shared.h"
#include "tools/commands.h"
#include "tools/model_options.h"

namespace conclave {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return 0.5 * (values[(values.size() - 1) / 2] + values[values.size() / 2]);
}

/// GB/s of summing `words`, each thread its own part; the best of several passes.
double stream_bandwidth(std::span<const uint64_t> words, int n_threads) {
  std::vector<uint64_t> sums(static_cast<size_t>(n_threads) * 16);   // a cache line and more for each
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < static_cast<size_t>(n_threads); ++i) {
      threads.emplace_back([&, i] {
        const size_t n = words.size() / static_cast<size_t>(n_threads) / 8 * 8;
        const uint64_t* const part = words.data() + i * n;
        uint64_t lanes[8] = {};
        for (size_t at = 0; at < n; at += 8) {
          for (size_t j = 0; j < 8; ++j) lanes[j] += part[at + j];
        }
        sums[i * 16] = std::accumulate(std::begin(lanes), std::end(lanes), uint64_t{0});
      });
    }
    for (std::thread& thread : threads) thread.join();
    best = std::max(best, static_cast<double>(words.size_bytes()) / seconds_since(start) * 1e-9);
  }
  if (std::accumulate(sums.begin(), sums.end(), uint64_t{0}) == 0) throw Error(ErrorCode::kInternal, "the streaming read summed to nothing");
  return best;
}

/// GB/s read and written by copying a buffer larger than a card's cache within its memory; the best of several passes.
double copy_bandwidth(Ops& ops) {
  constexpr size_t kBytes = size_t{1} << 30;
  constexpr int kCopies = 10;
  const auto free = [&](void* p) { ops.free(p); };
  const std::unique_ptr<void, std::function<void(void*)>> from(ops.alloc(kBytes), free), to(ops.alloc(kBytes), free);
  double best = 0;
  for (int pass = 0; pass < 5; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    ops.begin();
    for (int i = 0; i < kCopies; ++i) ops.copy(to.get(), from.get(), kBytes);
    ops.submit();
    ops.wait();
    best = std::max(best, 2.0 * kCopies * static_cast<double>(kBytes) / seconds_since(start) * 1e-9);
  }
  return best;
}

constexpr size_t kStreamBytes = size_t{512} << 20;   // far more than the caches hold

/// Of memory as the engine's own: huge pages.
double memory_bandwidth(Ops& ops, int n_threads) {
  const std::unique_ptr<void, std::function<void(void*)>> memory(ops.alloc(kStreamBytes), [&](void* p) { ops.free(p); });
  std::memset(memory.get(), 1, kStreamBytes);
  return stream_bandwidth({static_cast<const uint64_t*>(memory.get()), kStreamBytes / 8}, n_threads);
}

/// Of the weights where they lie, in the file's mapping: small pages. From the experts of the first layers on.
double weights_bandwidth(const LoadedModel& model, int n_threads) {
  const std::byte *first = nullptr, *last = nullptr;
  for (const LayerWeights& layer : model.weights().layers) {
    if (!layer.gate) continue;
    if (first == nullptr || layer.gate.data < first) first = layer.gate.data;
    last = std::max(last, layer.gate.data + layer.gate.bytes());
  }
  if (first == nullptr) throw Error(ErrorCode::kInternal, "a model without feed-forwards");
  return stream_bandwidth({reinterpret_cast<const uint64_t*>(first), std::min(static_cast<size_t>(last - first), kStreamBytes) / 8}, n_threads);   // tensors are aligned to 32 bytes
}

/// Fresh sequences: prompts of random tokens in chunks, one after the other; then greedy tokens, one of each sequence a pass.
class Run {
 public:
  Run(LoadedModel& model, int n_sequences, int n_prompt, int chunk) : model_(model), chunk_(static_cast<size_t>(chunk)), sequences_(static_cast<size_t>(n_sequences)) {
    std::mt19937 random(7);
    for (One& one : sequences_) {
      for (int i = 0; i < n_prompt; ++i) one.tokens.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(model.spec().n_vocab)));
      if (!model_.cache().open(one.sequence, one.tokens)) throw Error(ErrorCode::kInternal, "the bench's own cache has no room for its prompt");
    }
  }
  ~Run() {
    for (One& one : sequences_) model_.cache().close(one.sequence, {});
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  /// Seconds that the first prompt took.
  double prefill() {
    double first = 0;
    for (One& one : sequences_) {
      const auto start = std::chrono::steady_clock::now();
      while (one.n_computed < one.tokens.size()) {
        Batch batch;
        add(batch, one, std::min(one.tokens.size() - one.n_computed, chunk_));
        model_.forward().run(batch);
      }
      if (&one == &sequences_.front()) first = seconds_since(start);
      one.next = best_token(0);
    }
    return first;
  }
  /// Seconds for n tokens of each sequence.
  double decode(int n) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < n; ++i) {
      Batch batch;
      for (One& one : sequences_) {
        one.tokens.push_back(one.next);
        if (!model_.cache().reserve(one.sequence, static_cast<int64_t>(one.tokens.size()))) throw Error(ErrorCode::kInternal, "the bench's own cache is too small");
        add(batch, one, 1);
      }
      model_.forward().run(batch);
      for (size_t s = 0; s < sequences_.size(); ++s) sequences_[s].next = best_token(static_cast<int>(s));
    }
    return seconds_since(start);
  }

 private:
  struct One {
    Sequence sequence;
    std::vector<int32_t> tokens;
    size_t n_computed = 0;
    int32_t next = 0;
  };

  static void add(Batch& batch, One& one, size_t n_rows) {
    const int32_t index = static_cast<int32_t>(batch.sequences.size());
    batch.sequences.push_back({one.sequence.pages, one.sequence.state});
    for (size_t end = one.n_computed + n_rows; one.n_computed < end; ++one.n_computed) {
      batch.add_row(one.tokens[one.n_computed], static_cast<int32_t>(one.n_computed), index, one.sequence.slot(static_cast<int64_t>(one.n_computed)));
    }
    if (one.n_computed == one.tokens.size()) batch.logit_rows.push_back(batch.n_rows() - 1);
  }
  int32_t best_token(int row) const {
    if (const TopLogits* best = model_.forward().best_logits(row)) return best->ids.front();
    const std::span<const float> logits = model_.forward().logits(row);
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }

  LoadedModel& model_;
  size_t chunk_;
  std::vector<One> sequences_;
};

struct Report {
  std::string backend;
  int n_sequences = 1;
  double prefill_tps = 0, decode_tps = 0;
  double bytes_per_pass = 0;   // of one sequence: the weights that its token must read; of several: all that the stages of a pass move
  double gb_per_s = 0, stream_gb_per_s = 0, mapped_gb_per_s = 0;
  std::vector<StageProfile> prefill_stages, decode_stages;
  std::optional<HybridCounts> experts;   // where a card holds some of them
};

double moved_bytes(const std::vector<StageProfile>& stages) {
  return std::accumulate(stages.begin(), stages.end(), 0.0, [](double sum, const StageProfile& stage) { return sum + stage.bytes; });
}

void write_stages(JsonWriter& json, const char* name, const std::vector<StageProfile>& stages) {
  json.key(name).begin_array();
  for (const StageProfile& stage : stages) {
    json.begin_object().field("stage", stage.name).field("calls", stage.calls).field("ms", stage.seconds * 1e3).field("bytes", stage.bytes);
    json.field("gb_per_s", stage.bytes / stage.seconds * 1e-9).end_object();
  }
  json.end_array();
}

void print_json(const Report& report) {
  JsonWriter json;
  json.begin_object().field("backend", report.backend).field("sequences", report.n_sequences).field("prefill_tps", report.prefill_tps).field("decode_tps", report.decode_tps);
  json.field("bytes_per_pass", report.bytes_per_pass).field("gb_per_s", report.gb_per_s).field("stream_gb_per_s", report.stream_gb_per_s).field("mapped_gb_per_s", report.mapped_gb_per_s);
  if (report.experts) {
    json.field("experts_placed", report.experts->n_experts).field("experts_on_device", report.experts->n_on_device).field("expert_hits", report.experts->residency.hits);
    json.field("expert_misses", report.experts->residency.misses).field("expert_bytes_moved", report.experts->bytes_moved);
  }
  write_stages(json, "prefill_stages", report.prefill_stages);
  write_stages(json, "decode_stages", report.decode_stages);
  std::puts(json.end_object().text().c_str());
}

void print_stages(const char* title, const std::vector<StageProfile>& stages) {
  double total = 0;
  for (const StageProfile& stage : stages) total += stage.seconds;
  std::printf("\n%-44s %8s %10s %7s %10s %8s\n", title, "calls", "ms", "share", "MB", "GB/s");
  for (const StageProfile& stage : stages) {
    std::printf("%-44s %8lld %10.2f %6.1f%% %10.2f %8.2f\n", stage.name.c_str(), static_cast<long long>(stage.calls), stage.seconds * 1e3, 100 * stage.seconds / total,
                stage.bytes * 1e-6, stage.bytes / stage.seconds * 1e-9);
  }
}

void print_text(const Report& report, int n_prompt, int n_decode) {
  std::printf("%s\n", report.backend.c_str());
  std::printf("prefill %d: %.1f tokens/s\n", n_prompt, report.prefill_tps);
  const char* read = report.n_sequences == 1 ? "weights per token" : "weights, keys and values per pass";
  std::printf("decode %d of %d at once: %.1f tokens/s, %.2f MB of %s, %.2f GB/s\n", n_decode, report.n_sequences, report.decode_tps, report.bytes_per_pass * 1e-6, read, report.gb_per_s);
  std::printf("streaming read of memory: %.2f GB/s; decode reaches %.0f%% of it\n", report.stream_gb_per_s, 100 * report.gb_per_s / report.stream_gb_per_s);
  if (report.mapped_gb_per_s > 0) std::printf("streaming read of the weights in the file's pages: %.2f GB/s; decode reaches %.0f%% of it\n", report.mapped_gb_per_s, 100 * report.gb_per_s / report.mapped_gb_per_s);
  if (report.experts) {
    const HybridCounts& experts = *report.experts;
    std::printf("experts on the card, in layers that it holds in part: %llu of %llu; %.1f%% of the choices were there, %.1f MB of experts moved\n", static_cast<unsigned long long>(experts.n_on_device),
                static_cast<unsigned long long>(experts.n_experts), 100 * experts.hit_rate(), static_cast<double>(experts.bytes_moved) * 1e-6);
  }
  print_stages("prefill stage", report.prefill_stages);
  print_stages("decode stage", report.decode_stages);
}

}  // namespace

int command_bench(std::span<char* const> args) {
  const Arguments arguments(args, {{"--prompt", "-p", true}, {"--decode", "-n", true}, {"--batch", "-b", true}, {"--repeat", nullptr, true}, {"--chunk", nullptr, true}, {"--rows", nullptr, true}, {"--random-rows", nullptr, false}, {"--shared-prefix", nullptr, true},
                                   {"--threads", "-t", true}, {"--device", nullptr, true}, {"--vram", nullptr, true}, {"--expert-cache", nullptr, true}, {"--expert-usage", nullptr, true}, {"--exact", nullptr, false}, {"--json", nullptr, false}}, 1);
  const int n_prompt = static_cast<int>(arguments.integer("--prompt", 1, 1 << 20, 512));
  const int n_decode = static_cast<int>(arguments.integer("--decode", 1, 1 << 20, 64));
  const int n_repeats = static_cast<int>(arguments.integer("--repeat", 1, 1000, 3));
  EngineOptions options = engine_options(arguments);
  options.prefill_chunk = static_cast<int>(arguments.integer("--chunk", 1, 8192, options.prefill_chunk));
  if (arguments.has("--rows")) {
    bench_rows(options, arguments.integers("--rows", 1, 64), n_prompt, std::max(n_repeats, 9), arguments.has("--random-rows"), arguments.has("--json"));
    return 0;
  }
  if (arguments.has("--shared-prefix")) {
    const std::vector<int32_t> batches = arguments.has("--batch") ? arguments.integers("--batch", 2, 4096) : std::vector<int32_t>{8, 32};
    bench_shared(options, arguments.integers("--shared-prefix", 1, 1 << 20), batches, n_decode, arguments.has("--json"));
    return 0;
  }
  const int n_sequences = static_cast<int>(arguments.integer("--batch", 1, 64, 1));
  options.n_context = n_sequences * (n_prompt + n_decode + kPageTokens);   // each begins a page
  options.plain = true;

  double copy_gb_per_s = 0;
  if (options.device != Device::kCpu) {   // before the model comes, which may leave no room on a card
    const std::unique_ptr<Ops> card = make_ops({.device = options.device});
    if (card->memory()) copy_gb_per_s = copy_bandwidth(*card);
  }
  ProfilingOps* profiling = nullptr;
  LoadedModel model(options, n_sequences, {}, [&](std::unique_ptr<Ops> ops) {
    auto wrapped = std::make_unique<ProfilingOps>(std::move(ops));
    profiling = wrapped.get();
    return wrapped;
  });
  std::vector<double> prefill_tps, decode_tps;
  for (int i = 0; i < n_repeats + 1; ++i) {   // the first run warms caches and clocks up, for which a short one does, and is not counted
    Run run(model, n_sequences, i == 0 ? std::min(n_prompt, 512) : n_prompt, options.prefill_chunk);
    const double prefill_seconds = run.prefill(), decode_seconds = run.decode(n_decode);
    if (i == 0) continue;
    prefill_tps.push_back(n_prompt / prefill_seconds);
    decode_tps.push_back(n_sequences * n_decode / decode_seconds);
  }
  Report report;
  report.backend = model.ops().name();
  report.n_sequences = n_sequences;
  report.prefill_tps = median(prefill_tps);
  report.decode_tps = median(decode_tps);
  {
    Run run(model, n_sequences, n_prompt, options.prefill_chunk);
    profiling->start();
    run.prefill();
    report.prefill_stages = profiling->stop();
    profiling->start();
    run.decode(n_decode);
    report.decode_stages = profiling->stop();
  }
  report.bytes_per_pass = n_sequences == 1 ? static_cast<double>(model.active_bytes()) : moved_bytes(report.decode_stages) / n_decode;
  report.gb_per_s = report.decode_tps / n_sequences * report.bytes_per_pass * 1e-9;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int n_threads = options.n_threads > 0 ? options.n_threads : cores;
  const bool on_cpu = !model.ops().memory();
  report.stream_gb_per_s = on_cpu ? memory_bandwidth(model.ops(), n_threads) : copy_gb_per_s;
  if (model.hybrid()) report.experts = model.hybrid()->counts();
  if (on_cpu) report.mapped_gb_per_s = weights_bandwidth(model, n_threads);
  if (arguments.has("--json")) print_json(report);
  else print_text(report, n_prompt, n_decode);
  return 0;
}

}  // namespace conclave
