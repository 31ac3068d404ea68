// `conclave perplexity`: how well a model expects a text, given as token ids: one text a line in a file. Each text is cut
// into windows; in each, every token but the first is predicted from those before it. The engine has no tokenizer:
// `npm run perplexity` makes the ids from a text file.
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/json_writer.h"
#include "engine/loaded_model.h"
#include "formats/mapped_file.h"
#include "tools/commands.h"
#include "tools/model_options.h"

namespace conclave {
namespace {

constexpr size_t kMaxTokenFileBytes = size_t{1} << 30;

/// Lines of ids separated by spaces or commas.
std::vector<std::vector<int32_t>> read_texts(const std::string& path, int n_vocab) {
  const MappedFile file(path);
  if (file.bytes().size() > kMaxTokenFileBytes) throw Error(ErrorCode::kBadFile, "'" + printable(path, kMaxPathShown) + "' is too large to be a list of token ids");
  const char *at = reinterpret_cast<const char*>(file.bytes().data()), *end = at + file.bytes().size();
  std::vector<std::vector<int32_t>> texts(1);
  for (size_t line = 1; at < end;) {
    if (*at == '\n') {
      ++at, ++line;
      if (!texts.back().empty()) texts.emplace_back();
    } else if (*at == ' ' || *at == ',' || *at == '\r') {
      ++at;
    } else {
      int32_t id = -1;
      const auto result = std::from_chars(at, end, id);
      if (result.ec != std::errc{} || id < 0 || id >= n_vocab) {
        throw Error(ErrorCode::kBadFile, "line " + std::to_string(line) + " of '" + printable(path, kMaxPathShown) + "' holds something that is not a token id below " + std::to_string(n_vocab) +
                                             "; `npm run perplexity -- MODEL TEXT` makes ids from a text");
      }
      texts.back().push_back(id);
      at = result.ptr;
    }
  }
  if (texts.back().empty()) texts.pop_back();
  return texts;
}

/// Mean and spread of the negative log-probabilities.
struct Tally {
  int64_t n = 0;
  double sum = 0, sum_squares = 0;
  void add(double nll) { ++n, sum += nll, sum_squares += nll * nll; }
  double mean() const { return sum / static_cast<double>(n); }
  /// Of the mean, as if tokens were independent.
  double standard_error() const {
    const double m = mean(), count = static_cast<double>(n);
    return n > 1 ? std::sqrt(std::max(0.0, sum_squares / count - m * m) / (count - 1)) : 0;
  }
};

double negative_log_probability(std::span<const float> logits, int32_t token) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return std::log(sum) + most - logits[static_cast<size_t>(token)];
}

void score_window(LoadedModel& model, std::span<const int32_t> tokens, int chunk, Tally& tally) {
  Sequence sequence;
  if (!model.cache().open(sequence, tokens)) throw Error(ErrorCode::kInternal, "the cache has no room for its one window");
  for (size_t first = 0; first < tokens.size(); first += static_cast<size_t>(chunk)) {
    const size_t end = std::min(tokens.size(), first + static_cast<size_t>(chunk));
    Batch batch;
    batch.sequences.push_back({sequence.pages});
    for (size_t i = first; i < end; ++i) {
      batch.add_row(tokens[i], static_cast<int32_t>(i), 0, sequence.slot(static_cast<int64_t>(i)));
      if (i + 1 < tokens.size()) batch.logit_rows.push_back(static_cast<int32_t>(i - first));
    }
    model.forward().run(batch);
    for (size_t i = first; i < end && i + 1 < tokens.size(); ++i) tally.add(negative_log_probability(model.forward().logits(static_cast<int>(i - first)), tokens[i + 1]));
  }
  model.cache().close(sequence, {});
}

}  // namespace

int command_perplexity(std::span<char* const> args) {
  const Arguments arguments(args, {{"--tokens-file", nullptr, true}, {"--context", nullptr, true}, {"--threads", "-t", true}, {"--device", nullptr, true}, {"--vram", nullptr, true}, {"--expert-cache", nullptr, true}, {"--expert-usage", nullptr, true}, {"--exact", nullptr, false}, {"--json", nullptr, false}}, 1);
  if (!arguments.has("--tokens-file")) throw UsageError("the option --tokens-file is missing; `npm run perplexity -- MODEL TEXT` makes such a file from a text");
  constexpr int kChunk = 128;
  EngineOptions options = engine_options(arguments);
  options.n_context = static_cast<int>(arguments.integer("--context", 2, 1 << 20, 512));
  options.prefill_chunk = kChunk;
  options.plain = true;
  LoadedModel model(options, kChunk);
  const size_t window = static_cast<size_t>(std::min(options.n_context, model.n_context()));
  Tally tally;
  for (const std::vector<int32_t>& text : read_texts(arguments.text("--tokens-file", ""), model.spec().n_vocab)) {
    for (size_t first = 0; first + 1 < text.size(); first += window) {
      score_window(model, std::span(text).subspan(first, std::min(window, text.size() - first)), kChunk, tally);
    }
  }
  if (tally.n == 0) throw Error(ErrorCode::kBadFile, "the texts hold no token that another one precedes, so there is nothing to predict");
  const double perplexity = std::exp(tally.mean()), error = tally.standard_error();
  if (arguments.has("--json")) {
    JsonWriter json;
    json.begin_object().field("tokens", tally.n).field("context", window).field("mean_nll", tally.mean()).field("standard_error", error).field("perplexity", perplexity).end_object();
    std::puts(json.text().c_str());
  } else {
    std::printf("%lld tokens predicted in windows of %zu\nmean negative log-probability %.5f +- %.5f nats\nperplexity %.4f +- %.4f\n", static_cast<long long>(tally.n), window, tally.mean(), error,
                perplexity, perplexity * error);
  }
  return 0;
}

}  // namespace conclave
