// Placement: five published shapes on eight machines, and what must hold for any model on any machine: a plan keeps within
// its budget, loses no expert, and its estimates are at least what the engine allocates.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>

#include "base/error.h"
#include "check.h"
#include "engine/planning.h"
#include "engine/scheduler.h"
#include "forward/workspace.h"
#include "kv/kv_cache.h"
#include "ops/gpu/gpu_device.h"
#include "ops/gpu_host/host_device.h"
#include "test/model_builder.h"
#include "weights/plan.h"

using namespace conclave;
using namespace conclave::test;

namespace {

/// A published model as a file's list of tensors without their bytes: the planner reads sizes only.
class HeaderFile final : public GgufFile {
 public:
  HeaderFile& text(const std::string& key, std::string value) { return entry(key, GgufType::kString, std::move(value)); }
  HeaderFile& number(const std::string& key, int64_t value) { return entry(key, GgufType::kU32, value); }
  HeaderFile& real(const std::string& key, double value) { return entry(key, GgufType::kF32, value); }
  HeaderFile& tensor(const std::string& name, DType type, std::vector<int64_t> dims) {
    GgufTensor tensor{name, type, static_cast<int>(dims.size()), {1, 1, 1, 1}, next_, 0};
    std::copy(dims.begin(), dims.end(), tensor.dims);
    tensor.bytes = row_bytes(type, tensor.dims[0]) * static_cast<size_t>(tensor.dims[1] * tensor.dims[2]);
    next_ += 32;   // an address of its own, never read
    tensors_.push_back(std::move(tensor));
    return *this;
  }

  std::span<const GgufEntry> metadata() const override { return entries_; }
  std::span<const GgufTensor> tensors() const override { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const override {
    const auto found = std::find_if(tensors_.begin(), tensors_.end(), [&](const GgufTensor& t) { return t.name == name; });
    return found == tensors_.end() ? nullptr : &*found;
  }
  const GgufValue* find(std::string_view key) const override {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const GgufEntry& e) { return e.key == key; });
    return found == entries_.end() ? nullptr : &found->value;
  }
  uint64_t file_bytes() const override {
    uint64_t sum = 0;
    for (const GgufTensor& tensor : tensors_) sum += tensor.bytes;
    return sum;
  }

 private:
  HeaderFile& entry(const std::string& key, GgufType type, GgufValue value) {
    entries_.push_back({key, type, std::move(value)});
    return *this;
  }
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::byte place_[1] = {};
  const std::byte* next_ = place_;
};

struct Shape {
  const char *name, *architecture;
  int64_t n_layers, d, n_heads, n_kv_heads, d_head, n_experts, n_used, d_ff, n_vocab, context;
  DType type, head_type, expert_type;
  enum Norms { kNone, kPerHead, kWhole } norms;
  bool biases;   // gpt-oss: biases everywhere, sinks, windows
};

const Shape kShapes[] = {
    {"OLMoE-1B-7B Q4_K_M", "olmoe", 16, 2048, 16, 16, 128, 64, 8, 1024, 50304, 4096, DType::kQ4_K, DType::kQ6_K, DType::kQ4_K, Shape::kWhole, false},
    {"gpt-oss-20b MXFP4", "gpt-oss", 24, 2880, 64, 8, 64, 32, 4, 2880, 201088, 131072, DType::kQ8_0, DType::kQ8_0, DType::kMXFP4, Shape::kNone, true},
    {"Qwen3-30B-A3B Q4_K_M", "qwen3moe", 48, 2048, 32, 4, 128, 128, 8, 768, 151936, 40960, DType::kQ4_K, DType::kQ6_K, DType::kQ4_K, Shape::kPerHead, false},
    {"Mixtral-8x7B Q4_K_M", "llama", 32, 4096, 32, 8, 128, 8, 2, 14336, 32000, 32768, DType::kQ4_K, DType::kQ6_K, DType::kQ4_K, Shape::kNone, false},
    {"gpt-oss-120b MXFP4", "gpt-oss", 36, 2880, 64, 8, 64, 128, 4, 2880, 201088, 131072, DType::kQ8_0, DType::kQ8_0, DType::kMXFP4, Shape::kNone, true},
};

