// Experts in two memories: which of them lie on the device (a policy without memory), that every choice is computed once,
// rightly and by one side while they change places, and that a device without room ends in a sentence and nothing worse. The
// device is the GPU's kernels compiled for the host; the reference models in this setting are in forward_test.
#include <algorithm>
#include <array>
#include <numeric>

#include "engine/scheduler.h"
#include "engine_run.h"
#include "golden.h"
#include "ops/gpu_host/memory.h"
#include "ops_fixture.h"
#include "weights/hybrid_ops.h"
#include "weights/plan.h"

using namespace conclave;
using namespace conclave::test;

namespace {

/// One layer of `n` experts, the first `slots` of them on the device.
ExpertResidency one_layer(int n, int slots, ResidencyPolicy policy, int max_moves = 1) {
  std::vector<int32_t> on_device(static_cast<size_t>(slots));
  std::iota(on_device.begin(), on_device.end(), 0);
  return {{{n, on_device}}, policy, max_moves};
}

std::optional<ExpertMove> pass(ExpertResidency& residency, std::initializer_list<int> chosen, size_t layer = 0) {
  std::vector<int32_t> n_rows(residency.slots(layer).size(), 0);
  for (const int expert : chosen) ++n_rows[static_cast<size_t>(expert)];
  residency.begin_pass();
  return residency.choose(layer, n_rows);
}

bool is_move(const std::optional<ExpertMove>& move, int expert, int slot, int replaced) {
  return move && move->expert == expert && move->slot == slot && move->replaced == replaced;
}

std::unique_ptr<Ops> device_ops(size_t memory_bytes = size_t{1} << 40) { return gpu::make_gpu_ops(gpu_host::make_host_device("cuda-on-host", memory_bytes)); }

struct ExpertTensors {
  OwnedWeight gate, up, down, gate_bias, up_bias, down_bias;
  bool biases;
  ExpertTensors(DType type, int64_t n_experts, int64_t d, int64_t d_ff, bool with_biases)
      : gate(random_weight(type, n_experts, d_ff, d)), up(random_weight(type, n_experts, d_ff, d)), down(random_weight(type, n_experts, d, d_ff)), gate_bias(random_weight(DType::kF32, n_experts, 1, d_ff)),
        up_bias(random_weight(DType::kF32, n_experts, 1, d_ff)), down_bias(random_weight(DType::kF32, n_experts, 1, d)), biases(with_biases) {}
  FfnWeights view() const { return {&gate.view, &up.view, &down.view, biases ? &gate_bias.view : nullptr, biases ? &up_bias.view : nullptr, biases ? &down_bias.view : nullptr}; }
  std::vector<Weight> all() const {
    std::vector<Weight> present{gate.view, up.view, down.view};
    if (biases) present.insert(present.end(), {gate_bias.view, up_bias.view, down_bias.view});
    return present;
  }
  size_t expert_bytes() const {
    size_t sum = 0;
    for (const Weight& weight : all()) sum += weight.expert_bytes();
    return sum;
  }
};

/// The same call on the device's ops, whose tensors are brought there and back; and on the processor's.
struct MoeCall {
  static constexpr int64_t kWidth = 64, kHidden = 96;
  OwnedTensor x, out, weights;
  std::vector<int32_t> ids;
  int64_t n, k;
  MoeCall(int64_t n_rows, int64_t n_slots) : x(n_rows, kWidth), out(n_rows, kWidth), weights(n_rows, n_slots), ids(static_cast<size_t>(n_rows * n_slots)), n(n_rows), k(n_slots) {}

