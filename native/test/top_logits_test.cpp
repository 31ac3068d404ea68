// The best of rows of logits on every level, and what is decided by them alone: the same tokens as the whole row decides, for any
// chain of the sampler; and that rows stay on a device.
#include <limits>
#include <numeric>

#include "base/error.h"
#include "engine_run.h"
#include "forward/batch.h"
#include "golden.h"
#include "ops/forwarding_ops.h"
#include "ops_fixture.h"
#include "sample/sampler.h"

using namespace conclave;
using namespace conclave::test;

namespace {

enum class LogitRow { kNormal, kPeaked, kFlat, kFewValues, kAscending, kZeros, kExtreme };
constexpr LogitRow kLogitRows[] = {LogitRow::kNormal, LogitRow::kPeaked, LogitRow::kFlat, LogitRow::kFewValues, LogitRow::kAscending, LogitRow::kZeros, LogitRow::kExtreme};

void fill_logits(float* row, int64_t n, LogitRow kind) {
  for (int64_t i = 0; i < n; ++i) {
    const float value = 3.f * normal();
    switch (kind) {
      case LogitRow::kNormal: row[i] = value; break;
      case LogitRow::kPeaked: row[i] = i == n / 3 ? 40.f : value; break;
      case LogitRow::kFlat: row[i] = -2.5f; break;
      case LogitRow::kFewValues: row[i] = std::nearbyint(value); break;
      case LogitRow::kAscending: row[i] = static_cast<float>(i) * 1e-3f; break;   // all of the best in the last slice
      case LogitRow::kZeros: row[i] = i % 3 == 0 ? 0.f : i % 3 == 1 ? -0.f : -1.f; break;   // both zeros are equal
      case LogitRow::kExtreme: row[i] = i % 5 == 0 ? 3e38f : value * 1e37f; break;
    }
  }
}

struct TopResult {
  OwnedTensor ids, values, sums, asked;
  TopResult(int64_t n, int64_t k, int64_t m) : ids(n, k, false), values(n, k, false), sums(n, 2, false), asked(n, m, false) { ids.view.type = DType::kI32; }
  TopLogitsArgs args(Tensor logits, const std::vector<int32_t>& asked_ids) const { return {ids.view, values.view, sums.view, asked.view, logits, asked_ids}; }
};

void check_top_logits(const Level& level, int64_t n_vocab, const std::vector<LogitRow>& rows) {
  const int64_t n = static_cast<int64_t>(rows.size()), k = std::min<int64_t>(kTopLogits, n_vocab), m = 3;
  OwnedTensor logits(n, n_vocab, false);
  std::vector<int32_t> asked;
  for (int64_t r = 0; r < n; ++r) {
    fill_logits(logits.view.f32(r), n_vocab, rows[static_cast<size_t>(r)]);
    asked.insert(asked.end(), {static_cast<int32_t>(n_vocab - 1), -1, static_cast<int32_t>(r % n_vocab)});
  }
  const TopResult result(n, k, m);
  level.ops->top_logits(result.args(logits.view, asked));
  for (int64_t r = 0; r < n; ++r) {
    const float* row = logits.view.f32(r);
    const std::string what = level.name + " top_logits, row of kind " + std::to_string(static_cast<int>(rows[static_cast<size_t>(r)])) + " of " + std::to_string(n_vocab);
    std::vector<int32_t> order(static_cast<size_t>(n_vocab));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });
    for (int64_t i = 0; i < k; ++i) CHECK_MSG(result.ids.view.i32(r)[i] == order[static_cast<size_t>(i)] && result.values.view.f32(r)[i] == row[order[static_cast<size_t>(i)]], what + ": place " + std::to_string(i));
    double sum = 0;
    for (const int32_t id : order) sum += std::exp(static_cast<double>(row[id]) - static_cast<double>(row[order.front()]));
    CHECK_MSG(std::fabs(static_cast<double>(result.sums.view.f32(r)[0]) - sum) <= kTopSumError * sum && result.sums.view.f32(r)[1] == 0.f, what + ": the sum is " + std::to_string(result.sums.view.f32(r)[0]) + ", not " + std::to_string(sum));
    CHECK_MSG(result.asked.view.f32(r)[0] == row[n_vocab - 1] && result.asked.view.f32(r)[1] == -99.f && result.asked.view.f32(r)[2] == row[r % n_vocab], what + ": what was asked for");
    const TopResult alone(1, k, m);
    level.ops->top_logits(alone.args(logits.view.rows(r, 1), {asked.begin() + r * m, asked.begin() + (r + 1) * m}));
    CHECK_MSG(same_bits(alone.sums.view.f32(), result.sums.view.f32(r), 2) && same_bits(alone.values.view.f32(), result.values.view.f32(r), k) && same_bits(alone.ids.view.f32(), result.ids.view.f32(r), k), what + " differs alone");
  }
}

}  // namespace

