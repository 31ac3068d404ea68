// `conclave logits`: the logits of every position of a prompt and the experts that each layer chose, for comparison with
// other implementations.
#include <algorithm>
#include <cstdio>

#include "base/json_writer.h"
#include "tools/commands.h"
#include "tools/model_options.h"

namespace conclave {
namespace {

/// [layer][position][k] out of each position's [layer * k].
template <typename T>
void write_by_layer(JsonWriter& json, const LogitsResult& result, size_t n_layers, std::vector<T> ExpertChoice::*member) {
  json.begin_array();
  for (size_t layer = 0; layer < n_layers; ++layer) {
    json.begin_array();
    for (const ExpertChoice& choice : result.choices) {
      const std::vector<T>& values = choice.*member;
      const size_t k = values.size() / n_layers;
      json.begin_array();
      for (size_t j = layer * k; j < (layer + 1) * k; ++j) json.value(values[j]);
      json.end_array();
    }
    json.end_array();
  }
  json.end_array();
}

void print_json(const LogitsResult& result) {
  const size_t n_moe_layers = static_cast<size_t>(result.n_moe_layers);
  JsonWriter json;
  json.begin_object().key("logits").begin_array();
  for (const std::vector<float>& row : result.logits) {
    json.begin_array();
    for (const float logit : row) json.value(logit);
    json.end_array();
  }
  json.end_array().key("experts");
  write_by_layer(json, result, n_moe_layers, &ExpertChoice::experts);
  json.key("expert_weights");
  write_by_layer(json, result, n_moe_layers, &ExpertChoice::weights);
  std::puts(json.end_object().text().c_str());
}

void print_text(const std::vector<int32_t>& tokens, const LogitsResult& result) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto best = std::max_element(result.logits[i].begin(), result.logits[i].end());
    std::printf("position %zu, token %d: most likely next %td, logit %.6g; experts", i, tokens[i], best - result.logits[i].begin(), *best);
    for (const uint16_t expert : result.choices[i].experts) std::printf(" %u", expert);
    std::puts("");
  }
}

}  // namespace

int command_logits(std::span<char* const> args) {
  const Arguments arguments(args, {{"--tokens", nullptr, true}, {"--threads", "-t", true}, {"--device", nullptr, true}, {"--vram", nullptr, true}, {"--expert-cache", nullptr, true}, {"--expert-usage", nullptr, true}, {"--exact", nullptr, false}, {"--json", nullptr, false}}, 1);
  const std::vector<int32_t> tokens = token_argument(arguments);
  const LogitsResult result = compute_logits(engine_options(arguments), tokens);
  if (arguments.has("--json")) print_json(result);
  else print_text(tokens, result);
  return 0;
}

}  // namespace conclave
