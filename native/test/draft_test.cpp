// Drafting through the engine's door: it changes no token, greedy or sampled, on any reference model, with any drafter, alone or in
// company; a row of a verifying pass has the bits that it has alone; and what is reported of it adds up.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <random>

#include "base/error.h"
#include "check.h"
#include "engine/engine.h"
#include "engine/loaded_model.h"
#include "engine_run.h"
#include "gguf_builder.h"
#include "golden.h"

using namespace conclave;
using namespace conclave::test;
using Tokens = std::vector<int32_t>;

namespace {

const std::string kEmbedded = CONCLAVE_FIXTURES "/../../models/default/tiny-Q8_0.gguf";

EngineOptions options_for(const std::string& path, bool exact) {
  EngineOptions options;
  options.path = path;
  options.n_threads = 2;
  if (exact) {
    options.precision = Precision::kExact;
    options.kv_type = DType::kF32;
  }
  return options;
}

RequestOptions request_for(Tokens tokens, int max_tokens, DraftOptions draft, float temperature = 0.f, uint64_t seed = 0) {
  RequestOptions request;
  request.tokens = std::move(tokens);
  request.max_tokens = max_tokens;
  request.sampler.temperature = temperature;
  request.sampler.seed = seed;
  request.draft = draft;
  return request;
}

/// Words that come again, as in code and lists, so that look-up has something to find.
Tokens prompt_of(int variant, int n_vocab) {
  std::mt19937 random(static_cast<unsigned>(variant) * 7919u + 1);
  Tokens phrase, tokens;
  for (int i = 0; i < 3 + variant % 9; ++i) phrase.push_back(static_cast<int32_t>(5 + random() % static_cast<unsigned>(n_vocab - 5)));
  while (tokens.size() < static_cast<size_t>(12 + variant % 50)) {
    tokens.insert(tokens.end(), phrase.begin(), phrase.end());
    tokens.push_back(static_cast<int32_t>(5 + random() % static_cast<unsigned>(n_vocab - 5)));
  }
  return tokens;
}

struct TemporaryFile {
  std::string path;
  ~TemporaryFile() { std::filesystem::remove(path); }
};

/// A drafter of random weights for a target of this width and vocabulary: always wrong, or nearly.
struct RandomDrafter {
  bool dflash = true;
  uint32_t d = 256, n_vocab = 4096;
  std::vector<int32_t> taps{0, 1, 3};
  unsigned seed = 17;
  std::vector<std::string> tokens{};   // none: the file does not list them

  TemporaryFile write() const {
    GgufBuilder b;
    const std::string a = dflash ? "dflash." : "conclave-mdlm.";
    b.string("general.architecture", a.substr(0, a.size() - 1)).u32(a + "block_count", 2).u32(a + "embedding_length", d).u32(a + "feed_forward_length", 128);
    b.u32(a + "attention.head_count", 4).u32(a + "attention.head_count_kv", 2).u32(a + "attention.key_length", 32).u32("tokenizer.ggml.mask_token_id", 4);
    if (dflash) {
      std::vector<int32_t> ids = taps;
      for (int32_t& id : ids) ++id;
      b.u32(a + "block_size", 8).array(a + "target_layers", GgufType::kI32, ids);
      b.tensor("fc.weight", {taps.size() * d, d}).tensor("enc.output_norm.weight", {d});
    } else {
      b.u32(a + "context_window", 20).u32(a + "draft_length", 5).u32(a + "steps", 2);
      b.tensor("token_embd.weight", {d, n_vocab});
    }
    if (!tokens.empty()) b.array("tokenizer.ggml.tokens", GgufType::kString, tokens);
    b.tensor("output_norm.weight", {d});
    for (int i = 0; i < 2; ++i) {
      const std::string block = "blk." + std::to_string(i) + ".";
      for (const char* norm : {"attn_norm.weight", "ffn_norm.weight"}) b.tensor(block + norm, {d});
      for (const char* norm : {"attn_q_norm.weight", "attn_k_norm.weight"}) b.tensor(block + norm, {32});
      b.tensor(block + "attn_q.weight", {d, 128}).tensor(block + "attn_k.weight", {d, 64}).tensor(block + "attn_v.weight", {d, 64}).tensor(block + "attn_output.weight", {128, d});
      b.tensor(block + "ffn_gate.weight", {d, 128}).tensor(block + "ffn_up.weight", {d, 128}).tensor(block + "ffn_down.weight", {128, d});
    }
    std::vector<std::byte> bytes = b.build();
    size_t data = 0;
    for (const TensorRecord& tensor : b.tensors) data += tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1) * sizeof(float);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.f, 0.08f);
    for (size_t at = bytes.size() - data; at < bytes.size(); at += sizeof(float)) {
      const float value = normal(random);
      std::memcpy(bytes.data() + at, &value, sizeof value);
    }
    const std::filesystem::path path = std::filesystem::temp_directory_path() / ("conclave-draft-test-" + std::string(dflash ? "dflash-" : "mdlm-") + std::to_string(seed) + ".gguf");
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return {path.string()};
  }
};