TEST("top_logits: the best in order, ties to the lower id, sums, single values; a row alone has the same bits") {
  for (const Level& level : levels()) {
    for (const int64_t n_vocab : {1, 50, 128, 129, 4097}) check_top_logits(level, n_vocab, {std::begin(kLogitRows), std::end(kLogitRows)});
    check_top_logits(level, 50000, {LogitRow::kNormal, LogitRow::kFewValues});
    check_top_logits(level, 262145, {LogitRow::kNormal});   // more slices than one merge takes
  }
}

TEST("top_logits: logits that are no finite numbers are counted, and the ids stay in the vocabulary") {
  for (const Level& level : levels())
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
      for (const int64_t n_bad : {1, 4500}) {
        constexpr int64_t kVocab = 4500;
        OwnedTensor logits(1, kVocab);
        for (int64_t i = 0; i < n_bad; ++i) logits.view.f32()[kVocab - 1 - i] = bad;
        const TopResult result(1, kTopLogits, 0);
        level.ops->top_logits(result.args(logits.view, {}));
        CHECK_MSG(result.sums.view.f32()[1] == static_cast<float>(n_bad), level.name + ": " + std::to_string(result.sums.view.f32()[1]) + " of " + std::to_string(n_bad));
        for (int64_t i = 0; i < kTopLogits; ++i) CHECK(result.ids.view.i32()[i] >= 0 && result.ids.view.i32()[i] < kVocab);
      }
}

// ---- what the best alone decide ----------------------------------------------------------------------------------

namespace {

/// What a device would tell of a row: its sum is off by as much as it may be.
struct Told {
  std::vector<int32_t> ids, asked_ids;
  std::vector<float> values, asked;
  TopLogits view;

  Told(const std::vector<float>& row, std::vector<int32_t> asks, double error = 0) : asked_ids(std::move(asks)) {
    std::vector<int32_t> order(row.size());
    std::iota(order.begin(), order.end(), 0);
    const size_t k = std::min<size_t>(kTopLogits, row.size());
    const auto value = [&](int32_t id) { return row[static_cast<size_t>(id)]; };
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(), [&](int32_t a, int32_t b) { return value(a) > value(b) || (value(a) == value(b) && a < b); });
    ids.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k));
    for (const int32_t id : ids) values.push_back(value(id));
    for (const int32_t id : asked_ids) asked.push_back(value(id));
    double sum = 0;
    for (const float logit : row) sum += std::exp(static_cast<double>(logit) - static_cast<double>(values.front()));
    view = {ids, values, static_cast<float>(sum * (1 + error * 0.98)), std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); }), static_cast<int>(row.size()), asked_ids, asked};
  }
};