  MoeFfnArgs on_host(const FfnWeights& ffn, OwnedTensor& to, bool accumulate) {
    return {to.view, x.view, {ids.data(), DType::kI32, n, k, k}, weights.view, ffn, Activation::kSilu, 0.5f, accumulate};
  }
  OwnedTensor copy_of_out() const {
    OwnedTensor copy(n, kWidth);
    copy.values = out.values;
    copy.view.data = copy.values.data();
    return copy;
  }
  /// Rows [first, first + count), as part of the pass that the mirror began and finishes.
  void run(Ops& ops, Mirror& mirror, const FfnWeights& ffn, OwnedTensor& to, bool accumulate, int64_t first, int64_t count) {
    MoeFfnArgs args = on_host(ffn, to, accumulate);
    args.out = mirror.out(args.out.rows(first, count));
    args.x = mirror.in(args.x.rows(first, count));
    args.experts = mirror.in(args.experts.rows(first, count));
    args.weights = mirror.in(args.weights.rows(first, count));
    ops.moe_ffn(args);
  }
};

Distance distance_of(const OwnedTensor& out, const OwnedTensor& reference) {
  Distance distance;
  for (int64_t r = 0; r < out.view.n_rows; ++r)
    for (int64_t i = 0; i < out.view.d_row; ++i) distance.add(out.view.f32(r)[i], reference.view.f32(r)[i]);
  return distance;
}

/// Expert e is chosen as often as by a long tail whose head wanders, so that yesterday's favourites become rare.
void choose_experts(MoeCall& call, int n_experts, int drift) {
  for (int64_t r = 0; r < call.n; ++r) {
    std::vector<int32_t> own;
    while (own.size() < static_cast<size_t>(call.k)) {
      const double u = std::uniform_real_distribution<double>(0, 1)(random_engine());
      const auto expert = static_cast<int32_t>((static_cast<int>(u * u * u * n_experts) + drift) % n_experts);
      if (std::find(own.begin(), own.end(), expert) == own.end()) own.push_back(expert);
    }
    std::copy(own.begin(), own.end(), call.ids.begin() + static_cast<std::ptrdiff_t>(r * call.k));
    for (int64_t j = 0; j < call.k; ++j) call.weights.view.f32(r)[j] = std::fabs(call.weights.view.f32(r)[j]) + 0.1f;
    if (call.k > 1 && r % 5 == 3) call.weights.view.f32(r)[call.k - 1] = 0.f;
  }
}

}  // namespace

// ---- the policy ---------------------------------------------------------------------------------------------------

TEST("fixed: nothing moves, hits and misses are counted by pairs") {
  ExpertResidency residency = one_layer(4, 2, ResidencyPolicy::kFixed, 8);
  for (int i = 0; i < 10; ++i) CHECK(!pass(residency, {0, 2, 2, 3}));
  CHECK(residency.counts().hits == 10 && residency.counts().misses == 30 && residency.counts().moves == 0);
  CHECK(residency.slots(0)[0] == 0 && residency.slots(0)[1] == 1 && residency.slots(0)[2] == -1);
}

TEST("least recent: the missing expert that most rows chose replaces the one unused for longest, never one in use") {
  ExpertResidency residency = one_layer(6, 3, ResidencyPolicy::kLeastRecent);
  CHECK(!pass(residency, {0, 1, 2}));
  CHECK(!pass(residency, {0, 2}));
  CHECK(is_move(pass(residency, {0, 3, 4, 4}), 4, 1, 1));
  CHECK(residency.slots(0)[4] == 1 && residency.slots(0)[1] == -1);
  CHECK(is_move(pass(residency, {5, 3}), 3, 2, 2));    // equals: the lower id; 2 was last used before 0 and 4
  CHECK(!pass(residency, {0, 4, 3, 1}));               // every slot is in use
  CHECK(is_move(pass(residency, {1}), 1, 0, 0));       // equals: the lower slot
}

TEST("least frequent: a rare visitor does not drive out a regular, a new regular does") {
  ExpertResidency residency = one_layer(4, 2, ResidencyPolicy::kLeastFrequent);
  for (int i = 0; i < 20; ++i) CHECK(!pass(residency, {0, 1}));
  CHECK(!pass(residency, {3}));
  int moved_at = -1;
  for (int i = 0; i < 60 && moved_at < 0; ++i) {
    if (const auto move = pass(residency, {0, 2})) {
      CHECK(is_move(move, 2, 1, 1));
      moved_at = i;
    }
  }
  CHECK_MSG(moved_at >= 10 && moved_at < 30, "expert 2 came after " + std::to_string(moved_at) + " passes");
  for (int i = 0; i < 100; ++i) CHECK_MSG(!pass(residency, {i % 2 == 0 ? 1 : 2, 0}), "two experts of like frequency take turns in a slot");
}

