// Drafting without a model: the rules of verification, the look-up, what is counted, and the choice of lengths on traces with
// known costs. That drafting changes no output is tested through the engine in draft_test.cpp.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "base/json_reader.h"
#include "check.h"
#include "speculate/controller.h"
#include "speculate/prompt_lookup.h"
#include "speculate/verifier.h"

using namespace conclave;
using Tokens = std::vector<int32_t>;

namespace {

/// Both tokens of one round over two independent uniform bits, the draft made by revealing the second first and setting the first
/// equal to it. Its q for the first is then a point mass.
Tokens two_bits(std::mt19937& random, VerifyRule asked, DraftOrigin origin) {
  std::uniform_real_distribution<double> uniform;
  const SparseDistribution p{{0, 0.5}, {1, 0.5}};
  const int32_t second = uniform(random) < 0.5 ? 0 : 1;
  const Tokens draft{second, second};
  Tokens emitted;
  if (rule_for(asked, origin, true) == VerifyRule::kMatch) {
    match_draft(draft, [&](int) -> std::optional<int32_t> {
      emitted.push_back(token_at(p, uniform(random)));
      return emitted.back();
    });
  } else {
    const SparseDistribution q[] = {{{second, 1.0}}, p};
    for (size_t i = 0; i < 2; ++i) {
      const RatioOutcome outcome = ratio_test(p, q[i], draft[i], uniform(random), uniform(random));
      emitted.push_back(outcome.token);
      if (!outcome.accepted) break;
    }
  }
  while (emitted.size() < 2) emitted.push_back(token_at(p, uniform(random)));
  return emitted;
}

double share_of_equal(VerifyRule asked, DraftOrigin origin) {
  std::mt19937 random(11);
  constexpr int kRounds = 40000;
  int equal = 0;
  for (int i = 0; i < kRounds; ++i) {
    const Tokens emitted = two_bits(random, asked, origin);
    equal += emitted[0] == emitted[1];
  }
  return static_cast<double>(equal) / kRounds;
}

Draft propose(PromptLookup& lookup, const Tokens& tokens, int n) { return lookup.propose(tokens, {}, n); }

}  // namespace

TEST("a draft made in several steps keeps the target's distribution, whichever rule was asked for") {
  // Standard error 0.0025.
  CHECK(std::abs(share_of_equal(VerifyRule::kMatch, DraftOrigin::kAny) - 0.5) < 0.01);
  CHECK(std::abs(share_of_equal(VerifyRule::kRatio, DraftOrigin::kAny) - 0.5) < 0.01);
}

TEST("the counter-example tells a wrong verifier: the ratio test on that draft gives 3/4") {
  CHECK(std::abs(share_of_equal(VerifyRule::kRatio, DraftOrigin::kOneStep) - 0.75) < 0.01);
}

TEST("the ratio test on one-step drafts gives the target's distribution") {
  const SparseDistribution p{{0, 0.1}, {2, 0.6}, {5, 0.3}}, q{{0, 0.5}, {2, 0.2}, {3, 0.3}};
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform;
  constexpr int kDraws = 100000;
  double seen[6] = {};
  int accepted = 0;
  for (int i = 0; i < kDraws; ++i) {
    const RatioOutcome outcome = ratio_test(p, q, token_at(q, uniform(random)), uniform(random), uniform(random));
    ++seen[outcome.token];
    accepted += outcome.accepted;
  }
  double chi2 = 0;
  for (const auto& [token, mass] : p) chi2 += (seen[token] - mass * kDraws) * (seen[token] - mass * kDraws) / (mass * kDraws);
  CHECK(seen[1] + seen[3] + seen[4] == 0);
  CHECK_MSG(chi2 < 13.8, "chi-square " + std::to_string(chi2) + " with 2 degrees of freedom (p = 0.001)");
  CHECK(std::abs(accepted / double{kDraws} - 0.3) < 0.01);   // sum of min(p, q)
}