SamplerOptions random_options(std::mt19937& random, const std::vector<float>& row, std::vector<int32_t>& history) {
  const auto one_of = [&](std::initializer_list<float> values) { return *(values.begin() + random() % values.size()); };
  SamplerOptions options;
  options.temperature = one_of({0.f, 0.3f, 0.8f, 1.f, 3.f});
  options.top_k = static_cast<int>(one_of({0.f, 1.f, 40.f, 100.f, 127.f, 128.f, 200.f, 1e6f}));
  options.top_p = one_of({1.f, 0.999f, 0.95f, 0.5f, 0.1f});
  options.min_p = one_of({0.f, 0.f, 0.05f, 0.3f, 1.f});
  options.repetition_penalty = one_of({1.f, 1.f, 1.1f, 2.f, 0.8f});
  options.repetition_window = static_cast<int>(one_of({0.f, 8.f, 64.f, 300.f}));
  options.n_top_logprobs = static_cast<int>(one_of({0.f, 5.f, 20.f}));
  options.seed = random();
  const Told best(row, {});
  const auto token = [&] { return random() % 2 == 0 ? best.ids[random() % best.ids.size()] : static_cast<int32_t>(random() % row.size()); };
  for (uint32_t i = random() % 100; i > 0; --i) history.push_back(token());
  if (random() % 3 == 0)
    for (uint32_t i = random() % 150; i > 0; --i) options.logit_bias.emplace_back(token(), one_of({-std::numeric_limits<float>::infinity(), -5.f, -0.1f, 0.1f, 7.f}));
  return options;
}

/// The token, or the code of the error.
int32_t outcome_of(const std::function<SampledToken()>& sample, SampledToken& sampled) {
  try {
    sampled = sample();
    return sampled.token;
  } catch (const Error& error) {
    return -1 - static_cast<int32_t>(error.code());
  }
}

}  // namespace

TEST("any chain over any row: what the best decide is what the whole row decides") {
  std::mt19937 random(17);
  int n_decided = 0, n_by_whole = 0;
  for (int i = 0; i < 6000; ++i) {
    std::vector<float> row(static_cast<size_t>(std::array{1, 100, 128, 129, 400, 3000}[random() % 6]));
    fill_logits(row.data(), static_cast<int64_t>(row.size()), kLogitRows[random() % std::size(kLogitRows)]);
    if (random() % 50 == 0) row[random() % row.size()] = std::array{std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}[random() % 3];
    std::vector<int32_t> history;
    const Sampler sampler(random_options(random, row, history), static_cast<int>(row.size()));
    const Told told(row, sampler.changed_tokens(history), (static_cast<int>(random() % 3) - 1) * kTopSumError);
    const std::optional<SampledToken> decided = sampler.sample(told.view, history);
    SampledToken whole{};
    const int32_t token = outcome_of([&] { return sampler.sample(row, history); }, whole);
    n_by_whole += !decided;
    if (!decided) continue;
    ++n_decided;
    const std::string what = "case " + std::to_string(i) + ": " + std::to_string(decided->token) + " against " + std::to_string(token);
    CHECK_MSG(decided->token == token, what);
    CHECK_MSG(std::fabs(decided->logprob - whole.logprob) <= 1e-5f * std::max(1.f, std::fabs(whole.logprob)) && decided->top.size() == whole.top.size(), what);
    for (size_t j = 0; j < whole.top.size(); ++j) CHECK_MSG(decided->top[j].token == whole.top[j].token && std::fabs(decided->top[j].logprob - whole.top[j].logprob) <= 1e-5f * std::max(1.f, std::fabs(whole.top[j].logprob)), what);
  }
  std::printf("      %d by the best, %d by the whole row\n", n_decided, n_by_whole);
  CHECK(n_decided > 3000 && n_by_whole > 600);
}