void add_layer(HeaderFile& file, const Shape& s, const std::string& block) {
  const int64_t d_q = s.n_heads * s.d_head, d_kv = s.n_kv_heads * s.d_head;
  const auto floats = [&](const char* name, std::vector<int64_t> dims) { file.tensor(block + name, DType::kF32, std::move(dims)); };
  floats("attn_norm.weight", {s.d});
  floats(s.biases ? "post_attention_norm.weight" : "ffn_norm.weight", {s.d});
  file.tensor(block + "attn_q.weight", s.type, {s.d, d_q}).tensor(block + "attn_k.weight", s.type, {s.d, d_kv}).tensor(block + "attn_v.weight", s.type, {s.d, d_kv}).tensor(block + "attn_output.weight", s.type, {d_q, s.d});
  if (s.norms != Shape::kNone) {
    floats("attn_q_norm.weight", {s.norms == Shape::kWhole ? d_q : s.d_head});
    floats("attn_k_norm.weight", {s.norms == Shape::kWhole ? d_kv : s.d_head});
  }
  floats("ffn_gate_inp.weight", {s.d, s.n_experts});
  file.tensor(block + "ffn_gate_exps.weight", s.expert_type, {s.d, s.d_ff, s.n_experts}).tensor(block + "ffn_up_exps.weight", s.expert_type, {s.d, s.d_ff, s.n_experts}).tensor(block + "ffn_down_exps.weight", s.expert_type, {s.d_ff, s.d, s.n_experts});
  if (!s.biases) return;
  floats("attn_q.bias", {d_q});
  floats("attn_k.bias", {d_kv});
  floats("attn_v.bias", {d_kv});
  floats("attn_output.bias", {s.d});
  floats("attn_sinks.weight", {s.n_heads});
  floats("ffn_gate_inp.bias", {s.n_experts});
  floats("ffn_gate_exps.bias", {s.d_ff, s.n_experts});
  floats("ffn_up_exps.bias", {s.d_ff, s.n_experts});
  floats("ffn_down_exps.bias", {s.d, s.n_experts});
}

HeaderFile header_of(const Shape& s) {
  HeaderFile file;
  const std::string a = std::string(s.architecture) + ".";
  file.text("general.architecture", s.architecture).text("general.name", s.name);
  file.number(a + "block_count", s.n_layers).number(a + "embedding_length", s.d).number(a + "context_length", s.context).number(a + "vocab_size", s.n_vocab);
  file.number(a + "attention.head_count", s.n_heads).number(a + "attention.head_count_kv", s.n_kv_heads).number(a + "attention.key_length", s.d_head).number(a + "attention.value_length", s.d_head);
  file.number(a + "feed_forward_length", s.d_ff).number(a + "expert_feed_forward_length", s.d_ff).number(a + "expert_count", s.n_experts).number(a + "expert_used_count", s.n_used);
  file.real(a + "attention.layer_norm_rms_epsilon", 1e-5).real(a + "rope.freq_base", 1e5).number(a + "rope.dimension_count", s.d_head);
  if (s.biases) file.number(a + "attention.sliding_window", 128);
  file.tensor("token_embd.weight", s.type, {s.d, s.n_vocab}).tensor("output_norm.weight", DType::kF32, {s.d}).tensor("output.weight", s.head_type, {s.d, s.n_vocab});
  for (int64_t i = 0; i < s.n_layers; ++i) add_layer(file, s, "blk." + std::to_string(i) + ".");
  return file;
}

struct Model {
  HeaderFile file;
  ModelSpec spec;
  ModelWeights weights;
  explicit Model(const Shape& shape) : file(header_of(shape)), spec(spec_from_gguf(file)), weights(bind_weights(file, spec)) {}
};

constexpr uint64_t kGiga = uint64_t{1} << 30;

struct Machine {
  const char* name;
  MemoryBudget budget;
};
MemoryBudget unified(uint64_t gigabytes) { return {gigabytes * kGiga / 4 * 3, gigabytes * kGiga, true}; }
/// What a model may use: the card but for 5 %, memory but for 3 GB of system and desktop.
MemoryBudget with_card(uint64_t vram, uint64_t ram) { return {vram * kGiga / 20 * 19, (ram - 3) * kGiga, false}; }
const Machine kMachines[] = {
    {"8 GB laptop", with_card(0, 8)}, {"16 GB laptop", with_card(0, 16)}, {"6 GB card, 16 GB", with_card(6, 16)}, {"12 GB card, 32 GB", with_card(12, 32)},
    {"24 GB card, 64 GB", with_card(24, 64)}, {"16 GB Mac", unified(16)}, {"36 GB Mac", unified(36)}, {"128 GB Mac", unified(128)},
};