struct Counts {
  int drafted = 0, accepted = 0, passes = 0, generated = 0;
  void add(const RunTimings& t) { drafted += t.n_drafted, accepted += t.n_accepted, passes += t.n_passes, generated += t.n_generated; }
};

/// Every request's tokens, with and without drafting, must be the same.
Counts compare(Engine& plain, Engine& drafting, const std::vector<RequestOptions>& requests, bool together) {
  std::vector<RequestOptions> bare = requests;
  for (RequestOptions& request : bare) request.draft = {};
  const auto expected = run_together(plain, bare);
  std::vector<std::shared_ptr<Outcome>> actual;
  if (together) actual = run_together(drafting, requests);
  else for (const RequestOptions& request : requests) actual.push_back(run(drafting, request));
  Counts counts;
  for (size_t i = 0; i < requests.size(); ++i) {
    CHECK_MSG(actual[i]->failure.empty() && expected[i]->failure.empty(), actual[i]->failure + expected[i]->failure);
    CHECK_MSG(actual[i]->tokens == expected[i]->tokens, "prompt " + std::to_string(i) + " is answered differently when drafted");
    for (size_t t = 0; t < actual[i]->events.size(); ++t) {   // probabilities and routing are those of the same rows
      CHECK(actual[i]->events[t].logprob == expected[i]->events[t].logprob);
      CHECK(actual[i]->events[t].choice.experts == expected[i]->events[t].choice.experts && actual[i]->events[t].choice.weights == expected[i]->events[t].choice.weights);
    }
    const RunTimings& timings = actual[i]->timings;
    const int n_marked = static_cast<int>(std::count_if(actual[i]->events.begin(), actual[i]->events.end(), [](const TokenEvent& event) { return event.drafted; }));
    CHECK(timings.n_accepted <= timings.n_drafted && n_marked == timings.n_accepted);
    CHECK(timings.n_passes + timings.n_accepted == timings.n_generated + (actual[i]->reason == StopReason::kEndOfText ? 1 : 0));
    const int n_reached = std::accumulate(timings.stood_at.begin(), timings.stood_at.end(), 0);
    CHECK(timings.tried_at[0] <= timings.n_passes && n_reached <= timings.n_accepted && n_reached >= timings.n_accepted - kMaxDraft);   // the last pass may have ended on the way
    for (size_t at = 1; at < timings.tried_at.size(); ++at) CHECK(timings.stood_at[at] <= timings.tried_at[at] && timings.tried_at[at] <= timings.stood_at[at - 1]);
    counts.add(timings);
  }
  return counts;
}

void print(const char* name, const Counts& counts) {
  std::printf("    %-28s %d tokens in %d passes, %d drafted, %d accepted\n", name, counts.generated, counts.passes, counts.drafted, counts.accepted);
}

}  // namespace

TEST("a row's logits have the same bits whatever rows it is computed with") {
  for (const bool exact : {false, true}) {
    LoadedModel model(options_for(kEmbedded, exact), 40);
    const Tokens tokens = prompt_of(23, 4000);
    std::vector<std::vector<float>> alone;
    for (const size_t n_together : {size_t{1}, size_t{2}, size_t{3}, size_t{5}, size_t{8}, size_t{16}, tokens.size()}) {
      Sequence sequence;
      model.cache().open(sequence, tokens);
      for (size_t first = 0; first < tokens.size(); first += n_together) {
        Batch batch;
        batch.sequences.push_back({sequence.pages, sequence.state});
        for (size_t at = first; at < std::min(tokens.size(), first + n_together); ++at) {
          batch.logit_rows.push_back(batch.n_rows());
          batch.add_row(tokens[at], static_cast<int32_t>(at), 0, sequence.slot(static_cast<int64_t>(at)));
        }
        model.forward().run(batch);
        for (int row = 0; row < batch.n_rows(); ++row) {
          const std::span<const float> logits = model.forward().logits(row);
          if (n_together == 1) alone.emplace_back(logits.begin(), logits.end());
          else CHECK_MSG(std::memcmp(alone[first + static_cast<size_t>(row)].data(), logits.data(), logits.size_bytes()) == 0,
                         "row " + std::to_string(row) + " of " + std::to_string(n_together) + (exact ? " (exact)" : " (fast)"));
        }
      }
      model.cache().close(sequence, {});
    }
  }
}

