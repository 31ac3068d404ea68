// Drafters with weights: their forward passes against the PyTorch reference in test/fixtures/dflash, on the exact path; the three
// conventions of their files, with the true shapes of a public one; and what is refused.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "check.h"
#include "gguf_builder.h"
#include "speculate/dflash.h"
#include "speculate/mdlm.h"

using namespace conclave;
using namespace conclave::test;

namespace {

const std::string kFolder = CONCLAVE_FIXTURES "/dflash/";

/// A reference case: the target's embedding and head, inputs and expected values, in a file of tensors.
struct ReferenceCase {
  explicit ReferenceCase(const std::string& name) : file(GgufFile::open(kFolder + name + "-case.gguf")) {
    if (file->find_tensor("token_embd.weight") == nullptr) return;
    weights.token_embd = matrix("token_embd.weight");
    weights.output = matrix("output.weight");
    spec.n_vocab = static_cast<int>(weights.token_embd.d_out);
    spec.d_model = static_cast<int>(weights.token_embd.d_in);
    spec.n_layers = 6;
  }

  Weight matrix(const char* name) const {
    const GgufTensor& tensor = *file->find_tensor(name);
    return {.data = tensor.data, .type = tensor.type, .d_in = tensor.dims[0], .d_out = tensor.dims[1], .n_experts = 1, .name = tensor.name.c_str()};
  }
  std::span<const float> floats(const char* name) const {
    const GgufTensor& tensor = *file->find_tensor(name);
    return {reinterpret_cast<const float*>(tensor.data), tensor.bytes / sizeof(float)};
  }
  std::vector<int32_t> numbers(const std::string& key) const {
    const GgufValue* value = file->find("case." + key);
    CHECK_MSG(value != nullptr, "the case lacks " + key);
    const auto& values = std::get<std::vector<int64_t>>(std::get<GgufArray>(*value));
    return {values.begin(), values.end()};
  }

  std::unique_ptr<GgufFile> file;
  ModelSpec spec;
  ModelWeights weights;
};

std::unique_ptr<Ops> exact_ops() { return make_cpu_ops({.n_threads = 2, .precision = Precision::kExact}); }

double largest_error(std::span<const float> expected, std::span<const float> actual) {
  CHECK(expected.size() == actual.size());
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(double{expected[i]} - actual[i]));
  return worst;
}

/// A DFlash drafter over its own pages: alone the pool, in the engine the target's.
struct Dflash {
  explicit Dflash(const std::string& name) : reference(name), ops(exact_ops()), model(kFolder + name + ".gguf", reference.spec), pool(*ops, model.kv_shapes(), DType::kF32, 4) {
    model.attach(*ops, reference.weights, pool.layers());
    pool.take(4, pages);
    std::reverse(pages.begin(), pages.end());
  }
  ReferenceCase reference;
  std::unique_ptr<Ops> ops;
  DflashModel model;
  PagePool pool;
  std::vector<int32_t> pages;
};

void check_dflash(const std::string& name) {
  Dflash drafter(name);
  CHECK(drafter.model.taps() == drafter.reference.numbers("taps"));
  const std::span<const float> taps = drafter.reference.floats("taps");
  const size_t d_row = taps.size() / 40;
  for (const char* part : {"short", "full"}) {   // the short one's block is overwritten by the context that follows
    const std::vector<int32_t> what = drafter.reference.numbers(part);
    for (int64_t first = 0; first < what[2]; first += 7) {
      const size_t n = static_cast<size_t>(std::min<int64_t>(7, what[2] - first));
      drafter.model.add_context(taps.subspan(static_cast<size_t>(first) * d_row, n * d_row), first, drafter.pages);
    }
    drafter.model.run_block(what[0], what[2], what[1], drafter.pages);
    const std::span<const float> expected = drafter.reference.floats(part);
    const size_t n_vocab = expected.size() / static_cast<size_t>(what[1]);
    double worst = 0;
    for (int row = 0; row < what[1]; ++row) worst = std::max(worst, largest_error(expected.subspan(static_cast<size_t>(row) * n_vocab, n_vocab), drafter.model.logits(row)));
    std::printf("    %s %s: largest error %.2e\n", name.c_str(), part, worst);
    CHECK_MSG(worst < 1e-4, name + " " + part + " is off by " + std::to_string(worst));
  }
}