TEST("least frequent, with shares from earlier: what was popular then is not driven out by the first stranger") {
  ExpertResidency residency({{4, {1, 3}, {0.f, 0.5f, 0.1f, 0.5f}}}, ResidencyPolicy::kLeastFrequent, 1);
  for (int i = 0; i < 20; ++i) CHECK(!pass(residency, {0, 2}));
  int n_moves = 0;
  for (int i = 0; i < 200; ++i) n_moves += pass(residency, {0, 2}).has_value();
  CHECK(n_moves == 2 && residency.slots(0)[0] >= 0 && residency.slots(0)[2] >= 0);
}

TEST("moves are bounded in each pass, and every layer has its turn, whatever other passes come between") {
  constexpr size_t kLayers = 6;
  for (const int max_moves : {1, 2, 4, 100}) {
    ExpertResidency residency(std::vector<ExpertResidency::Layer>(kLayers, {8, {0, 1}}), ResidencyPolicy::kLeastRecent, max_moves);
    std::vector<int> moves(kLayers, 0);
    for (int i = 0; i < 60; ++i) {
      residency.begin_pass();
      residency.begin_pass();   // a drafter's: chooses nothing here
      int in_pass = 0;
      for (size_t layer = 0; layer < kLayers; ++layer) {
        std::vector<int32_t> n_rows(8, 0);
        n_rows[static_cast<size_t>(i % 8)] = 1;
        if (!residency.choose(layer, n_rows)) continue;
        ++in_pass;
        ++moves[layer];
      }
      CHECK(in_pass <= max_moves);
    }
    CHECK_MSG(*std::min_element(moves.begin(), moves.end()) > 0, "a layer never had its turn with " + std::to_string(max_moves) + " moves a pass");
  }
}

TEST("no slots, or no layers: nothing to move") {
  ExpertResidency none = one_layer(4, 0, ResidencyPolicy::kLeastRecent, 3);
  CHECK(!pass(none, {1, 2}) && none.counts().misses == 2);
  CHECK(residency_policy_of("lru") == ResidencyPolicy::kLeastRecent && residency_policy_of("lfu") == ResidencyPolicy::kLeastFrequent && !residency_policy_of("random"));
}

// ---- two backends as one --------------------------------------------------------------------------------------------