TEST("a tap is what leaves the layer: a model cut there gives its logits, whichever rows wanted some") {
  LoadedModel model(options_for(kEmbedded, true), 40);
  const Tokens tokens = prompt_of(11, 4000);
  const int n = static_cast<int>(tokens.size()), n_layers = model.spec().n_layers;
  Sequence sequence;
  model.cache().open(sequence, tokens);
  Batch batch;
  batch.sequences.push_back({sequence.pages, sequence.state});
  for (int at = 0; at < n; ++at) batch.add_row(tokens[static_cast<size_t>(at)], at, 0, sequence.slot(at));
  Batch all = batch;
  for (int at = 0; at < n; ++at) all.logit_rows.push_back(at);
  batch.logit_rows = {n - 1};
  for (int layer = 0; layer < n_layers; ++layer) {
    ModelSpec cut = model.spec();
    cut.layers.resize(static_cast<size_t>(layer) + 1);
    cut.n_layers = layer + 1;
    ModelWeights weights = model.weights();
    weights.layers.resize(cut.layers.size());
    Forward shorter(model.ops(), cut, weights, model.cache().pool().layers().first(cut.layers.size()), n, n);
    shorter.run(all);

    const int taps[] = {layer};
    model.forward().tap(taps);
    model.forward().run(batch);
    Workspace work(model.ops(), cut, n, n);
    model.ops().begin();
    model.ops().norm({.out = work.normed, .x = model.forward().taps(0, n), .weight = &weights.output_norm, .bias = nullptr, .kind = cut.norm, .eps = cut.norm_eps});
    model.ops().logits(work.logits, work.normed, all.logit_rows, weights.output, nullptr, cut.logit_scale, cut.logit_softcap);
    model.ops().submit();
    model.ops().wait();
    for (int row = 0; row < n; ++row) {
      CHECK_MSG(std::memcmp(work.logits.f32(row), shorter.logits(row).data(), shorter.logits(row).size_bytes()) == 0, "layer " + std::to_string(layer) + " row " + std::to_string(row));
    }
  }
  model.cache().close(sequence, {});
}

TEST("a drafter proposes the same however its context came: at once, in chunks, behind rejected drafts, from a known prefix") {
  const TemporaryFile block = RandomDrafter{}.write();
  EngineOptions options = options_for(kEmbedded, true);
  options.drafters = {block.path};
  LoadedModel model(options, 40);
  const Tokens tokens = prompt_of(47, 4000);   // spans pages; the last token is the anchor
  const size_t n_context = tokens.size() - 1;
  CHECK(n_context > 2 * kPageTokens - 12);
  const auto run_rows = [&](Sequence& sequence, Drafter& drafter, size_t first, size_t n, int n_wrong) {
    Batch batch;
    batch.sequences.push_back({sequence.pages, sequence.state});
    for (size_t at = first; at < first + n; ++at) batch.add_row(tokens[at], static_cast<int32_t>(at), 0, sequence.slot(static_cast<int64_t>(at)));
    for (int i = 0; i < n_wrong; ++i) batch.add_row(77 + i, static_cast<int32_t>(first + n) + i, 0, sequence.slot(static_cast<int64_t>(first + n) + i));   // a draft that will be rejected
    batch.logit_rows.push_back(batch.n_rows() - 1);
    model.forward().run(batch);
    drafter.observe({.tokens = tokens, .pages = sequence.pages, .first = static_cast<int64_t>(first), .count = static_cast<int>(n), .taps = model.forward().taps(0, static_cast<int>(n))});
  };
  Tokens expected;
  for (const size_t step : {n_context, size_t{1}, size_t{7}, size_t{40}}) {
    Sequence sequence;
    const std::unique_ptr<Drafter> drafter = model.drafters()[0]->make_drafter();
    const size_t known = static_cast<size_t>(model.cache().open(sequence, tokens).value());
    CHECK(step == n_context ? known == 0 : known > 0);   // after the first time only as far as what was kept does not reach
    model.cache().reserve(sequence, static_cast<int64_t>(tokens.size()) + 7);
    for (size_t first = known; first < n_context; first += step) {
      const size_t n = std::min(step, n_context - first);
      run_rows(sequence, *drafter, first, n, 3);
      if (step == 7) drafter->propose(std::span(tokens).first(first + n + 1), sequence.pages, 5);   // its block's keys are overwritten by the next rows
    }
    const Tokens draft = drafter->propose(tokens, sequence.pages, 7).tokens;
    CHECK(draft.size() == 7);
    if (expected.empty()) expected = draft;
    CHECK_MSG(draft == expected, "in steps of " + std::to_string(step));
    drafter->settle(sequence.pages);
    // Each time a shorter prefix stays, so that the rest is computed in the next way.
    model.cache().close(sequence, std::span(tokens).first(step == n_context ? 20 : std::min<size_t>(20, known)));
  }
}