std::string message_of(const std::function<void()>& action, ErrorCode expected) {
  try {
    action();
  } catch (const Error& error) {
    CHECK_MSG(error.code() == expected, error.what());
    return error.what();
  }
  fail(__FILE__, __LINE__, "nothing was thrown");
}

/// A sparse file with the shapes of z-lab/Qwen3-Coder-30B-A3B-DFlash, as each converter would write it.
struct PublicShapes {
  std::string architecture = "dflash";
  uint32_t d = 2048, n_taps = 5;
  std::vector<int32_t> taps{1, 12, 23, 34, 45};   // as in the Hugging Face config: after that layer, from zero
  std::string extra_tensor;

  std::string write(const std::string& name) const {
    GgufBuilder b;
    const std::string a = architecture + ".", own = architecture == "dflash" ? a : a + "dflash.";
    b.string("general.architecture", architecture).u32(a + "block_count", 8).u32(a + "embedding_length", d).u32(a + "feed_forward_length", 6144);
    b.u32(a + "attention.head_count", 32).u32(a + "attention.head_count_kv", 4).u32(a + "attention.key_length", 128).u32(a + "attention.value_length", 128);
    b.f32(a + "attention.layer_norm_rms_epsilon", 1e-6f).f32(a + "rope.freq_base", 1e7f).u32(own + "block_size", 16);
    std::vector<int32_t> ids = taps;
    if (architecture == "dflash") {
      for (int32_t& id : ids) ++id;
      b.array("dflash.target_layers", GgufType::kI32, ids).u32("tokenizer.ggml.mask_token_id", 151669);
    } else {
      b.array(own + "target_layer_ids", GgufType::kI32, ids).u32(own + "mask_token_id", 151669);
    }
    const bool ik = architecture == "dflash-draft";
    const std::string fc = architecture == "dflash" ? "fc" : ik ? "dflash_fc" : "dflash.fc";
    const std::string hidden_norm = architecture == "dflash" ? "enc.output_norm" : ik ? "dflash_hidden_norm" : "dflash.hidden_norm";
    b.tensor(fc + ".weight", {uint64_t{n_taps} * d, d}, DType::kQ4_0).tensor(hidden_norm + ".weight", {d}).tensor("output_norm.weight", {d});
    for (int i = 0; i < 8; ++i) {
      const std::string block = "blk." + std::to_string(i) + ".";
      b.tensor(block + "attn_norm.weight", {d}).tensor(block + (ik ? "post_attention_norm.weight" : "ffn_norm.weight"), {d});
      b.tensor(block + "attn_q_norm.weight", {128}).tensor(block + "attn_k_norm.weight", {128});
      b.tensor(block + "attn_q.weight", {d, 4096}, DType::kQ4_0).tensor(block + "attn_k.weight", {d, 512}, DType::kQ4_0).tensor(block + "attn_v.weight", {d, 512}, DType::kQ4_0);
      b.tensor(block + "attn_output.weight", {4096, d}, DType::kQ4_0).tensor(block + "ffn_gate.weight", {d, 6144}, DType::kQ4_0);
      b.tensor(block + "ffn_up.weight", {d, 6144}, DType::kQ4_0).tensor(block + "ffn_down.weight", {6144, d}, DType::kQ4_0);
    }
    if (!extra_tensor.empty()) b.tensor(extra_tensor, {d});
    const std::vector<std::byte> bytes = b.build();
    uint64_t data = 0;
    for (const TensorRecord& tensor : b.tensors) {
      uint64_t n = 1;
      for (const uint64_t dim : tensor.dims) n *= dim;
      const DTypeTraits& traits = *dtype_traits(static_cast<DType>(tensor.type));
      data = (data + n / static_cast<uint64_t>(traits.block_elements) * static_cast<uint64_t>(traits.block_bytes) + 31) / 32 * 32;
    }
    const std::filesystem::path path = std::filesystem::temp_directory_path() / ("conclave-drafter-test-" + name + ".gguf");
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::filesystem::resize_file(path, bytes.size() + data);   // the tensors' zeros take no space
    return path.string();
  }
};