std::string cell(const Plan& plan) {
  if (plan.placement == Placement::kTooLarge) return "-";
  if (plan.placement != Placement::kHybrid) return placement_name(plan.placement);
  return std::to_string(100 * plan.n_experts_on_gpu / plan.n_experts) + " % of experts";
}

/// What must hold of any plan.
void check_plan(const ModelSpec& spec, const ModelWeights& weights, const MemoryBudget& budget, const PlanOptions& options, const std::string& what) {
  const Plan plan = plan_placement(spec, weights, budget, options);
  CHECK_MSG(!plan.reason.empty() && plan.n_experts_on_gpu <= plan.n_experts, what);
  if (plan.placement == Placement::kTooLarge) {
    CHECK_MSG(plan.most_context < options.n_context, what + ": a context that fits is refused");
    return;
  }
  CHECK_MSG(plan.gpu.total() <= budget.vram_bytes, what + ": more than the card has");
  CHECK_MSG(plan.cpu.total() + (budget.unified ? plan.gpu.total() : 0) <= budget.ram_bytes, what + ": more than the memory has");
  CHECK_MSG(plan.most_context >= std::min<int64_t>(options.n_context, spec.context_trained), what + ": the longest context is shorter than one that fits");
  uint64_t experts = 0;
  int64_t on_gpu = 0;
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    for (const Weight* weight : {&weights.layers[i].gate, &weights.layers[i].up, &weights.layers[i].down}) experts += weight->bytes();
    on_gpu += plan.experts_on_gpu[i];
  }
  CHECK_MSG(plan.gpu.experts + plan.cpu.experts >= experts, what + ": experts are lost");
  CHECK_MSG(on_gpu == plan.n_experts_on_gpu, what + ": the layers' experts do not add up");
}

/// Counts what is allocated.
class CountingDevice final : public gpu::GpuDevice {
 public:
  explicit CountingDevice(uint64_t& most) : most_(most) {}
  const char* name() const override { return "counting"; }
  int n_processors() const override { return 192; }
  DeviceMemory memory() const override { return inner_->memory(); }
  void* alloc(size_t bytes) override {
    void* buffer = inner_->alloc(bytes);
    sizes_[buffer] = bytes;
    now_ += bytes;
    most_ = std::max(most_, now_);
    return buffer;
  }
  void free(void* buffer) override {
    if (buffer) now_ -= sizes_.at(buffer);
    inner_->free(buffer);
  }
  void upload(void* to, const void* from, size_t bytes) override { inner_->upload(to, from, bytes); }
  void download(std::span<const Download> downloads) override { inner_->download(downloads); }
  void run(const gpu::LaunchList& list) override { inner_->run(list); }
  void wait() override {}

 private:
  std::unique_ptr<gpu::GpuDevice> inner_ = gpu_host::make_host_device("counting");
  std::map<void*, uint64_t> sizes_;
  uint64_t now_ = 0;
  uint64_t& most_;
};

}  // namespace

TEST("eight machines, five models: the table") {
  std::printf("      %-22s", "");
  for (const Machine& machine : kMachines) std::printf(" %17s", machine.name);
  std::printf("\n");
  for (const Shape& shape : kShapes) {
    const Model model(shape);
    std::printf("      %-22s", shape.name);
    for (const Machine& machine : kMachines) {
      PlanOptions options;
      options.n_context = std::min<int64_t>(8192, model.spec.context_trained);
      const Plan plan = plan_placement(model.spec, model.weights, machine.budget, options);
      std::printf(" %17s", cell(plan).c_str());
      check_plan(model.spec, model.weights, machine.budget, options, std::string(shape.name) + " on " + machine.name);
    }
    std::printf("   (%.1f GB)\n", static_cast<double>(model.file.file_bytes()) * 1e-9);
  }
}