TEST("a drafter proposes the same for each of several sequences as for one alone") {
  const TemporaryFile block = RandomDrafter{}.write();
  EngineOptions options = options_for(kEmbedded, false);
  options.drafters = {block.path};
  LoadedModel model(options, 40);
  DrafterModel& drafters = *model.drafters()[0];
  constexpr int kSequences = 9;   // more drafted tokens than fit into one pass
  std::vector<Tokens> tokens;
  std::vector<Sequence> sequences(kSequences);
  std::vector<std::unique_ptr<Drafter>> own;
  for (size_t i = 0; i < kSequences; ++i) {
    tokens.push_back(prompt_of(static_cast<int>(5 + 4 * i), 4000));
    Sequence& sequence = sequences[i];
    CHECK(model.cache().open(sequence, tokens[i]).has_value() && model.cache().reserve(sequence, static_cast<int64_t>(tokens[i].size()) + 7));
    Batch batch;
    batch.sequences.push_back({sequence.pages, sequence.state});
    const int n = static_cast<int>(tokens[i].size()) - 1;
    for (int at = 0; at < n; ++at) batch.add_row(tokens[i][static_cast<size_t>(at)], at, 0, sequence.slot(at));
    batch.logit_rows.push_back(n - 1);
    model.forward().run(batch);
    own.push_back(drafters.make_drafter());
    own.back()->observe({.tokens = tokens[i], .pages = sequence.pages, .first = 0, .count = n, .taps = model.forward().taps(0, n)});
  }
  std::vector<DraftAsk> asks;
  for (size_t i = 0; i < kSequences; ++i) asks.push_back({.drafter = own[i].get(), .tokens = tokens[i], .pages = sequences[i].pages, .n = static_cast<int>(i % 8)});
  drafters.propose_together(asks);
  for (size_t i = 0; i < kSequences; ++i) {
    CHECK(asks[i].draft.size() == i % 8);
    CHECK_MSG(asks[i].draft == own[i]->propose(tokens[i], sequences[i].pages, static_cast<int>(i % 8)).tokens, "sequence " + std::to_string(i));
  }
  // For the record: what a pass costs the drafter when parallel samples draft four tokens each.
  for (DraftAsk& ask : asks) ask.n = 4;
  const auto ms_of = [&](const auto& work) {
    std::vector<double> ms;
    for (int i = 0; i < 9; ++i) {
      for (DraftAsk& ask : asks) ask.draft.clear();
      const auto start = std::chrono::steady_clock::now();
      work();
      ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    }
    std::nth_element(ms.begin(), ms.begin() + 4, ms.end());
    return ms[4];
  };
  const double together = ms_of([&] { drafters.propose_together(asks); });
  const double alone = ms_of([&] { for (DraftAsk& ask : asks) ask.draft = ask.drafter->propose(ask.tokens, ask.pages, ask.n).tokens; });
  std::printf("    %d sequences, 4 tokens each: %.2f ms together, %.2f ms one by one\n", kSequences, together, alone);
  for (size_t i = 0; i < kSequences; ++i) model.cache().close(sequences[i], {});
}