TEST("every choice is computed once and rightly while experts change places") {
  constexpr int kExperts = 8;
  for (const DType type : {DType::kF32, DType::kQ8_0})
    for (const ResidencyPolicy policy : {ResidencyPolicy::kFixed, ResidencyPolicy::kLeastRecent, ResidencyPolicy::kLeastFrequent}) {
      std::vector<std::unique_ptr<ExpertTensors>> layers;
      std::vector<ExpertHome> homes;
      const std::vector<std::vector<int32_t>> on_device = {{0, 3, 6}, {7}, {}, {1, 2, 4, 5, 6}};
      for (const std::vector<int32_t>& own : on_device) {
        layers.push_back(std::make_unique<ExpertTensors>(type, kExperts, MoeCall::kWidth, MoeCall::kHidden, layers.size() % 2 == 0));
        homes.push_back({layers.back()->view(), own});
      }
      HybridOps ops(device_ops(), make_cpu_ops({2, Precision::kFast}), homes, policy, 2);
      for (const auto& layer : layers)
        for (Weight weight : layer->all()) ops.prepare(weight);
      const std::unique_ptr<Ops> reference = make_cpu_ops({2, Precision::kFast});
      uint64_t pairs = 0, bytes = 0;
      std::array<int, 4> moved_layers{};
      for (int step = 0; step < 120; ++step) {
        Mirror mirror(ops);
        std::vector<std::unique_ptr<MoeCall>> calls;
        std::vector<OwnedTensor> expected;
        for (size_t layer = 0; layer < layers.size(); ++layer) {
          MoeCall& call = *calls.emplace_back(std::make_unique<MoeCall>(step % 11 == 10 ? 9 : 1 + step % 3, 2));
          choose_experts(call, kExperts, step / 15);
          for (int64_t r = 0; r < call.n; ++r)
            for (int64_t j = 0; j < call.k; ++j) pairs += call.weights.view.f32(r)[j] != 0.f;
          const bool accumulate = (step + static_cast<int>(layer)) % 2 == 0;
          expected.push_back(call.copy_of_out());
          reference->moe_ffn(call.on_host(layers[layer]->view(), expected.back(), accumulate));
          const uint64_t moved = ops.counts().bytes_moved;
          call.run(ops, mirror, layers[layer]->view(), call.out, accumulate, 0, call.n);
          const uint64_t now = ops.counts().bytes_moved - moved;
          CHECK_MSG(now == 0 || now == layers[layer]->expert_bytes(), "a pass moved " + std::to_string(now) + " bytes");
          bytes += now;
          moved_layers[layer] += now > 0;
        }
        mirror.finish();
        for (size_t layer = 0; layer < layers.size(); ++layer) {
          check_distance(distance_of(calls[layer]->out, expected[layer]), type == DType::kF32 ? 2e-6 : 9e-3, std::string(type_name(type)) + ", step " + std::to_string(step) + ", layer " + std::to_string(layer));
        }
      }
      const HybridCounts counts = ops.counts();
      CHECK(counts.n_experts == 4 * kExperts && counts.n_on_device == 9);
      CHECK(counts.residency.hits + counts.residency.misses == pairs && counts.bytes_moved == bytes);
      std::printf("      %s, policy %d: %.0f %% of %llu pairs on the device, %llu moves\n", type_name(type), static_cast<int>(policy), 100.0 * static_cast<double>(counts.residency.hits) / static_cast<double>(pairs),
                  static_cast<unsigned long long>(pairs), static_cast<unsigned long long>(counts.residency.moves));
      // With three slots, one and five; the third layer has none.
      for (const size_t layer : {0, 1, 3}) CHECK_MSG((moved_layers[layer] > 2) == (policy != ResidencyPolicy::kFixed), "layer " + std::to_string(layer) + " moved " + std::to_string(moved_layers[layer]) + " times");
    }
}

TEST("while experts stay where they are, a row alone has the bits that it has in a batch") {
  const ExpertTensors experts(DType::kQ8_0, 8, MoeCall::kWidth, MoeCall::kHidden, true);
  HybridOps ops(device_ops(), make_cpu_ops({2, Precision::kFast}), {{experts.view(), {1, 4, 7}}}, ResidencyPolicy::kFixed, 0);
  for (Weight weight : experts.all()) ops.prepare(weight);
  for (const int64_t n : {3, 16})
    for (const bool accumulate : {false, true}) {
      MoeCall call(n, 3);
      choose_experts(call, 8, 0);
      OwnedTensor together = call.copy_of_out(), alone = call.copy_of_out();
      const auto run = [&](OwnedTensor& to, int64_t first, int64_t count) {
        Mirror mirror(ops);
        call.run(ops, mirror, experts.view(), to, accumulate, first, count);
        mirror.finish();
      };
      run(together, 0, n);
      for (int64_t r = 0; r < n; ++r) {
        run(alone, r, 1);
        CHECK_MSG(same_bits(alone.view.f32(r), together.view.f32(r), MoeCall::kWidth), "row " + std::to_string(r) + " of " + std::to_string(n) + " differs alone");
      }
    }
}

// ---- prompts ----------------------------------------------------------------------------------------------------------

TEST("streaming pays by rows an expert, never for the few rows of a decode") {
  static_assert(!pays_to_stream(63, 2, 8) && pays_to_stream(64, 2, 8));       // Mixtral
  static_assert(!pays_to_stream(255, 8, 128) && pays_to_stream(256, 8, 128)); // Qwen3
  static_assert(!pays_to_stream(16, 8, 8, 1) && pays_to_stream(17, 8, 8, 1));
}