TEST("known machines get what their owners expect") {
  const Model olmoe(kShapes[0]), qwen(kShapes[2]), large(kShapes[4]);
  const auto placed = [](const Model& model, const MemoryBudget& budget, int64_t context = 4096) {
    PlanOptions options;
    options.n_context = context;
    return plan_placement(model.spec, model.weights, budget, options);
  };
  CHECK(placed(olmoe, with_card(0, 16)).placement == Placement::kCpu);
  CHECK(placed(olmoe, with_card(12, 32)).placement == Placement::kGpu);
  CHECK(placed(qwen, with_card(12, 32)).placement == Placement::kHybrid);
  CHECK(placed(qwen, with_card(24, 64)).placement == Placement::kGpu);
  CHECK(placed(large, with_card(12, 32)).placement == Placement::kTooLarge);
  CHECK(placed(large, unified(128)).placement == Placement::kGpu);
  CHECK(placed(olmoe, with_card(1, 16)).placement == Placement::kCpu);   // a card too small for what every token reads
}

TEST("a hybrid plan fills the card, and leaves the last layers to the processor") {
  const Model qwen(kShapes[2]);
  const MemoryBudget budget = with_card(12, 32);
  const Plan plan = plan_placement(qwen.spec, qwen.weights, budget, {});
  const uint64_t expert = (qwen.weights.layers[0].gate.bytes() + qwen.weights.layers[0].up.bytes() + qwen.weights.layers[0].down.bytes()) / 128;
  CHECK(plan.gpu.total() + 2 * expert > budget.vram_bytes);
  CHECK(plan.experts_on_gpu.front() == 128 && plan.experts_on_gpu.back() == 0);
  CHECK(std::is_sorted(plan.experts_on_gpu.rbegin(), plan.experts_on_gpu.rend()));
}

TEST("a hybrid plan has room for two layers of experts to pass through, where they leave room for others to stay") {
  const Model qwen(kShapes[2]), mixtral(kShapes[3]);
  const auto planned = [](const Model& model, const MemoryBudget& budget) { return plan_placement(model.spec, model.weights, budget, {}); };
  const auto layer_bytes = [](const Model& model) { return model.weights.layers[0].gate.bytes() + model.weights.layers[0].up.bytes() + model.weights.layers[0].down.bytes(); };
  const Plan fits = planned(qwen, with_card(12, 32));
  CHECK(fits.stream_bytes >= 2 * layer_bytes(qwen) && fits.stream_bytes < 2 * layer_bytes(qwen) + 4096 && fits.gpu.work > fits.stream_bytes);
  CHECK(planned(mixtral, with_card(6, 64)).stream_bytes == 0);      // two layers would take most of the room
  CHECK(planned(qwen, with_card(24, 64)).stream_bytes == 0);        // all experts stay
  CHECK(planned(mixtral, unified(36)).stream_bytes == 0);           // one memory: nothing passes
}

TEST("any model on any machine: within the budget, nothing lost") {
  std::mt19937 random(11);
  const auto one_of = [&](std::initializer_list<int64_t> values) { return *(values.begin() + random() % values.size()); };
  for (int i = 0; i < 150; ++i) {
    Shape shape = kShapes[random() % std::size(kShapes)];
    shape.n_layers = one_of({1, 2, 7, 24});
    shape.n_experts = one_of({8, 40, 60, 160});
    shape.d_ff = one_of({256, 1024, 4096});
    shape.n_vocab = one_of({1000, 50000, 200000});
    const Model model(shape);
    MemoryBudget budget;
    budget.ram_bytes = random() % (64 * kGiga);
    budget.unified = random() % 4 == 0;
    budget.vram_bytes = budget.unified ? budget.ram_bytes / 4 * 3 : random() % 3 == 0 ? 0 : random() % (48 * kGiga);
    PlanOptions options;
    options.n_context = one_of({256, 1000, 4096, 32768});
    options.kv_type = random() % 2 == 0 ? DType::kF16 : DType::kQ8_0;
    options.max_rows = static_cast<int>(one_of({16, 320, 2048}));
    check_plan(model.spec, model.weights, budget, options, "case " + std::to_string(i));
  }
}