TEST("greedy answers to 200 prompts are the same with look-up, alone and in company") {
  std::vector<RequestOptions> requests;
  for (int i = 0; i < 200; ++i) requests.push_back(request_for(prompt_of(i, 4096), 24, {DraftMode::kLookup, 1 + i % 10}));
  const auto plain = Engine::open(options_for(kEmbedded, false)), drafting = Engine::open(options_for(kEmbedded, false));
  const Counts alone = compare(*plain, *drafting, requests, false);
  print("embedded, one by one", alone);
  CHECK(alone.drafted > 1000 && alone.accepted > 100 && alone.passes < alone.generated);
  const Counts company = compare(*plain, *drafting, requests, true);
  print("embedded, together", company);
  CHECK(company.drafted > 500 && company.accepted > 50);
  for (RequestOptions& request : requests) request.draft = {DraftMode::kAuto, 0};
  print("embedded, as it pays", compare(*plain, *drafting, requests, false));
}

TEST("greedy answers of every reference model are the same with look-up") {
  Counts all;
  for (const GoldenCase& golden : golden_cases()) for (const bool exact : {true, false}) {
    std::unique_ptr<Engine> engine;
    try {
      engine = Engine::open(options_for(golden.model, exact));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      continue;
    }
    const int room = std::min(32, engine->n_context() - static_cast<int>(golden.prompt.size()));
    std::vector<RequestOptions> requests{request_for(golden.prompt, room, {DraftMode::kLookup, 6})};
    for (int i = 0; i < 3; ++i) requests.push_back(request_for(prompt_of(i, engine->spec().n_vocab), std::min(room, 24), {DraftMode::kLookup, 3 + 4 * i}));
    const Counts counts = compare(*engine, *engine, requests, false);
    print((golden.name + (exact ? " (exact)" : " (fast)")).c_str(), counts);
    all.passes += counts.passes, all.generated += counts.generated, all.drafted += counts.drafted, all.accepted += counts.accepted;
  }
  print("all reference models", all);
  CHECK(all.drafted > 0 && all.accepted > 0);
}

TEST("drafters that are wrong change nothing: block and masked diffusion of random weights") {
  const TemporaryFile block = RandomDrafter{}.write(), masked = RandomDrafter{.dflash = false}.write();
  EngineOptions options = options_for(kEmbedded, false);
  const auto plain = Engine::open(options);
  options.drafters = {block.path, masked.path};
  const auto drafting = Engine::open(options);
  for (const DraftOptions draft : {DraftOptions{DraftMode::kBlockDiffusion, 7}, DraftOptions{DraftMode::kMaskedDiffusion, 5}, DraftOptions{DraftMode::kAuto, 4}, DraftOptions{DraftMode::kAuto, 0}}) {
    std::vector<RequestOptions> requests;
    for (int i = 0; i < 24; ++i) requests.push_back(request_for(prompt_of(i, 4096), 20, draft, i % 2 == 0 ? 0.f : 1.f, static_cast<uint64_t>(i)));
    const Counts counts = compare(*plain, *drafting, requests, false);
    print(draft.mode == DraftMode::kAuto ? "auto" : draft.mode == DraftMode::kBlockDiffusion ? "block diffusion" : "masked diffusion", counts);
    if (draft.length > 0) CHECK(counts.drafted > 200);
    print("  together", compare(*plain, *drafting, requests, true));
  }
}

TEST("sampled answers are the same token for token, with the whole sampler chain") {
  std::vector<RequestOptions> requests;
  for (int i = 0; i < 40; ++i) {
    RequestOptions request = request_for(prompt_of(i, 4096), 24, {DraftMode::kLookup, 5}, 0.6f, static_cast<uint64_t>(i));
    request.sampler.repetition_penalty = 1.05f;
    request.sampler.logit_bias = {{7, 0.5f}};
    request.sampler.n_top_logprobs = 3;
    requests.push_back(request);
  }
  const auto plain = Engine::open(options_for(kEmbedded, false)), drafting = Engine::open(options_for(kEmbedded, false));
  const Counts counts = compare(*plain, *drafting, requests, true);
  print("sampled", counts);
  CHECK(counts.accepted > 0);
}