TEST("matching stops at the first difference, at the end of the request, and goes one beyond a draft that stood") {
  const Tokens target{4, 5, 6, 7};
  Tokens emitted;
  const auto next = [&](int row) -> std::optional<int32_t> {
    if (emitted.size() == target.size()) return std::nullopt;
    emitted.push_back(target[static_cast<size_t>(row)]);
    return emitted.back();
  };
  CHECK(match_draft(Tokens{4, 9, 6}, next) == 1);
  CHECK((emitted == Tokens{4, 5}));
  emitted.clear();
  CHECK(match_draft(Tokens{9, 5, 6}, next) == 0);
  CHECK((emitted == Tokens{4}));
  emitted.clear();
  CHECK(match_draft(Tokens{4, 5}, next) == 2);
  CHECK((emitted == Tokens{4, 5, 6}));
  emitted.clear();
  CHECK(match_draft(Tokens{}, next) == 0);
  CHECK((emitted == Tokens{4}));
  emitted.clear();
  CHECK(match_draft(Tokens{4, 5, 6, 7, 8, 9}, next) == 4);   // over at the fifth row
  CHECK(emitted == target);
}

TEST("look-up continues the longest earlier match, the newest of equals") {
  PromptLookup lookup;
  //                 0  1  2  3  4  5  6  7  8  9 10 11 12 13
  const Tokens text{1, 2, 3, 7, 9, 2, 3, 8, 4, 2, 3, 6, 2, 3};
  CHECK(lookup.find(text).length == 2);
  CHECK((propose(lookup, text, 2).tokens == Tokens{6, 2}));                      // newest of three matches of length 2
  Tokens longer = text;
  longer.insert(longer.end(), {5, 1, 2, 3});
  PromptLookup other;
  CHECK(other.find(longer).length == 3);
  CHECK((propose(other, longer, 3).tokens == Tokens{7, 9, 2}));                  // an older match, but longer
  longer.push_back(100);
  CHECK(propose(other, longer, 3).tokens.empty());
  CHECK(other.offer(longer).max_length == 0);
}

TEST("look-up repeats a repetition beyond its end") {
  PromptLookup lookup;
  CHECK((propose(lookup, {1, 2, 3, 1, 2, 3}, 7).tokens == Tokens{1, 2, 3, 1, 2, 3, 1}));
  PromptLookup single;
  CHECK((propose(single, {5, 5}, 3).tokens == Tokens{5, 5, 5}));
  CHECK(propose(single, {5}, 3).tokens.empty());
}

TEST("look-up that learns as tokens come finds what a fresh one finds") {
  std::mt19937 random(5);
  Tokens text;
  PromptLookup grown;
  for (int i = 0; i < 400; ++i) {
    text.push_back(static_cast<int32_t>(random() % 6));
    PromptLookup fresh;
    const PromptLookup::Match a = grown.find(text), b = fresh.find(text);
    CHECK(a.length == b.length && a.next == b.next);
    int longest = 0;   // by comparing everything with everything; chains are shorter than their limit here
    for (size_t end = 1; end < text.size(); ++end) {
      int length = 0;
      while (static_cast<size_t>(length) < end && text[end - 1 - static_cast<size_t>(length)] == text[text.size() - 1 - static_cast<size_t>(length)]) ++length;
      longest = std::max(longest, length);
    }
    CHECK(a.length == longest);
  }
}

TEST("acceptance is counted by position, given that the positions before it stood") {
  AcceptanceMeter meter;
  for (int i = 0; i < 300; ++i) meter.observe(kBlockDiffusion, 4, i % 2 == 0 ? 4 : 1);
  CHECK(meter.estimate(kBlockDiffusion, 0) > 0.95);
  CHECK(std::abs(meter.estimate(kBlockDiffusion, 1) - 0.5) < 0.06);
  CHECK(meter.estimate(kBlockDiffusion, 2) > 0.9);
  CHECK(meter.n_tries(kLookupLong) == 0);
  const AcceptanceMeter faded = meter.faded(4);
  CHECK(std::abs(faded.n_tries(kBlockDiffusion) - 4) < 1e-9 && faded.estimate(kBlockDiffusion, 0) > 0.8);
}

