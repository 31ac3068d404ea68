// `conclave generate`: continues a prompt of token ids through the whole engine (scheduler, cache, sampler).
#include <cstdio>
#include <future>
#include <optional>

#include "base/json_writer.h"
#include "tools/commands.h"
#include "tools/model_options.h"

namespace conclave {
namespace {

struct Outcome {
  std::vector<int32_t> tokens;
  StopReason reason = StopReason::kMaxTokens;
  RunTimings timings;
  std::optional<Error> failure;
};

const char* reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEndOfText: return "end-of-text";
    case StopReason::kMaxTokens: return "max-tokens";
    case StopReason::kContextFull: return "context-full";
    case StopReason::kCancelled: return "cancelled";
  }
  return "";
}

Outcome generate(Engine& engine, RequestOptions options) {
  Outcome outcome;
  std::promise<void> over;
  engine.submit(std::move(options), {
      .on_prefill = {},
      .on_token = [&](const TokenEvent& event) { outcome.tokens.push_back(event.token); },
      .on_ended = [&](StopReason reason, const RunTimings& timings) {
        outcome.reason = reason;
        outcome.timings = timings;
        over.set_value();
      },
      .on_failed = [&](ErrorCode code, const std::string& message) {
        outcome.failure.emplace(code, message);
        over.set_value();
      }});
  over.get_future().wait();
  if (outcome.failure) throw *outcome.failure;
  return outcome;
}

void print_json(const Outcome& outcome, const EngineStats& stats) {
  const RunTimings& t = outcome.timings;
  JsonWriter json;
  json.begin_object().key("tokens").begin_array();
  for (const int32_t token : outcome.tokens) json.value(token);
  json.end_array().field("stop_reason", reason_name(outcome.reason)).field("prompt_tokens", t.n_prompt).field("prefill_ms", t.prefill_ms);
  json.field("decode_ms", t.decode_ms).field("first_token_ms", t.first_token_ms);
  json.field("drafted", t.n_drafted).field("accepted", t.n_accepted).field("passes", t.n_passes).field("draft_ms", t.draft_ms).field("plain_ms", t.plain_ms);
  json.field("distinct_experts", t.distinct_experts).field("backend", stats.backend).field("logit_rows_fetched", stats.logit_rows_fetched);
  if (stats.n_experts_placed > 0) {
    json.field("experts_on_device", stats.n_experts_on_device).field("experts_placed", stats.n_experts_placed);
    json.field("expert_hits", stats.expert_hits).field("expert_misses", stats.expert_misses).field("expert_bytes_moved", stats.expert_bytes_moved);
  }
  std::puts(json.end_object().text().c_str());
}

}  // namespace

int command_generate(std::span<char* const> args) {
  const Arguments arguments(args, {{"--tokens", nullptr, true}, {"--max-tokens", "-n", true}, {"--temperature", nullptr, true}, {"--seed", nullptr, true},
                                   {"--top-k", nullptr, true}, {"--top-p", nullptr, true}, {"--min-p", nullptr, true}, {"--repetition-penalty", nullptr, true},
                                   {"--stop", nullptr, true}, {"--threads", "-t", true}, {"--device", nullptr, true}, {"--vram", nullptr, true}, {"--expert-cache", nullptr, true}, {"--expert-usage", nullptr, true}, {"--exact", nullptr, false}, {"--json", nullptr, false},
                                   {"--draft", nullptr, true}, {"--draft-length", nullptr, true}, {"--drafter", nullptr, true}}, 1);
  RequestOptions request;
  request.tokens = token_argument(arguments);
  request.max_tokens = static_cast<int>(arguments.integer("--max-tokens", 0, 1 << 24, 128));
  request.stop_tokens = arguments.integers("--stop", 0, INT_MAX);
  request.draft = draft_argument(arguments);
  SamplerOptions& sampler = request.sampler;
  sampler.temperature = static_cast<float>(arguments.real("--temperature", 0, 100, sampler.temperature));
  sampler.seed = static_cast<uint64_t>(arguments.integer("--seed", 0, INT64_MAX, 0));
  sampler.top_k = static_cast<int>(arguments.integer("--top-k", 0, INT_MAX, sampler.top_k));
  sampler.top_p = static_cast<float>(arguments.real("--top-p", 0, 1, sampler.top_p));
  sampler.min_p = static_cast<float>(arguments.real("--min-p", 0, 1, sampler.min_p));
  sampler.repetition_penalty = static_cast<float>(arguments.real("--repetition-penalty", 0, 100, sampler.repetition_penalty));

  const std::unique_ptr<Engine> engine = Engine::open(engine_options(arguments));
  const Outcome outcome = generate(*engine, std::move(request));
  if (arguments.has("--json")) {
    print_json(outcome, engine->stats());
  } else {
    for (const int32_t token : outcome.tokens) std::printf("%d ", token);
    std::puts("");
  }
  return 0;
}

}  // namespace conclave