namespace {

/// Of two samples of answers, the token at `at`: how unlike they are, as a standard normal deviate; 3.3 is p = 0.0005.
double difference(const std::vector<std::shared_ptr<Outcome>>& ones, const std::vector<std::shared_ptr<Outcome>>& others, size_t at) {
  std::map<int32_t, std::pair<double, double>> seen;
  for (const auto& outcome : ones) ++seen[at < outcome->tokens.size() ? outcome->tokens[at] : -1].first;
  for (const auto& outcome : others) ++seen[at < outcome->tokens.size() ? outcome->tokens[at] : -1].second;
  double chi2 = 0, rest_a = 0, rest_b = 0;
  int freedom = -1;
  const auto add = [&](double a, double b) { chi2 += (a - b) * (a - b) / (a + b), ++freedom; };
  for (const auto& [token, counts] : seen) {
    if (counts.first + counts.second < 20) rest_a += counts.first, rest_b += counts.second;
    else add(counts.first, counts.second);
  }
  if (rest_a + rest_b > 0) add(rest_a, rest_b);
  CHECK(freedom > 0);
  // Wilson and Hilferty: the cube root of chi2 / freedom is nearly normal.
  const double z = (std::cbrt(chi2 / freedom) - (1 - 2.0 / (9 * freedom))) / std::sqrt(2.0 / (9 * freedom));
  std::printf("    token %zu: chi-square %.1f with %d degrees of freedom, z = %.2f\n", at + 1, chi2, freedom, z);
  return z;
}

}  // namespace

TEST("the first four tokens at temperature 1 have the target's distribution, whoever drafts") {
  // Draws with drafting under one set of seeds, without under another: two samples of one distribution, or not.
  constexpr int kDraws = 1500, kTokens = 4;
  EngineOptions options = options_for(kEmbedded, false);
  options.drafters = {CONCLAVE_FIXTURES "/../../models/default/dflash-Q8_0.gguf", CONCLAVE_FIXTURES "/../../models/default/mdlm-Q8_0.gguf"};
  const auto engine = Engine::open(options);
  // The model's own words, and then again from the start: it is likely, not sure, to go on as before.
  Tokens prompt = run(*engine, request_for(prompt_of(4, 4096), 48, {}))->tokens;
  prompt.insert(prompt.end(), prompt.begin(), prompt.begin() + 20);
  const auto sample = [&](DraftOptions draft, uint64_t first_seed, Counts& counts) {
    std::vector<std::shared_ptr<Outcome>> all;
    for (int begin = 0; begin < kDraws; begin += 50) {
      std::vector<RequestOptions> requests;
      for (int i = begin; i < begin + 50; ++i) {
        requests.push_back(request_for(prompt, kTokens, draft, 1.f, first_seed + static_cast<uint64_t>(i)));
        requests.back().sampler.top_k = 0, requests.back().sampler.top_p = 1, requests.back().sampler.min_p = 0;
      }
      for (const auto& outcome : run_together(*engine, requests)) all.push_back(outcome), counts.add(outcome->timings);
    }
    return all;
  };
  Counts plain_counts;
  const auto plain = sample({}, 1000001, plain_counts);
  for (const DraftMode mode : {DraftMode::kLookup, DraftMode::kBlockDiffusion, DraftMode::kMaskedDiffusion}) {
    Counts counts;
    const auto drafted = sample({mode, 3}, 2000001 + 1000000 * static_cast<uint64_t>(mode), counts);   // a draw depends on its seed alone, not on the drafter
    print(mode == DraftMode::kLookup ? "look-up" : mode == DraftMode::kBlockDiffusion ? "block diffusion" : "masked diffusion", counts);
    CHECK(counts.drafted > kDraws && counts.accepted > kDraws / 10 && counts.passes < plain_counts.passes);
    for (size_t at = 0; at < kTokens; ++at) CHECK(difference(drafted, plain, at) < 3.3);
  }
}

