// The choice and its account; see controller.h.
#include "speculate/controller.h"

#include <algorithm>
#include <cstdio>

namespace conclave {

namespace {

constexpr double kMargin = 1.03;          // below this a gain may be an error of measurement
constexpr double kSpend = 0.008;          // of all decode time, what drafts that lose may cost, and at the start
constexpr double kSpendAtOnce = 1.2;      // this many plain steps
constexpr double kProbeShare = 0.01;      // of an answer's time, and of all, what probes may take;
constexpr int kProbesUntilHalf = 8;       // of all: half as much after so many, a third after twice as many
constexpr double kBestAcceptance = 0.9;   // no published drafter does better at every place (8 tokens a pass of 16)
constexpr int kPlainEvery = 64;           // passes after which the plain cost is measured anew
constexpr int kWindow = 12;               // drafted passes after which it is judged whether they won
constexpr int kMaxBackoff = 1024;
constexpr int kRefreshEvery = 8;

constexpr const char* kHopeless = "drafting with this model's drafter would not pay if nine drafted tokens in ten stood";

struct Addition {
  double gain;          // expected tokens of one more drafted row
  size_t subject;
};

}  // namespace

DraftAnswer choose_lengths(const DraftQuestion& question, double margin) {
  const size_t n = question.subjects.size();
  DraftAnswer best;
  best.lengths.assign(n, 0);
  best.because = "nothing to draft";
  if (n == 0 || question.pass_ms.empty() || question.pass_ms[0] <= 0) return best;
  best.plain_rate = best.rate = static_cast<double>(n) / question.pass_ms[0];
  best.expected_tokens = static_cast<double>(n);
  best.expected_ms = question.pass_ms[0];

  // A row's gain falls along a sequence, so the best set of k rows is the k largest gains.
  std::vector<Addition> additions;
  for (size_t s = 0; s < n; ++s) {
    double reached = 1;
    for (int i = 0; i < question.subjects[s].max_length; ++i) {
      reached *= question.subjects[s].acceptance[static_cast<size_t>(i)];
      additions.push_back({reached, s});
    }
  }
  std::stable_sort(additions.begin(), additions.end(), [](const Addition& a, const Addition& b) { return a.gain > b.gain; });
  additions.resize(std::min(additions.size(), question.pass_ms.size() - 1));
  if (additions.empty()) return best;

  best.because = "drafting would not pay";
  std::vector<int> lengths(n, 0);
  double tokens = static_cast<double>(n), draft_ms = 0;
  for (size_t k = 0; k < additions.size(); ++k) {
    const size_t s = additions[k].subject;
    const std::vector<double>& costs = question.subjects[s].draft_ms;
    const size_t length = static_cast<size_t>(++lengths[s]);
    draft_ms += costs[length - 1] - (length > 1 ? costs[length - 2] : 0);
    tokens += additions[k].gain;
    const double ms = question.pass_ms[k + 1] + draft_ms, rate = tokens / ms;
    if (rate < best.plain_rate * margin || rate <= best.rate) continue;
    best.lengths = lengths;
    best.rate = rate;
    best.expected_tokens = tokens;
    best.expected_ms = ms;
    best.because = "drafting pays";
  }
  return best;
}

const char* refuse_probe(const ProbeQuestion& q) {
  if (!q.can_pay) return kHopeless;
  if (q.answer_spent_ms + q.probe_ms > kProbeShare * q.answer_ms) return "the answer is too short so far to repay a draft that is only compared";
  const double share = kProbeShare / (1 + static_cast<double>(q.n_probes) / kProbesUntilHalf);
  if (q.life_spent_ms + q.probe_ms > share * q.life_ms) return "drafts that are only compared have had their share of the time";
  return nullptr;
}

std::string to_text(const DraftAnswer& answer) {
  std::string lengths;
  for (const int length : answer.lengths) lengths.append(lengths.empty() ? "" : ",").append(std::to_string(length));
  char text[160];
  std::snprintf(text, sizeof text, ": %.2f tokens in %.2f ms, %.2fx plain: %s", answer.expected_tokens, answer.expected_ms,
                answer.plain_rate > 0 ? answer.rate / answer.plain_rate : 1.0, answer.because);
  return "draft " + lengths + text;
}

double DraftController::draft_ms(int kind, int n) const {
  if (kind < kMaskedDiffusion) return 0;   // look-up costs microseconds
  const double* known = draft_ms_[kind];
  for (int distance = 0; distance <= AcceptanceMeter::kMaxPositions; ++distance) {
    if (n - distance >= 1 && known[n - distance] > 0) return known[n - distance];
    if (n + distance <= AcceptanceMeter::kMaxPositions && known[n + distance] > 0) return known[n + distance];
  }
  for (const DrafterCosts& drafter : drafters_) if (drafter.kind == kind) return costs_.ms(1, 0) * drafter.draft_share;
  return 0;
}

/// Until it was measured, as if its rows cost what the target's do: dear, so that the first draft is not a surprise.
double DraftController::probe_ms(int kind, int n) const {
  const auto drafter = std::find_if(drafters_.begin(), drafters_.end(), [&](const DrafterCosts& one) { return one.kind == kind; });
  return n_probes_[kind] > 0 || drafter == drafters_.end() ? draft_ms(kind, n) : drafter->draft_share * costs_.ms(drafter->draft_rows, 0);
}

/// Whether drafts could beat plain decoding if they were as good as any are. Unmeasured passes are reckoned from their bytes, which is
/// less than they take: so a "no" is sure.
bool DraftController::could_pay(const DrafterCosts& drafter) const {
  const int most = std::min(drafter.max_length, AcceptanceMeter::kMaxPositions);
  DraftQuestion question{.subjects = {{drafter.kind, most, std::vector<double>(static_cast<size_t>(most), kBestAcceptance), {}}},
                         .pass_ms = {pass_ms_.begin() + 1, pass_ms_.begin() + 2 + most}};
  for (int n = 1; n <= most; ++n) question.subjects[0].draft_ms.push_back(draft_ms(drafter.kind, n));
  const DraftAnswer answer = choose_lengths(question, kMargin);
  return answer.rate > answer.plain_rate;
}

double DraftController::allowance_ms() const { return kSpend * decoded_ms_ + kSpendAtOnce * costs_.ms(1, 0); }

/// All entries every few passes, the one that was just measured at once.
void DraftController::refresh(int rows, int64_t context) {
  pass_ms_.resize(StepCosts::kMaxRows + 1);
  if (--refresh_in_ > 0) {
    pass_ms_[static_cast<size_t>(std::min(rows, StepCosts::kMaxRows))] = costs_.ms(rows, context);
    return;
  }
  refresh_in_ = kRefreshEvery;
  for (int n = 1; n <= StepCosts::kMaxRows; ++n) pass_ms_[static_cast<size_t>(n)] = costs_.ms(n, context);
  if (!costs_.knows_plain()) return;
  for (const DrafterCosts& drafter : drafters_) hopeless_[drafter.kind] = !could_pay(drafter);
}

/// A model that has never been compared with what was emitted is heard first, then believed.
int DraftController::length_of(const DraftCandidate& candidate, bool alone) const {
  const int kind = candidate.offer.kind;
  if (alone && hopeless_[kind]) return 0;   // several sequences share the union of experts, and more may pay
  const bool heard = kind < kMaskedDiffusion || candidate.meter->n_tries(kind) > 1;
  return heard ? std::min({candidate.offer.max_length, candidate.limit, AcceptanceMeter::kMaxPositions}) : 0;
}

/// Whether it could if every drafted row stood as often as the likeliest first one does and drafts were free. Mostly it could not,
/// and then nothing more need be reckoned: a choice comes before every token.
bool DraftController::may_pay(const std::vector<DraftCandidate>& candidates, int most) const {
  const int base = static_cast<int>(candidates.size());
  double best = 0;
  for (const DraftCandidate& candidate : candidates) {
    if (length_of(candidate, base == 1) > 0) best = std::max(best, candidate.meter->estimate(candidate.offer.kind, 0));
  }
  const double plain = base / pass_ms_[static_cast<size_t>(base)];
  for (int k = 1; base + k <= StepCosts::kMaxRows && k <= most; ++k) {
    if ((base + k * best) / pass_ms_[static_cast<size_t>(base + k)] >= plain * kMargin) return true;
  }
  return false;
}

DraftAnswer DraftController::choose(const std::vector<DraftCandidate>& candidates, int room) const {
  const int base = static_cast<int>(candidates.size());
  DraftQuestion question;
  DraftAnswer none;
  none.lengths.assign(candidates.size(), 0);
  const auto refuse = [&](const char* because) {
    none.because = because;
    if (base > 0 && costs_.knows_plain(base)) {
      none.expected_tokens = base;
      none.expected_ms = pass_ms_[static_cast<size_t>(base)];
      none.plain_rate = none.rate = none.expected_tokens / none.expected_ms;
    }
    return none;
  };
  if (!costs_.knows_plain(base)) return refuse("the cost of plain decoding is not known yet");
  if (n_quiet_ > 0) return refuse("the last drafts lost time; waiting");
  if (n_since_plain_ >= kPlainEvery) return refuse("measuring plain decoding again");
  room = std::min(room, std::max(4 * most_rows_ - base, 0));   // from the known to the unknown in steps: an estimate may be far off
  int most = 0;
  for (const DraftCandidate& candidate : candidates) most += length_of(candidate, base == 1);
  if (most == 0) {
    return refuse(base == 1 && candidates[0].offer.max_length > 0 && hopeless_[candidates[0].offer.kind] ? kHopeless : "nothing to draft");
  }
  if (!may_pay(candidates, std::min(room, most))) return refuse("drafting would not pay");
  for (const DraftCandidate& candidate : candidates) {
    DraftSubject subject{.kind = candidate.offer.kind, .max_length = length_of(candidate, base == 1), .acceptance = {}, .draft_ms = {}};
    subject.acceptance = candidate.meter->estimates(subject.kind, subject.max_length);
    for (int i = 1; i <= subject.max_length; ++i) subject.draft_ms.push_back(draft_ms(subject.kind, i));
    question.subjects.push_back(std::move(subject));
  }
  for (int rows = base; rows <= std::min(base + std::min(room, most), StepCosts::kMaxRows); ++rows) question.pass_ms.push_back(pass_ms_[static_cast<size_t>(rows)]);
  DraftAnswer answer = choose_lengths(question, kMargin);
  if (answer.rate <= answer.plain_rate) return answer;
  // The worst that can happen is that no draft stands.
  const double at_risk = answer.expected_ms - question.pass_ms[0];
  if (balance_ms_ - 0.25 * at_risk < -allowance_ms()) return refuse("drafts have lost what may be spent on trying");
  return answer;
}

const char* DraftController::refuse_probe(int kind, int n, double answer_ms, double spent_ms) const {
  if (!costs_.knows_plain()) return "the cost of plain decoding is not known yet";
  return conclave::refuse_probe({.probe_ms = probe_ms(kind, n), .answer_ms = answer_ms, .answer_spent_ms = spent_ms, .life_ms = decoded_ms_,
                                 .life_spent_ms = probe_ms_[kind], .n_probes = n_probes_[kind], .can_pay = !hopeless_[kind]});
}

void DraftController::observe_probe(int kind, double ms) {
  probe_ms_[kind] += ms;
  ++n_probes_[kind];
}

void DraftController::observe_draft(int kind, int n, double ms) {
  if (n < 1 || n > AcceptanceMeter::kMaxPositions) return;
  double& known = draft_ms_[kind][n];
  known = known == 0 ? ms : known + 0.3 * (std::min(ms, 2 * known) - known);
}

void DraftController::observe_pass(const PassRecord& pass) {
  const int rows = pass.n_sequences + pass.n_drafted;
  costs_.observe(rows, pass.context, pass.pass_ms);
  most_rows_ = std::max(most_rows_, rows);
  refresh(rows, pass.context);
  if (pass.distinct_experts > 0) costs_.observe_union(rows, pass.distinct_experts);
  decoded_ms_ += pass.draft_ms + pass.pass_ms;
  if (n_quiet_ > 0) --n_quiet_;
  if (pass.n_drafted == 0) {
    n_since_plain_ = 0;
    return;
  }
  ++n_since_plain_;
  const double plain = costs_.ms(pass.n_sequences, pass.context) * pass.n_emitted / pass.n_sequences;
  const double won = plain - pass.draft_ms - pass.pass_ms;
  // Wins are kept only in part: what a good page earned must not pay for a bad chapter.
  balance_ms_ = std::min(balance_ms_ + won, 4 * costs_.ms(pass.n_sequences, pass.context));
  recent_won_ms_ += won;
  if (++n_recent_ < kWindow && recent_won_ms_ > -2 * costs_.ms(pass.n_sequences, pass.context)) return;
  if (recent_won_ms_ < 0) {
    n_quiet_ = backoff_;
    backoff_ = std::min(2 * backoff_, kMaxBackoff);
  } else {
    backoff_ = 8;
  }
  n_recent_ = 0;
  recent_won_ms_ = 0;
}

}  // namespace conclave