TEST("long passes get their missing experts brought, short ones do not, while experts change places; every choice is computed once") {
  constexpr int kExperts = 8;
  std::vector<std::unique_ptr<ExpertTensors>> layers;
  std::vector<ExpertHome> homes;
  const std::vector<std::vector<int32_t>> on_device = {{0, 3, 6}, {7}, {}, {1, 2, 4, 5, 6}};
  for (const std::vector<int32_t>& own : on_device) {
    layers.push_back(std::make_unique<ExpertTensors>(DType::kQ8_0, kExperts, MoeCall::kWidth, MoeCall::kHidden, layers.size() % 2 == 0));
    homes.push_back({layers.back()->view(), own});
  }
  HybridOps ops(device_ops(), make_cpu_ops({2, Precision::kFast}), homes, ResidencyPolicy::kLeastRecent, 2, 4);
  for (const auto& layer : layers)
    for (Weight weight : layer->all()) ops.prepare(weight);
  const std::unique_ptr<Ops> reference = make_cpu_ops({2, Precision::kFast});
  const OwnedWeight table = random_weight(DType::kF32, 1, 4, MoeCall::kWidth);
  uint64_t n_streamed = 0;
  for (int step = 0; step < 40; ++step) {
    const int64_t n = step % 4 == 1 ? 3 : 20;
    Mirror mirror(ops);
    OwnedTensor embedded(n, MoeCall::kWidth);
    const std::vector<int32_t> tokens(static_cast<size_t>(n), 1);
    ops.embed(mirror.out(embedded.view), *mirror.weight(&table.view), tokens, 1.f);
    std::vector<std::unique_ptr<MoeCall>> calls;
    std::vector<OwnedTensor> expected;
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      const bool last = layer + 1 == layers.size();   // often with the few rows only whose logits are wanted
      MoeCall& call = *calls.emplace_back(std::make_unique<MoeCall>(last && step % 3 != 0 ? 1 : n, 2));
      choose_experts(call, kExperts, step / 5);
      const bool accumulate = (step + static_cast<int>(layer)) % 2 == 0;
      expected.push_back(call.copy_of_out());
      reference->moe_ffn(call.on_host(layers[layer]->view(), expected.back(), accumulate));
      const ResidencyCounts before = ops.counts().residency;
      call.run(ops, mirror, layers[layer]->view(), call.out, accumulate, 0, call.n);
      const ResidencyCounts after = ops.counts().residency;
      const bool met_processor = after.hits + after.misses > before.hits + before.misses;
      CHECK(met_processor == (call.n < 17));
      n_streamed += !met_processor;
    }
    mirror.finish();
    for (size_t layer = 0; layer < layers.size(); ++layer) check_distance(distance_of(calls[layer]->out, expected[layer]), 9e-3, "step " + std::to_string(step) + ", layer " + std::to_string(layer));
  }
  const HybridCounts counts = ops.counts();
  CHECK(counts.bytes_streamed > 0 && counts.residency.moves > 0);
  // Of 32 experts 9 are at home; the last layer, when it had few rows, was often brought for nothing, but not every time.
  const double layers_brought = static_cast<double>(counts.bytes_streamed) / static_cast<double>(layers[1]->expert_bytes() * (kExperts - 1));
  std::printf("      %llu layers streamed, %llu moves, bytes of %.0f layers brought\n", static_cast<unsigned long long>(n_streamed), static_cast<unsigned long long>(counts.residency.moves), layers_brought);
  CHECK(layers_brought < 1.1 * static_cast<double>(n_streamed));
}

// ---- a device with little memory -----------------------------------------------------------------------------------

namespace {

struct Small {
  GoldenCase golden;
  explicit Small(const std::string& name = "mixtral-Q4_K") : golden(read_golden(std::filesystem::path(CONCLAVE_FIXTURES) / "golden" / (name + ".gguf"))) {}
  std::unique_ptr<GgufFile> file = GgufFile::open(golden.model);
  ModelSpec spec = spec_from_gguf(*file);
  ModelWeights weights = bind_weights(*file, spec);