TEST("a saved prefix belongs to the drafter whose keys and values lie behind the model's") {
  const TemporaryFile one = RandomDrafter{}.write(), other = RandomDrafter{.seed = 18}.write(), kept = {(std::filesystem::temp_directory_path() / "conclave-draft-test.kv").string()};
  EngineOptions options = options_for(kEmbedded, false);
  options.drafters = {one.path};
  const PrefixFile file{kept.path, std::string(64, 'a'), "1", prompt_of(49, 4000)};
  {
    const auto engine = Engine::open(options);
    run(*engine, request_for(file.tokens, 0, {}));
    engine->save_prefix(file);
  }
  CHECK(Engine::open(options)->load_prefix(file) > 0);
  for (const std::vector<std::string>& drafters : {std::vector<std::string>{other.path}, std::vector<std::string>{}}) {
    options.drafters = drafters;
    std::string message;
    try {
      Engine::open(options)->load_prefix(file);
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK_MSG(message.find("another drafter") != std::string::npos, message);
  }
}

TEST("a drafter's file is told apart from a model's, and fits by its tokens, not only by its sizes") {
  const auto message_of = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  const TemporaryFile block = RandomDrafter{}.write(), masked = RandomDrafter{.dflash = false}.write();
  const DrafterInfo found = inspect_drafter(block.path, kEmbedded);
  CHECK(found.kind == DraftMode::kBlockDiffusion && found.name == "dflash" && found.max_length == 7 && found.file_bytes == std::filesystem::file_size(block.path));
  CHECK(inspect_drafter(masked.path, kEmbedded).kind == DraftMode::kMaskedDiffusion);
  CHECK(inspect_model(kEmbedded).spec.n_vocab == 4096);
  for (const std::string& path : {block.path, masked.path}) CHECK(message_of([&] { inspect_model(path); }).find("holds a drafter") != std::string::npos);
  CHECK(message_of([&] { inspect_drafter(kEmbedded, kEmbedded); }).find("given as a drafter is a 'olmoe'") != std::string::npos);

  const auto target = GgufFile::open(kEmbedded);
  std::vector<std::string> tokens = std::get<std::vector<std::string>>(std::get<GgufArray>(*target->find("tokenizer.ggml.tokens")));
  tokens.push_back("<mask>");   // behind the target's own
  CHECK(inspect_drafter(TemporaryFile(RandomDrafter{.seed = 19, .tokens = tokens}.write()).path, kEmbedded).max_length == 7);
  tokens[300] = "foreign";
  CHECK(message_of([&] { inspect_drafter(TemporaryFile(RandomDrafter{.seed = 20, .tokens = tokens}.write()).path, kEmbedded); }).find("its token 300 is 'foreign' and this model's is") != std::string::npos);
  tokens.resize(200);
  CHECK(message_of([&] { inspect_drafter(TemporaryFile(RandomDrafter{.seed = 21, .tokens = tokens}.write()).path, kEmbedded); }).find("its token 200 is missing") != std::string::npos);
}

TEST("prefixes that drafted requests leave behind are as good as computed ones") {
  const TemporaryFile block = RandomDrafter{}.write();
  EngineOptions options = options_for(kEmbedded, false);
  const auto plain = Engine::open(options);
  options.drafters = {block.path};
  options.n_context = 256;   // pages run short, too
  const auto drafting = Engine::open(options);
  Tokens conversation = prompt_of(3, 4096);
  for (int turn = 0; turn < 4; ++turn) {
    std::vector<RequestOptions> requests;
    for (int i = 0; i < 6; ++i) {
      Tokens branch = conversation;
      branch.push_back(100 + i);
      requests.push_back(request_for(branch, 20, {i % 2 == 0 ? DraftMode::kLookup : DraftMode::kBlockDiffusion, 5}));
    }
    compare(*plain, *drafting, requests, true);
    const Tokens answer = run(*drafting, requests[0])->tokens;
    conversation = requests[0].tokens;
    conversation.insert(conversation.end(), answer.begin(), answer.end());
  }
}

TEST("what plain decoding would have taken is what it took where nothing was drafted, and unknown where it was not measured") {
  const TemporaryFile block = RandomDrafter{}.write();
  EngineOptions options = options_for(kEmbedded, false);
  options.drafters = {block.path};
  const auto engine = Engine::open(options);
  const auto told = [](const RunTimings& t) { return t.plain_ms * (t.n_generated - 1) / t.decode_ms; };
  const auto answer = [&](int n_tokens, DraftOptions draft) { return run(*engine, request_for(prompt_of(3, 4096), n_tokens, draft))->timings; };
  const RunTimings first = answer(6, {});   // the first passes of a process are like none that come later
  CHECK_MSG(std::abs(told(first) - 1) < 1e-9, std::to_string(told(first)));
  CHECK(told(answer(1, {})) == 0);
  const RunTimings unsure = answer(5, {DraftMode::kAuto, 0});
  CHECK_MSG(unsure.n_drafted > 0 ? unsure.plain_ms == 0 : told(unsure) > 0.8 && told(unsure) <= 1, std::to_string(told(unsure)));
  answer(40, {});
  const RunTimings wrong = answer(40, {DraftMode::kBlockDiffusion, 7});
  std::printf("    drafts that are always wrong: %.2f times as fast as without\n", told(wrong));
  CHECK_MSG(wrong.n_drafted > 200 && told(wrong) > 0.05 && told(wrong) < 0.9, std::to_string(told(wrong)));
}

TEST("a small model's block drafter is fed only where a length is asked for, and finds its context whole when they do") {
  const TemporaryFile block = RandomDrafter{}.write();
  EngineOptions options = options_for(kEmbedded, false);
  options.drafters = {block.path};
  const auto engine = Engine::open(options);
  const Tokens prompt = prompt_of(47, 4096);
  const auto drafted = [&](Engine& by) { return run(by, request_for(prompt, 12, {DraftMode::kBlockDiffusion, 3})); };
  const auto expected = drafted(*Engine::open(options));
  CHECK(run(*engine, request_for(prompt, 12, {DraftMode::kAuto, 0}))->timings.n_reused == 0);
  for (const DraftMode mode : {DraftMode::kOff, DraftMode::kBlockDiffusion}) CHECK(run(*engine, request_for(prompt, 12, {mode, 0}))->timings.n_reused > 0);   // all without its rows
  const auto fed = drafted(*engine);
  CHECK(fed->timings.n_reused == 0 && fed->tokens == expected->tokens);
  CHECK(drafted(*engine)->timings.n_reused > 0);
}

TEST("with a fixed length, too, it is known what plain decoding takes") {
  const TemporaryFile block = RandomDrafter{}.write();   // has something to offer at every pass
  EngineOptions options = options_for(kEmbedded, false);
  options.drafters = {block.path};
  const auto engine = Engine::open(options);
  const RunTimings timings = run(*engine, request_for(prompt_of(3, 4096), 24, {DraftMode::kBlockDiffusion, 4}))->timings;
  CHECK(timings.plain_ms > 0 && timings.n_drafted > 40);
}

TEST("limits hold within a run of accepted drafts: stop tokens, length and context") {
  const auto engine = Engine::open(options_for(kEmbedded, false));
  const Tokens prompt = prompt_of(8, 4096);
  const Tokens answer = run(*engine, request_for(prompt, 30, {}))->tokens;
  for (int n = 1; n < 12; ++n) CHECK(run(*engine, request_for(prompt, n, {DraftMode::kLookup, 9}))->tokens == Tokens(answer.begin(), answer.begin() + n));
  RequestOptions stopping = request_for(prompt, 30, {DraftMode::kLookup, 9});
  stopping.stop_tokens = {answer[6]};
  const auto first = std::find(answer.begin(), answer.end(), answer[6]);
  const auto outcome = run(*engine, stopping);
  CHECK(outcome->reason == StopReason::kEndOfText && outcome->tokens == Tokens(answer.begin(), first));
  EngineOptions small = options_for(kEmbedded, false);
  small.n_context = static_cast<int>(prompt.size()) + 10;
  const auto full = run(*Engine::open(small), request_for(prompt, 100, {DraftMode::kLookup, 9}));
  CHECK(full->reason == StopReason::kContextFull && full->tokens == Tokens(answer.begin(), answer.begin() + 10));
}

TEST("what cannot be done is said: no such drafter, two of a kind, a drafter as a model") {
  const TemporaryFile block = RandomDrafter{}.write();
  EngineOptions options = options_for(kEmbedded, false);
  const auto engine = Engine::open(options);
  const auto message = [](const std::function<void()>& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  CHECK(message([&] { engine->submit(request_for({1, 2}, 4, {DraftMode::kBlockDiffusion, 0}), {}); }) == "a block diffusion drafter was asked for and none was loaded with the model");
  CHECK(message([&] { engine->submit(request_for({1, 2}, 4, {DraftMode::kLookup, 99}), {}); }).find("the draft length is 99") == 0);
  options.drafters = {block.path, block.path};
  CHECK(message([&] { Engine::open(options); }).find("two drafters of the same kind") == 0);
  CHECK(message([&] { Engine::open(options_for(block.path, false)); }).find("this file holds a drafter ('dflash')") == 0);
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