TEST("a shadow draft is compared with what is emitted, and with nothing after its end") {
  ShadowDraft shadow;
  CHECK(!shadow.active());
  shadow.start(kLookupLong, {1, 2, 3});
  CHECK(!shadow.follow(1) && !shadow.follow(2) && shadow.follow(9));
  CHECK(shadow.n_right() == 2 && shadow.length() == 3);
  shadow.start(kLookupLong, {4});
  CHECK(shadow.follow(4) && shadow.n_right() == 1);
}

TEST("the best lengths are found behind a cliff of costs, and across sequences") {
  // A kernel whose second row doubles the time, then rows are nearly free.
  DraftQuestion question{.subjects = {{kLookupLong, 8, std::vector<double>(8, 0.9), std::vector<double>(8, 0.0)}}, .pass_ms = {10, 20, 20.5, 21, 21.5, 22, 22.5, 23, 23.5}};
  DraftAnswer answer = choose_lengths(question, 1.03);
  CHECK(answer.lengths[0] == 8 && answer.rate > 2.2 * answer.plain_rate);
  question.subjects[0].acceptance.assign(8, 0.5);
  answer = choose_lengths(question, 1.03);
  CHECK(answer.lengths[0] == 0 && answer.rate == answer.plain_rate);
  CHECK(to_text(answer) == "draft 0: 1.00 tokens in 10.00 ms, 1.00x plain: drafting would not pay");
  // Two sequences share the rows: the better one gets them.
  question.subjects = {{kLookupLong, 4, std::vector<double>(4, 0.95), std::vector<double>(4, 0.0)}, {kLookupShort, 4, std::vector<double>(4, 0.1), std::vector<double>(4, 0.0)}};
  question.pass_ms = {10, 11, 12, 13, 14, 15, 16, 17, 18};
  answer = choose_lengths(question, 1.03);
  CHECK(answer.lengths[0] == 4 && answer.lengths[1] == 0);
  // A drafter that costs more than it brings is left alone.
  question.subjects = {{kBlockDiffusion, 2, {0.6, 0.6}, {12, 12}}};
  CHECK(choose_lengths(question, 1.03).lengths[0] == 0);
}

TEST("costs that were not measured follow the experts' union, and measurements replace them") {
  StepCosts costs({.n_experts = 128, .n_used = 8, .expert_share = 0.6});
  for (int i = 0; i < 8; ++i) costs.observe(1, 100, 10);
  CHECK(costs.knows_plain() && std::abs(costs.ms(1, 100) - 10) < 1e-9);
  const double four = costs.ms(4, 100);
  CHECK(four > 15 && four < 30);
  CHECK(costs.experts(4) > 16 && costs.experts(4) < 32);
  for (int i = 0; i < 200; ++i) costs.observe_repeat(0.9);   // neighbours use the same experts
  CHECK(costs.ms(4, 100) < 0.75 * four);
  for (int i = 0; i < 8; ++i) costs.observe(4, 100, 35);
  CHECK(std::abs(costs.ms(4, 100) - 35) < 1e-6);
  for (int i = 0; i < 40; ++i) costs.observe(1, 100 + i * 100, 10 + i * 0.1);
  CHECK(costs.ms(1, 8000) > costs.ms(1, 4000) + 1);          // and with the context
}