  EngineOptions options(size_t memory_bytes) const {
    EngineOptions options;
    options.path = golden.model;
    options.n_threads = 2;
    options.n_context = 128;
    options.prefill_chunk = 16;
    options.make_ops = [memory_bytes] { return device_ops(memory_bytes); };
    options.device_bytes = memory_bytes;
    return options;
  }
  /// As the engine plans on a device with room for everything.
  Plan plan(int64_t n_context = 128) const {
    constexpr int kLogitRows = Scheduler::kMaxRunning + Drafting::kMaxDraftRows;
    return plan_placement(spec, weights, {UINT64_MAX / 2, UINT64_MAX, false, 0}, {.n_context = n_context, .max_rows = 16 + kLogitRows, .max_logit_rows = kLogitRows, .needs_card = true});
  }
  RequestOptions request() const {
    RequestOptions request;
    request.tokens = golden.prompt;
    request.max_tokens = 4;
    request.sampler.temperature = 0.f;
    return request;
  }
};

Error error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    std::printf("      %s\n", error.what());
    return error;
  }
  fail(__FILE__, __LINE__, "nothing was refused");
}

bool says(const Error& error, const char* part) { return std::strstr(error.what(), part) != nullptr; }

}  // namespace

TEST("the plan follows what is free on the device: all there, some experts, none, refused") {
  const Small small;
  const uint64_t all = small.plan().gpu.total(), experts = small.plan().gpu.experts;
  const size_t before = gpu_host::n_buffers();
  const auto run_with = [&](size_t memory, ResidencyPolicy policy = ResidencyPolicy::kFixed) {
    EngineOptions options = small.options(memory);
    options.expert_cache = policy;
    const auto engine = Engine::open(options);
    const auto outcome = run(*engine, small.request());
    CHECK_MSG(outcome->failure.empty(), outcome->failure);
    CHECK(outcome->tokens.size() == 4 && std::equal(outcome->tokens.begin(), outcome->tokens.end(), small.golden.greedy.begin()));
    const EngineStats stats = engine->stats();
    std::printf("      %s: %llu of %llu experts there, %llu pairs there and %llu not, %llu bytes moved\n", stats.backend.c_str(), static_cast<unsigned long long>(stats.n_experts_on_device), static_cast<unsigned long long>(stats.n_experts_placed),
                static_cast<unsigned long long>(stats.expert_hits), static_cast<unsigned long long>(stats.expert_misses), static_cast<unsigned long long>(stats.expert_bytes_moved));
    return stats;
  };
  const EngineStats whole = run_with(all + (1 << 20));
  CHECK(whole.backend == "cuda-on-host" && whole.n_experts_placed == 0);
  const EngineStats part = run_with(all - experts / 4);
  CHECK(part.backend.starts_with("cuda-on-host + cpu") && part.n_experts_on_device > 0 && part.n_experts_on_device < part.n_experts_placed);
  CHECK(part.expert_hits + part.expert_misses > 0 && part.expert_bytes_moved == 0);
  const EngineStats cached = run_with(all - experts / 4, ResidencyPolicy::kLeastRecent);
  CHECK(cached.expert_hits > 0 && cached.expert_bytes_moved > 0);
  const EngineStats none = run_with(all - experts + 4096);
  CHECK(none.n_experts_on_device == 0 && none.expert_hits == 0 && none.expert_misses > 0);
  CHECK(gpu_host::n_buffers() == before);
}

TEST("a plan that holds loads and computes, in every family, with not a byte more than it asks for") {
  for (const GoldenCase& golden : golden_cases_with("")) {
    const Small small(golden.name);
    const Plan whole = small.plan();
    for (const uint64_t memory : {whole.gpu.total(), whole.gpu.total() - whole.gpu.experts / 3, whole.gpu.total() - whole.gpu.experts}) {
      const auto engine = Engine::open(small.options(memory));
      RequestOptions request = small.request();
      request.max_tokens = 2;
      const auto outcome = run(*engine, request);
      CHECK_MSG(outcome->failure.empty(), golden.name + ": " + outcome->failure);
      CHECK((engine->stats().n_experts_placed > 0) == (memory < whole.gpu.total()));
    }
  }
}