TEST("more memory never makes a plan worse") {
  const Model qwen(kShapes[2]);
  int64_t before = -1;
  for (uint64_t gigabytes = 0; gigabytes <= 32; ++gigabytes) {
    const Plan plan = plan_placement(qwen.spec, qwen.weights, {gigabytes * kGiga, 64 * kGiga, false}, {});
    CHECK(plan.placement != Placement::kTooLarge && plan.n_experts_on_gpu >= before);
    before = plan.n_experts_on_gpu;
  }
  CHECK(before == int64_t{48} * 128);
}

TEST("the estimates are at least what the engine allocates") {
  for (const TinyModel& tiny : {tiny_olmoe(), tiny_qwen3moe(), tiny_qwen2moe(), tiny_llama()}) {
    const std::vector<std::byte> bytes = tiny.file().build();
    const auto file = GgufFile::open_memory(bytes, "tiny.gguf");
    const ModelSpec spec = spec_from_gguf(*file);
    PlanOptions options;
    options.n_context = 96;
    options.max_rows = 40;
    options.max_logit_rows = 8;
    uint64_t most = 0;
    const auto ops = gpu::make_gpu_ops(std::make_unique<CountingDevice>(most));
    {
      const Workspace workspace(*ops, spec, options.max_rows, options.max_logit_rows);
      CHECK(most > 0 && most <= workspace_bytes(spec, options));
    }
    std::vector<KvShape> shapes;
    for (const LayerSpec& layer : spec.layers) shapes.push_back({layer.attention.n_kv_heads, layer.attention.d_k, layer.attention.d_v});
    most = 0;
    const PagePool pool(*ops, shapes, options.kv_type, (options.n_context + kPageTokens - 1) / kPageTokens);
    CHECK(pool.bytes() == kv_bytes(spec, options));
  }
}

TEST("a plan by the engine's door is the planner's, with what a load needs; free memory is asked where none is given") {
  const TinyModel tiny = tiny_olmoe();
  const std::vector<std::byte> bytes = tiny.file().build();
  const std::string path = "plan_test.tmp";
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  const auto file = GgufFile::open(path);
  const ModelSpec spec = spec_from_gguf(*file);
  PlanRequest request;
  request.load.path = path;
  request.load.n_context = 96;
  request.load.kv_type = DType::kQ8_0;
  const MemoryBudget budget{.vram_bytes = kGiga, .ram_bytes = 2 * kGiga};
  request.budget = budget;
  const PlanOptions needs = planned_needs(request.load, spec, Scheduler::kMaxRunning + Drafting::kMaxDraftRows);
  const Plan expected = plan_placement(spec, bind_weights(*file, spec), budget, needs);
  const ModelPlan answer = plan_model(request);
  CHECK(needs.n_context == 96 && needs.max_rows > request.load.prefill_chunk && answer.n_context == 96);
  CHECK(answer.plan.reason == expected.reason && answer.plan.gpu.total() == expected.gpu.total() && answer.plan.cpu.total() == expected.cpu.total() && answer.plan.experts_on_gpu == expected.experts_on_gpu);
  CHECK(answer.ram_bytes == 0 && answer.vram_bytes == 0 && answer.card.empty());

  request.load.device = Device::kCuda;   // a card with room is not to blame for too little memory beside it
  request.budget->ram_bytes = 1 << 20;
  const Plan short_of_ram = plan_model(request).plan;
  CHECK(short_of_ram.placement == Placement::kTooLarge && short_of_ram.reason.find("1.0 MB may be used") != std::string::npos);
  request.load.device = Device::kCpu;

  request.budget.reset();
  const ModelPlan now = plan_model(request);
  CHECK(now.plan.placement == Placement::kCpu && now.ram_bytes >= now.budget.ram_bytes && now.budget.ram_bytes > 0 && now.budget.vram_bytes == 0);
  request.load.n_context = -1;
  const auto refused = [&] {
    try {
      plan_model(request);
    } catch (const Error& error) {
      return error.code() == ErrorCode::kBadArgument;
    }
    return false;
  };
  CHECK(refused() && std::remove(path.c_str()) == 0);
}

TEST("what a load may take of a device: what it was told to, else all but a sixteenth") {
  EngineOptions options;
  CHECK(usable_bytes(options, 16000) == 15000);
  options.device_bytes = 5000;
  CHECK(usable_bytes(options, 16000) == 5000 && usable_bytes(options, 4000) == 4000);
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