namespace {

/// A machine and a text with known costs: what a controller makes of them, in milliseconds per token against plain decoding.
struct Trace {
  double (*pass_ms)(int rows);
  double draft_ms;                         // 0: look-up
  double (*acceptance)(int token_index);   // conditional, the same for all positions
  double noise = 0.05;
};

double speed_against_plain(const Trace& trace, int n_tokens, unsigned seed) {
  const int kind = trace.draft_ms > 0 ? kBlockDiffusion : kLookupMedium;
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform;
  const auto noisy = [&](double ms) { return ms * (1 + trace.noise * (2 * uniform(random) - 1)); };
  DraftController controller({.n_experts = 64, .n_used = 8, .expert_share = 0.6}, {{.kind = kBlockDiffusion, .max_length = 15, .draft_share = 0.3, .context_share = 0.01}});
  AcceptanceMeter meter;
  double ms = 0, probe_ms = 0;
  int probe_wait = 0;
  for (int done = 0; done < n_tokens;) {
    const double rate = trace.acceptance(done);
    const auto stands = [&](int n) {
      int right = 0;
      while (right < n && uniform(random) < rate) ++right;
      return right;
    };
    const DraftAnswer answer = controller.choose({{.offer = {kind, 15}, .meter = &meter, .limit = 15}}, 15);
    const int n = answer.lengths[0];
    PassRecord pass{.n_sequences = 1, .n_drafted = n, .n_emitted = 1, .context = 500 + done, .draft_ms = 0, .pass_ms = noisy(trace.pass_ms(1 + n)), .distinct_experts = 0};
    if (n > 0) {
      const int right = stands(n);
      meter.observe(kind, n, right);
      pass.n_emitted = right + 1;
      pass.draft_ms = noisy(trace.draft_ms);
      controller.observe_draft(kind, n, pass.draft_ms);
    } else if (--probe_wait < 0 && (kind < kMaskedDiffusion || controller.refuse_probe(kind, 8, ms, probe_ms) == nullptr)) {
      meter.observe(kind, 8, stands(8));
      probe_wait = 4;
      if (kind == kBlockDiffusion) {
        const double cost = noisy(trace.draft_ms);
        controller.observe_draft(kind, 8, cost);
        controller.observe_probe(kind, cost);
        probe_ms += cost;
        ms += cost;
      }
    }
    controller.observe_pass(pass);
    ms += pass.draft_ms + pass.pass_ms;
    done += pass.n_emitted;
  }
  return n_tokens * trace.pass_ms(1) / ms;
}

double mean_speed(const Trace& trace, int n_tokens) {
  double sum = 0;
  for (unsigned seed = 0; seed < 10; ++seed) sum += speed_against_plain(trace, n_tokens, seed);
  return sum / 10;
}

double flat(int rows) { return 10 + 0.3 * (rows - 1); }
double moe(int rows) { return 4 + 6 * (1 - std::pow(1 - 8.0 / 64, rows)) * 8 + 0.2 * rows - 0.2; }
double cliff(int rows) { return rows == 1 ? 10 : 19 + 0.3 * rows; }
double steep(int rows) { return 10.0 * rows; }
double never(int) { return 0.0; }
double half(int) { return 0.5; }
double often(int) { return 0.9; }
double changing(int at) { return at / 200 % 2 == 0 ? 0.95 : 0.05; }
double misleading(int at) { return at % 40 < 6 ? 0.9 : 0.1; }

}  // namespace

TEST("on no trace does the controller cost more than two percent of plain decoding") {
  struct Named { const char* name; double (*pass)(int); };
  struct Rate { const char* name; double (*rate)(int); };
  double worst = 10;
  for (const Named& machine : {Named{"flat", flat}, Named{"moe", moe}, Named{"cliff", cliff}, Named{"steep", steep}}) {
    for (const Rate& text : {Rate{"never", never}, Rate{"half", half}, Rate{"often", often}, Rate{"changing", changing}, Rate{"misleading", misleading}}) {
      for (const double draft_ms : {0.0, 2.6}) {
        const double speed = mean_speed({machine.pass, draft_ms, text.rate}, 800);
        std::printf("    %-6s %-11s draft %.1f ms: %.3fx\n", machine.name, text.name, draft_ms, speed);
        worst = std::min(worst, speed);
        CHECK_MSG(speed > 0.98, std::string(machine.name) + " " + text.name + ": " + std::to_string(speed) + "x of plain decoding");
      }
    }
  }
  std::printf("    worst %.3fx\n", worst);
}

namespace {

/// What was recorded on a machine: greedy answers, and what passes of 1, 2, ... rows took (test/bench/draftingPrompts.ts has the prompts).
struct Recording {
  struct Text { std::vector<int32_t> prompt, answer; };
  std::vector<double> pass_ms;
  std::vector<double> distinct_experts;
  std::vector<std::pair<std::string, std::vector<Text>>> sets;