ModelSpec qwen3_coder() {
  ModelSpec spec;
  spec.d_model = 2048;
  spec.n_layers = 48;
  spec.n_vocab = 151936;
  return spec;
}

struct TemporaryFile {
  std::string path;
  ~TemporaryFile() { std::filesystem::remove(path); }
};

}  // namespace

TEST("block diffusion: full layers see context and the whole block") { check_dflash("full"); }
TEST("block diffusion: sliding layers are causal and windowed unless the file says otherwise") { check_dflash("sliding"); }
TEST("block diffusion: where nothing is causal the window is symmetric") { check_dflash("symmetric"); }
TEST("block diffusion: all causal, and a mask with a vector of its own") { check_dflash("causal"); }

TEST("the sequence's drafter keeps context rows until they are needed and gives the same draft") {
  Dflash drafter("full");
  const std::span<const float> taps = drafter.reference.floats("taps");
  const int64_t d_row = static_cast<int64_t>(taps.size()) / 40;
  const std::vector<int32_t> what = drafter.reference.numbers("full");
  std::vector<int32_t> tokens(static_cast<size_t>(what[2]), 3);
  tokens.push_back(what[0]);
  std::vector<int32_t> expected;
  const std::span<const float> logits = drafter.reference.floats("full");
  for (int row = 0; row < what[1]; ++row) {
    const auto begin = logits.begin() + row * drafter.reference.spec.n_vocab;
    expected.push_back(static_cast<int32_t>(std::max_element(begin, begin + drafter.reference.spec.n_vocab) - begin));
  }
  const Tensor all{const_cast<float*>(taps.data()), DType::kF32, 40, d_row, d_row};
  for (const int step : {1, 5, 40}) {
    const std::unique_ptr<Drafter> sequence = drafter.model.make_drafter();
    for (int64_t first = 0; first < what[2]; first += step) {
      const int n = static_cast<int>(std::min<int64_t>(step, what[2] - first));
      sequence->observe({.tokens = tokens, .pages = drafter.pages, .first = first, .count = n, .taps = all.rows(first, n)});
    }
    CHECK(sequence->offer(tokens).max_length == 5);
    CHECK(sequence->propose(tokens, drafter.pages, what[1]).tokens == expected);
    CHECK(sequence->propose(tokens, drafter.pages, 100).tokens.size() == 5);
  }
}

TEST("masked diffusion: one pass, and denoising in both orders") {
  const ReferenceCase reference("mdlm");
  ModelSpec target;
  target.n_vocab = 79;   // the mask is a token that the target does not have
  const std::unique_ptr<Ops> ops = exact_ops();
  MdlmModel model(kFolder + "mdlm.gguf", target);
  model.attach(*ops, {}, {});
  CHECK(model.context_window() == 24 && model.max_length() == 6 && model.n_steps() == 3);
  model.run(reference.numbers("sequence"));
  const std::span<const float> expected = reference.floats("masked");
  double worst = 0;
  for (size_t row = 0; row < expected.size() / 80; ++row) worst = std::max(worst, largest_error(expected.subspan(row * 80, 80), model.logits(static_cast<int>(row))));
  std::printf("    largest error %.2e\n", worst);
  CHECK(worst < 1e-4);
  for (const int steps : {1, 2, 3, 6}) {
    const std::string key = "denoised." + std::to_string(steps) + ".";
    CHECK(model.denoise(reference.numbers("prefix"), 6, steps, Reveal::kConfidence) == reference.numbers(key + "confidence"));
    CHECK(model.denoise(reference.numbers("prefix"), 6, steps, Reveal::kLeftToRight) == reference.numbers(key + "left-to-right"));
  }
  CHECK(model.make_drafter()->propose(reference.numbers("prefix"), {}, 6).tokens == reference.numbers("denoised.3.confidence"));
  CHECK(model.make_drafter()->propose(std::vector<int32_t>{1}, {}, 2).tokens.size() == 2);   // shorter than the window
}