TEST("what the best do not decide for certain they leave to the whole row") {
  const auto decides = [](const std::vector<float>& row, const std::function<void(SamplerOptions&)>& set, std::vector<int32_t> history = {}) {
    SamplerOptions options;
    options.top_k = 0, options.top_p = 1.f, options.min_p = 0.f;
    set(options);
    const Sampler sampler(options, static_cast<int>(row.size()));
    return sampler.sample(Told(row, sampler.changed_tokens(history)).view, history).has_value();
  };
  std::vector<float> flat(1000, 1.f), falling(1000);
  for (size_t i = 0; i < falling.size(); ++i) falling[i] = -0.05f * static_cast<float>(i);
  CHECK(!decides(falling, [](auto&) {}));
  CHECK(decides(std::vector<float>(128, 1.f), [](auto&) {}));   // all there is
  CHECK(decides(falling, [](auto& o) { o.temperature = 0.f; }));
  CHECK(decides(falling, [](auto& o) { o.top_k = 128; }) && !decides(falling, [](auto& o) { o.top_k = 129; }));
  CHECK(decides(falling, [](auto& o) { o.min_p = 0.01f; }) && !decides(falling, [](auto& o) { o.min_p = 0.001f; }));   // e^-6.35 is the last told of
  CHECK(decides(falling, [](auto& o) { o.top_p = 0.99f; }) && !decides(falling, [](auto& o) { o.top_p = 0.9995f; }));
  // A hundred of a thousand equals hold a tenth: whether one more is kept hangs on the last bits of the sum.
  CHECK(!decides(flat, [](auto& o) { o.top_p = 0.1f; }) && decides(flat, [](auto& o) { o.top_p = 0.0995f; }));
  // Those that the penalty moves behind the last told of may be anywhere among the untold.
  std::vector<int32_t> history(40);
  std::iota(history.begin(), history.end(), 0);
  std::vector<float> high = falling;
  for (float& logit : high) logit += 60.f;
  const auto with_penalty = [&](int top_k) { return decides(high, [top_k](auto& o) { o.repetition_penalty = 10.f, o.top_k = top_k; }, history); };
  CHECK(with_penalty(88) && !with_penalty(89));
  CHECK(!decides(falling, [](auto& o) { o.logit_bias = {{7, 3e38f}, {7, 3e38f}}, o.top_k = 5; }));   // their sum is no number
}

// ---- a device keeps its rows -------------------------------------------------------------------------------------

#if !defined(__SANITIZE_THREAD__)   // which loses its way when a kernel changes stacks
namespace {

/// Counts what the engine downloads, and keeps every row of logits aside.
class Recorder final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  void download(void* to, const void* from, size_t bytes) override {
    n_bytes += bytes;
    inner().download(to, from, bytes);
  }
  void top_logits(const TopLogitsArgs& args) override {
    inner().top_logits(args);
    for (int64_t row = 0; row < args.logits.n_rows; ++row) {
      rows.emplace_back(static_cast<size_t>(args.logits.d_row));
      inner().download(rows.back().data(), args.logits.f32(row), rows.back().size() * sizeof(float));
    }
  }
  size_t n_bytes = 0;
  std::vector<std::vector<float>> rows;
};

struct Chat {
  GoldenCase golden = read_golden(std::filesystem::path(CONCLAVE_FIXTURES) / "golden" / "mixtral-Q4_K.gguf");
  Recorder* device = nullptr;
  std::unique_ptr<Engine> engine;
  Chat() {
    EngineOptions options;
    options.path = golden.model;
    options.n_context = 256;
    options.make_ops = [this] {
      auto ops = std::make_unique<Recorder>(gpu::make_gpu_ops(gpu_host::make_host_device("cuda-on-host")));
      device = ops.get();
      return ops;
    };
    engine = Engine::open(options);
  }
  std::shared_ptr<Outcome> run(const SamplerOptions& sampler, int n_tokens, DraftOptions draft = {}, int score_from = 0) {
    RequestOptions request;
    request.tokens = golden.prompt;
    request.max_tokens = n_tokens;
    request.sampler = sampler;
    request.draft = draft;
    request.score_from = score_from;
    const auto outcome = conclave::test::run(*engine, request);
    CHECK_MSG(outcome->failure.empty(), outcome->failure);
    return outcome;
  }
};

struct ChainCase { const char* why; SamplerOptions options; bool needs_rows; };
std::vector<ChainCase> chains() {
  SamplerOptions plain;
  plain.temperature = 1.f, plain.top_k = 0, plain.top_p = 1.f, plain.min_p = 0.f, plain.seed = 5;
  std::vector<ChainCase> all = {{"greedy", plain, false}, {"as it comes", {}, false}, {"top-p", plain, false}, {"penalty and biases", {}, false}, {"plain", plain, true}};
  all[0].options.temperature = 0.f;
  all[1].options.n_top_logprobs = 20;
  all[2].options.top_p = 0.2f;
  all[3].options.repetition_penalty = 1.3f;
  all[3].options.logit_bias = {{17, 4.f}, {40, -std::numeric_limits<float>::infinity()}};
  return all;
}

}  // namespace