  Recording() {
    std::ifstream file(CONCLAVE_FIXTURES "/drafting/recorded.json");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const Json json = Json::parse(text, "recorded.json");
    const auto reals = [](const Json& list) {
      std::vector<double> out(list.array()->size());
      for (size_t i = 0; i < out.size(); ++i) CHECK((*list.array())[i].number(out[i]));
      return out;
    };
    const auto tokens = [&](const Json& list) {
      const std::vector<double> numbers = reals(list);
      return std::vector<int32_t>(numbers.begin(), numbers.end());
    };
    pass_ms = reals(*json.find("pass_ms"));
    distinct_experts = reals(*json.find("distinct_experts"));
    for (const Json& set : *json.find("sets")->array()) {
      sets.emplace_back(*set.find("name")->text(), std::vector<Text>{});
      for (const Json& one : *set.find("texts")->array()) sets.back().second.push_back({tokens(*one.find("prompt")), tokens(*one.find("answer"))});
    }
  }
};

/// One engine's life over recorded answers, drafted by look-up as the controller says; what it took against plain decoding.
class Replay {
 public:
  Replay(const Recording& recording, unsigned seed) : recording_(recording), random_(seed), controller_({.n_experts = 8, .n_used = 2, .expert_share = 0.4}) {}

  void answer(const Recording::Text& text) {
    AcceptanceMeter meter = all_.faded(6);
    PromptLookup lookup;
    ShadowDraft shadow;
    std::vector<int32_t> tokens = text.prompt;
    for (size_t done = 0; done < text.answer.size();) {
      const Offer offer = lookup.offer(tokens);
      const int left = static_cast<int>(text.answer.size() - done) - 1;
      int n = controller_.choose({{.offer = offer, .meter = &meter, .limit = std::min(left, 15)}}, 15).lengths[0];
      const std::vector<int32_t> draft = n > 0 ? lookup.propose(tokens, {}, n).tokens : std::vector<int32_t>{};
      n = static_cast<int>(draft.size());
      if (n == 0 && offer.max_length > 0 && !shadow.active()) shadow.start(offer.kind, lookup.propose(tokens, {}, 8).tokens);
      int right = 0;
      while (right < n && draft[static_cast<size_t>(right)] == text.answer[done + static_cast<size_t>(right)]) ++right;
      const double ms = recording_.pass_ms[static_cast<size_t>(n)] * (1 + 0.08 * (2 * uniform_(random_) - 1));
      controller_.observe_pass({.n_sequences = 1, .n_drafted = n, .n_emitted = right + 1, .context = static_cast<int64_t>(tokens.size()), .draft_ms = 0, .pass_ms = ms, .distinct_experts = recording_.distinct_experts[static_cast<size_t>(n)]});
      if (n > 0) meter.observe(offer.kind, n, right), all_.observe(offer.kind, n, right);
      ms_ += ms;
      for (int i = 0; i <= right; ++i, ++done) {
        tokens.push_back(text.answer[done]);
        if (!shadow.active() || !shadow.follow(tokens.back())) continue;
        for (AcceptanceMeter* one : {&meter, &all_}) one->observe(shadow.kind(), shadow.length(), shadow.n_right());
        shadow.drop();
      }
    }
    n_tokens_ += text.answer.size();
  }
  double speed() const { return static_cast<double>(n_tokens_) * recording_.pass_ms[0] / ms_; }

 private:
  const Recording& recording_;
  std::mt19937 random_;
  std::uniform_real_distribution<double> uniform_;
  DraftController controller_;
  AcceptanceMeter all_;
  double ms_ = 0;
  size_t n_tokens_ = 0;
};

}  // namespace