TEST("where the model is, by expert and by byte: a device with some experts, one with all, none") {
  const Small small;
  const Plan whole = small.plan();
  const auto n_experts = static_cast<int64_t>(small.spec.n_moe_layers()) * small.spec.layers.back().ffn.n_experts;
  const auto count = [](const Residence& residence, ExpertTier tier) {
    int64_t n = 0;
    for (const std::vector<ExpertTier>& layer : residence.experts) n += std::count(layer.begin(), layer.end(), tier);
    return n;
  };
  const auto some = Engine::open(small.options(whole.gpu.total() - whole.gpu.experts / 3));
  run(*some, small.request());
  const Residence shared = some->residence();
  const EngineStats stats = some->stats();
  const int64_t missing = static_cast<int64_t>(stats.n_experts_placed - stats.n_experts_on_device);
  CHECK(missing > 0 && count(shared, ExpertTier::kDevice) == n_experts - missing && count(shared, ExpertTier::kMemory) == missing);
  CHECK(shared.device.weights == whole.gpu.weights && shared.device.experts + shared.host.experts == whole.gpu.experts && shared.host.weights == 0 && shared.host.kv == 0);
  CHECK(shared.device.kv > 0 && shared.device.work > 0 && shared.device.total() <= stats.device_total_bytes);
  CHECK(stats.device_bytes > 0 && stats.device_peak_bytes >= stats.device_bytes && stats.device_free_bytes + stats.device_bytes == stats.device_total_bytes);

  const Residence all = Engine::open(small.options(whole.gpu.total()))->residence();
  CHECK(count(all, ExpertTier::kDevice) == n_experts && all.host.experts == 0);

  EngineOptions plain = small.options(0);
  plain.make_ops = nullptr;
  plain.device = Device::kCpu;
  const auto processor = Engine::open(plain);
  const Residence none = processor->residence();
  CHECK(count(none, ExpertTier::kMemory) == n_experts && none.device.total() == 0);
  CHECK(none.host.weights == whole.gpu.weights && none.host.experts == whole.gpu.experts && none.host.kv > 0);
  CHECK(processor->stats().device_total_bytes == 0 && processor->stats().host_peak_bytes >= processor->stats().host_bytes);
}

TEST("earlier use decides which experts a device gets, and more choices are found there") {
  const Small small("granitemoe-Q8_0");
  const Plan whole = small.plan();
  EngineOptions options = small.options(whole.gpu.total() - whole.gpu.experts / 2);
  const auto hit_rate = [&](const EngineOptions& with) {
    const auto engine = Engine::open(with);
    const auto outcome = run(*engine, small.request());
    CHECK_MSG(outcome->failure.empty(), outcome->failure);
    const EngineStats stats = engine->stats();
    CHECK(stats.n_experts_placed > 0);
    return static_cast<double>(stats.expert_hits) / static_cast<double>(stats.expert_hits + stats.expert_misses);
  };
  options.expert_cache = ResidencyPolicy::kLeastFrequent;   // the same share of every layer, used or not
  const double unknown = hit_rate(options);
  options.expert_cache = ResidencyPolicy::kFixed;
  const auto n_layers = static_cast<size_t>(small.spec.n_moe_layers());
  options.expert_usage.resize(n_layers);
  for (size_t i = 0; i < small.golden.experts.size(); ++i) {
    std::vector<float>& counts = options.expert_usage[i / (small.golden.experts.size() / n_layers)];
    counts.resize(std::max(counts.size(), static_cast<size_t>(small.golden.experts[i]) + 1), 0.f);
    counts[static_cast<size_t>(small.golden.experts[i])] += 1.f;
  }
  const double known = hit_rate(options);
  std::printf("      %.0f %% of the choices on the device without, %.0f %% with\n", 100 * unknown, 100 * known);
  CHECK(known > unknown + 0.05);
  options.expert_usage.pop_back();
  CHECK(says(error_of([&] { Engine::open(options); }), "layers, and this model has"));
  options.expert_usage.resize(n_layers, std::vector<float>(1000, 1.f));
  CHECK(says(error_of([&] { Engine::open(options); }), "names expert 999"));
}