TEST("a drafter with the true shapes of Qwen3-Coder-30B-A3B's loads under each convention") {
  for (const char* architecture : {"dflash", "dflash-draft", "qwen35-dflash-draft"}) {
    const TemporaryFile file{PublicShapes{.architecture = architecture, .extra_tensor = ""}.write(architecture)};
    const DflashModel model(file.path, qwen3_coder());
    CHECK((model.spec().taps == std::vector<int>{1, 12, 23, 34, 45}));
    CHECK(model.spec().mask_token == 151669 && model.max_length() == 15 && model.kv_shapes().size() == 8);
    CHECK(model.kv_shapes()[0].n_kv_heads == 4 && model.kv_shapes()[0].d_k == 128);
    for (const LayerSpec& layer : model.spec().layers.layers) CHECK(!layer.attention.causal && layer.attention.window == 0);
    std::printf("    %s: %.0f MB of weights\n", architecture, static_cast<double>(model.weight_bytes()) * 1e-6);
    CHECK(open_drafter(file.path, qwen3_coder())->kind() == kBlockDiffusion);
  }
}

TEST("a drafter that does not fit is refused in a sentence") {
  const TemporaryFile good{PublicShapes{.extra_tensor = ""}.write("fits")};
  ModelSpec other = qwen3_coder();
  other.d_model = 4096;
  CHECK(message_of([&] { open_drafter(good.path, other); }, ErrorCode::kBadArgument).find("its width is 2048 and this model's 4096") != std::string::npos);
  other = qwen3_coder();
  other.n_layers = 40;
  CHECK(message_of([&] { open_drafter(good.path, other); }, ErrorCode::kBadArgument).find("it reads layer 45 (from zero) and this model has 40") != std::string::npos);
  other = qwen3_coder();
  other.n_vocab = 100000;
  CHECK(message_of([&] { open_drafter(good.path, other); }, ErrorCode::kBadArgument).find("its mask token is 151669") != std::string::npos);
  const TemporaryFile taps{PublicShapes{.n_taps = 4, .extra_tensor = ""}.write("taps")};
  CHECK(message_of([&] { open_drafter(taps.path, qwen3_coder()); }, ErrorCode::kBadFile).find("names 5 target layers and its 'fc' takes 4 times") != std::string::npos);
  const TemporaryFile order{PublicShapes{.taps = {1, 23, 12, 34, 45}, .extra_tensor = ""}.write("order")};
  CHECK(message_of([&] { open_drafter(order.path, qwen3_coder()); }, ErrorCode::kBadFile).find("ascending") != std::string::npos);
  const TemporaryFile variant{PublicShapes{.extra_tensor = "markov_w1.weight"}.write("variant")};
  CHECK(message_of([&] { open_drafter(variant.path, qwen3_coder()); }, ErrorCode::kUnsupported).find("markov_w1.weight") != std::string::npos);
  CHECK(message_of([&] { open_drafter(CONCLAVE_FIXTURES "/../../models/default/tiny-Q8_0.gguf", qwen3_coder()); }, ErrorCode::kUnsupported).find("drafters are") != std::string::npos);
  ModelSpec larger;
  larger.n_vocab = 200;
  CHECK(message_of([&] { open_drafter(kFolder + "mdlm.gguf", larger); }, ErrorCode::kBadArgument).find("knows 80 tokens and this model has 200") != std::string::npos);
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