TEST("on recorded answers the controller costs less than two percent, one by one and in a long life") {
  const Recording recording;
  CHECK(recording.pass_ms.size() == 16 && recording.sets.size() == 5);
  for (const auto& [name, texts] : recording.sets) {
    double one = 0, life = 0;
    for (unsigned seed = 0; seed < 10; ++seed) {
      for (const int rounds : {1, 20}) {
        Replay replay(recording, seed);
        for (int i = 0; i < rounds; ++i) for (const Recording::Text& text : texts) replay.answer(text);
        (rounds == 1 ? one : life) += replay.speed() / 10;
      }
    }
    std::printf("    %-10s %.3fx in its first round, %.3fx over twenty\n", name.c_str(), one, life);
    CHECK_MSG(one > 0.98 && life > 0.99, name);
  }
  // The first answer again and again, each time with itself in the prompt: nearly all of it is there to be looked up.
  Replay copying(recording, 1);
  Recording::Text text = recording.sets[0].second[0];
  text.prompt.insert(text.prompt.end(), text.answer.begin(), text.answer.end());
  for (int i = 0; i < 6; ++i) copying.answer(text);
  std::printf("    copying    %.3fx\n", copying.speed());
  CHECK(copying.speed() > 1.5);
}

TEST("where drafts stand, the controller finds most of the gain") {
  CHECK(mean_speed({flat, 0, often}, 800) > 4.0);
  CHECK(mean_speed({flat, 2.6, often}, 800) > 2.5);
  CHECK(mean_speed({cliff, 0, often}, 800) > 2.0);
  CHECK(mean_speed({moe, 0, often}, 800) > 1.05);
  CHECK(mean_speed({flat, 0, changing}, 4000) > 1.2);
}

TEST("a short answer pays nothing for a drafter that is always wrong") {
  for (unsigned seed = 0; seed < 20; ++seed) CHECK(speed_against_plain({moe, 2.6, never, 0.0}, 60, seed) > 0.985);
}

TEST("what look-up wins is not spent on finding out about a model that drafts beside it") {
  // As the embedded model did: look-up won a fifth on stories, and a drafter that could not earn its time took half of that.
  DraftController controller({.n_experts = 8, .n_used = 2, .expert_share = 0.4}, {{.kind = kBlockDiffusion, .max_length = 7, .draft_share = 1.2, .context_share = 0.01}});
  AcceptanceMeter meter;
  double ms = 0, probe_ms = 0;
  for (int answer = 0; answer < 40; ++answer) {
    double answer_ms = 0, answer_spent_ms = 0;
    for (int pass = 0; pass < 80; ++pass) {
      const bool copies = pass % 8 == 7;   // six tokens at the price of two
      controller.observe_pass({.n_sequences = 1, .n_drafted = copies ? 5 : 0, .n_emitted = copies ? 6 : 1, .context = 100, .draft_ms = 0, .pass_ms = copies ? 0.5 : 0.24, .distinct_experts = 0});
      answer_ms += copies ? 0.5 : 0.24;
      if (controller.refuse_probe(kBlockDiffusion, 7, answer_ms, answer_spent_ms) != nullptr) continue;
      controller.observe_draft(kBlockDiffusion, 7, 0.45);
      controller.observe_probe(kBlockDiffusion, 0.45);
      answer_spent_ms += 0.45, probe_ms += 0.45;
      meter.observe(kBlockDiffusion, 7, 1);
    }
    ms += answer_ms + answer_spent_ms;
  }
  CHECK_MSG(probe_ms <= 0.01 * ms, std::to_string(probe_ms) + " of " + std::to_string(ms) + " ms");
}