TEST("a chat of 32 tokens brings the best of each row and the experts, and whole rows only for a chain that cuts nothing") {
  Chat chat;
  const ModelSpec& spec = chat.engine->spec();
  CHECK(spec.n_vocab > kTopLogits);
  size_t per_token = 4 * (2 * kTopLogits + 2 + kMostAsked);
  for (const LayerSpec& layer : spec.layers) per_token += layer.ffn.kind == FfnKind::kMoe ? 8 * static_cast<size_t>(layer.ffn.n_experts_used) : 0;
  chat.run({}, 1);   // from now on the prompt is known
  for (const ChainCase& chain : chains()) {
    constexpr int kTokens = 32;
    chat.run(chain.options, 1);
    const size_t before = chat.device->n_bytes;
    chat.run(chain.options, 1);
    const size_t first = chat.device->n_bytes - before;
    chat.device->rows.clear();
    const auto outcome = chat.run(chain.options, kTokens);
    const size_t more = chat.device->n_bytes - before - 2 * first;
    std::printf("      %-20s %zu bytes a token\n", chain.why, more / (kTokens - 1));
    CHECK_MSG(static_cast<int>(outcome->tokens.size()) == kTokens && chat.device->rows.size() == kTokens, chain.why);
    CHECK_MSG(more == (kTokens - 1) * (per_token + (chain.needs_rows ? 4 * static_cast<size_t>(spec.n_vocab) : 0)), chain.why);
    const Sampler sampler(chain.options, spec.n_vocab);
    std::vector<int32_t> history = chat.golden.prompt;
    for (size_t i = 0; i < outcome->tokens.size(); ++i) {
      CHECK_MSG(sampler.sample(chat.device->rows[i], history).token == outcome->tokens[i], std::string(chain.why) + ": token " + std::to_string(i));
      history.push_back(outcome->tokens[i]);
    }
  }
  chat.run(chains().front().options, 1);   // the counts are those of the step before
  CHECK(chat.engine->stats().logit_rows_fetched == 34);
}

TEST("drafts and scores ask for what they will want, and bring no row") {
  Chat chat;
  SamplerOptions options;
  options.temperature = 0.7f, options.top_k = 3;
  options.repetition_penalty = 0.7f;   // below 1: it repeats itself
  options.logit_bias = {{11, 1.f}};
  chat.run(options, 1);   // so that both begin with the same known prefix: a long prompt's rows may round otherwise than few
  const auto alone = chat.run(options, 48), drafted = chat.run(options, 48, {.mode = DraftMode::kLookup, .length = 4});
  CHECK(alone->tokens == drafted->tokens && drafted->timings.n_accepted > 0);
  std::vector<float> scores;
  RequestOptions request;
  request.tokens = chat.golden.prompt;
  request.max_tokens = 0;
  request.score_from = 1;
  const auto outcome = std::make_shared<Outcome>();
  RequestCallbacks callbacks = outcome->callbacks();
  callbacks.on_scored = [&](const std::vector<float>& more) { scores.insert(scores.end(), more.begin(), more.end()); };
  chat.device->rows.clear();
  chat.engine->submit(request, callbacks);
  outcome->wait();
  CHECK(scores.size() == request.tokens.size() - 1 && chat.device->rows.size() == scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    const std::vector<float>& row = chat.device->rows[i];
    CHECK(std::fabs(scores[i] - (row[static_cast<size_t>(request.tokens[i + 1])] - log_sum_exp(row))) <= 1e-5f * std::max(1.f, -scores[i]));
  }
  chat.run(options, 1);
  CHECK(chat.engine->stats().logit_rows_fetched == 0);
}
#endif

int main(int argc, char** argv) { return run_tests(argc, argv); }