TEST("auto: a device that is too small leaves the model to the processor; without being told how much, a reserve is kept") {
  const Small small;
  const Plan whole = small.plan();
  EngineOptions options = small.options(whole.gpu.total() - whole.gpu.experts - 4096);
  options.device = Device::kAuto;
  CHECK(Engine::open(options)->stats().backend.starts_with("cpu-"));
  options = small.options(whole.gpu.total());
  options.device_bytes = 0;
  CHECK(Engine::open(options)->stats().n_experts_placed > 0 && Engine::open(small.options(whole.gpu.total()))->stats().n_experts_placed == 0);
}

TEST("too little memory is refused before anything is brought: numbers, and two ways out") {
  const Small small;
  const uint64_t experts = small.plan().gpu.experts;
  const size_t before = gpu_host::n_buffers();
  EngineOptions options = small.options(small.plan(384).gpu.total() - experts);
  options.n_context = 512;
  const Error with_less_context = error_of([&] { Engine::open(options); });
  CHECK(with_less_context.code() == ErrorCode::kOutOfMemory && says(with_less_context, " MB free, and ") && says(with_less_context, "a context of 512 tokens; choose a context of at most 384 tokens,") && says(with_less_context, "or compute on the processor"));
  const Error hopeless = error_of([&] { Engine::open(small.options(64 << 10)); });
  CHECK(hopeless.code() == ErrorCode::kOutOfMemory && says(hopeless, "choose a smaller model or quantisation, or compute on the processor"));
  CHECK(gpu_host::n_buffers() == before);
}

TEST("a device that loses its memory to another program: the load or the request fails with numbers, the engine lives") {
  const Small small;
  const size_t before = gpu_host::n_buffers();
  /// Says that all is free, and gives `bytes` only.
  class Optimist final : public gpu::GpuDevice {
   public:
    explicit Optimist(size_t bytes) : inner_(gpu_host::make_host_device("cuda-on-host", bytes)) {}
    const char* name() const override { return inner_->name(); }
    int n_processors() const override { return 1; }
    DeviceMemory memory() const override { return {size_t{1} << 40, size_t{1} << 40}; }
    void* alloc(size_t bytes) override { return inner_->alloc(bytes); }
    void free(void* buffer) override { inner_->free(buffer); }
    void upload(void* to, const void* from, size_t bytes) override { inner_->upload(to, from, bytes); }
    void download(std::span<const Download> downloads) override { inner_->download(downloads); }
    void run(const gpu::LaunchList& list) override { inner_->run(list); }
    void wait() override { inner_->wait(); }

   private:
    std::unique_ptr<gpu::GpuDevice> inner_;
  };
  const auto options_with = [&](size_t bytes) {
    EngineOptions options = small.options(0);
    options.device_bytes = 0;
    options.make_ops = [bytes] { return gpu::make_gpu_ops(std::make_unique<Optimist>(bytes)); };
    return options;
  };
  const auto fails_to_load = [&](size_t bytes) {
    try {
      Engine::open(options_with(bytes));
      return false;
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kOutOfMemory && says(error, "more are needed; choose a shorter context, or compute on the processor"));
      return true;
    }
  };
  // The least with which the load succeeds leaves nothing for the first pass's scratch memory.
  size_t low = 0, high = small.plan().gpu.total();
  CHECK(!fails_to_load(high));
  while (high - low > 256) {
    const size_t middle = (low + high) / 2;
    (fails_to_load(middle) ? low : high) = middle;
  }
  const auto engine = Engine::open(options_with(high));
  for (int i = 0; i < 2; ++i) {
    const auto outcome = run(*engine, small.request());
    std::printf("      %s\n", outcome->failure.c_str());
    CHECK(outcome->code == ErrorCode::kOutOfMemory && outcome->failure.find("MB free of") != std::string::npos);
  }
  CHECK(engine->stats().kv_pages_free + engine->stats().kv_pages_cached == engine->stats().kv_pages_total);
  CHECK(gpu_host::n_buffers() > before);
}

int main(int argc, char** argv) {
#if defined(__SANITIZE_THREAD__)
  for (Case& test : cases()) test.body = [] { throw Skip{"the thread sanitizer cannot follow fibers"}; };
#endif
  return conclave::test::run_tests(argc, argv);
}