TEST("a draft that is only compared waits for an answer that repays it, and comes more rarely the more there were") {
  const ProbeQuestion affordable{.probe_ms = 1, .answer_ms = 101, .answer_spent_ms = 0, .life_ms = 101, .life_spent_ms = 0, .n_probes = 0, .can_pay = true};
  CHECK(refuse_probe(affordable) == nullptr);
  const auto because = [&](const auto& change) {
    ProbeQuestion question = affordable;
    change(question);
    const char* text = refuse_probe(question);
    return std::string(text != nullptr ? text : "");
  };
  CHECK(because([](ProbeQuestion& q) { q.answer_ms = 99; }).find("too short so far") != std::string::npos);
  CHECK(because([](ProbeQuestion& q) { q.answer_spent_ms = 0.5; }).find("too short so far") != std::string::npos);
  CHECK(because([](ProbeQuestion& q) { q.life_spent_ms = 1; }).find("had their share") != std::string::npos);
  CHECK(because([](ProbeQuestion& q) { q.n_probes = 8; }).find("had their share") != std::string::npos);
  CHECK(because([](ProbeQuestion& q) { q.n_probes = 8, q.life_ms = 201; }).empty());
  CHECK(because([](ProbeQuestion& q) { q.can_pay = false, q.answer_ms = 1e6; }).find("would not pay if nine drafted tokens in ten stood") != std::string::npos);
}

TEST("a drafter that could not pay at its best is never asked, with that reason; beside other sequences it may") {
  const Recording recording;   // the embedded model: with masked diffusion 6 tokens cost 1.4 ms more or less, a plain pass 0.2
  AcceptanceMeter meter;
  for (int i = 0; i < 20; ++i) meter.observe(kMaskedDiffusion, 6, 6);
  for (const double draft_ms : {0.1, 1.0}) {
    DraftController controller({.n_experts = 8, .n_used = 2, .expert_share = 0.4}, {{.kind = kMaskedDiffusion, .max_length = 6, .draft_share = 0.5, .context_share = 0}});
    for (int n = 1; n <= 6; ++n) controller.observe_draft(kMaskedDiffusion, n, draft_ms);
    for (int i = 0; i < 32; ++i) controller.observe_pass({.n_sequences = 1, .n_drafted = i % 8, .n_emitted = 1 + i % 8, .context = 100, .draft_ms = 0, .pass_ms = recording.pass_ms[static_cast<size_t>(i % 8)], .distinct_experts = 0});
    for (int i = 0; i < 16; ++i) controller.observe_pass({.n_sequences = 1, .n_drafted = 0, .n_emitted = 1, .context = 100, .draft_ms = 0, .pass_ms = recording.pass_ms[0], .distinct_experts = 0});
    const DraftAnswer answer = controller.choose({{.offer = {kMaskedDiffusion, 6}, .meter = &meter, .limit = 15}}, 15);
    const char* refused = controller.refuse_probe(kMaskedDiffusion, 6, 1e6, 0);
    if (draft_ms < 0.5) {
      CHECK_MSG(answer.lengths[0] > 0, to_text(answer));
    } else {
      CHECK_MSG(answer.lengths[0] == 0 && to_text(answer).find("would not pay if nine drafted tokens in ten stood") != std::string::npos, to_text(answer));
      CHECK(refused != nullptr && to_text(answer).find(refused) != std::string::npos);
    }
  }
}

TEST("a drafter whose context costs more than two percent of a token is not worth it unasked") {
  CHECK(context_is_cheap({.kind = kMaskedDiffusion, .max_length = 6, .draft_share = 2, .context_share = 0}));
  CHECK(context_is_cheap({.kind = kBlockDiffusion, .max_length = 15, .draft_share = 0.26, .context_share = 0.012}));   // Qwen3-Coder-30B-A3B and its own
  CHECK(!context_is_cheap({.kind = kBlockDiffusion, .max_length = 7, .draft_share = 0.6, .context_share = 0.1}));      // the embedded model and its own
}

TEST("no speed is told against a plain pass that was measured a few times only") {
  DraftController controller({});
  for (int i = 0; i < 7; ++i) controller.observe_pass({.n_sequences = 1, .n_drafted = 0, .n_emitted = 1, .context = 10, .draft_ms = 0, .pass_ms = 1, .distinct_experts = 0});
  CHECK(controller.plain_ms(1, 10) == 0);
  controller.observe_pass({.n_sequences = 1, .n_drafted = 0, .n_emitted = 1, .context = 10, .draft_ms = 0, .pass_ms = 1, .distinct_experts = 0});
  CHECK(std::abs(controller.plain_ms(1, 10) - 1) < 1e-9 && controller.plain_ms(2, 10) == 0);
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
