// How many tokens to draft, 0 included. `choose_lengths` is a pure function of what was measured; `DraftController` keeps the
// measurements and an account of time won and lost, and spends on finding out only what the account allows. Neither ever sees a
// drafted token before its target token is emitted, so the choice cannot bias what is emitted.
//
// Drafts that are made only to be compared with what is emitted (probes) have an account of their own: what other drafts won is
// the user's, not theirs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "speculate/acceptance.h"
#include "speculate/step_costs.h"

namespace conclave {

/// One decoding sequence as the choice sees it.
struct DraftSubject {
  int kind = 0;
  int max_length = 0;                  // 0: has nothing to offer or may not
  std::vector<double> acceptance;      // [max_length] conditional, by position
  std::vector<double> draft_ms;        // [max_length] of drafting 1, 2, ... tokens
};

struct DraftQuestion {
  std::vector<DraftSubject> subjects;  // all decoding sequences; each has one row anyway
  std::vector<double> pass_ms;         // [1 + room] of a pass with 0, 1, ... drafted rows in all
};

struct DraftAnswer {
  std::vector<int> lengths;            // per subject
  double plain_rate = 0, rate = 0;     // expected tokens per ms without and with these drafts
  double expected_tokens = 0, expected_ms = 0;
  const char* because = "";
};

/// The lengths with the highest expected tokens per millisecond, if that beats plain decoding by `margin` (1.03: by 3 %).
DraftAnswer choose_lengths(const DraftQuestion& question, double margin);
/// One line: lengths, expected tokens and time, gain over plain, and why.
std::string to_text(const DraftAnswer& answer);

/// What is known of a drafter with weights before it has drafted: what it reads, in shares of what a token of the target reads.
struct DrafterCosts {
  int kind = 0, max_length = 0;
  double draft_share = 0;              // one draft
  double context_share = 0;            // each committed row, so that the drafter knows it
  int draft_rows = 1;                  // of a draft's pass
};

/// Whether each row's features are worth keeping before anything is known of the drafts: they are computed many rows at a time, so
/// beside a model that is read from memory they cost little, and beside one that lies in the caches up to half their share.
constexpr double kMostContextCost = 0.02;
inline bool context_is_cheap(const DrafterCosts& costs) { return 0.5 * costs.context_share <= kMostContextCost; }

/// Whether a drafter is worth an unverified draft now. Times in ms.
struct ProbeQuestion {
  double probe_ms = 0;
  double answer_ms = 0, answer_spent_ms = 0;   // decoding this answer so far; of that on probes
  double life_ms = 0, life_spent_ms = 0;       // since the model was opened
  int n_probes = 0;                            // in that time
  bool can_pay = true;
};
/// Null: it is. Else why not.
const char* refuse_probe(const ProbeQuestion& question);

/// A pass that only decoded, after it ended.
struct PassRecord {
  int n_sequences = 0, n_drafted = 0, n_emitted = 0;
  int64_t context = 0;                 // tokens of all its sequences
  double draft_ms = 0, pass_ms = 0;
  double distinct_experts = 0;         // per MoE layer, mean; 0: not known
};

/// What the scheduler tells of a sequence when it asks.
struct DraftCandidate {
  Offer offer;
  const AcceptanceMeter* meter;
  int limit = 0;                       // most that the request, the context and the pages allow
};

class DraftController {
 public:
  explicit DraftController(ExpertShape shape, std::vector<DrafterCosts> drafters = {}) : costs_(shape), drafters_(std::move(drafters)) {}

  DraftAnswer choose(const std::vector<DraftCandidate>& candidates, int room) const;
  /// Whether a model drafter may draft `n` tokens now that are not verified, to learn its acceptance; null: yes, else why not. The
  /// answer has taken `answer_ms` so far, `spent_ms` of it for such drafts.
  const char* refuse_probe(int kind, int n, double answer_ms, double spent_ms) const;

  void observe_pass(const PassRecord& pass);
  void observe_prefill(int rows, int64_t context, double ms) { costs_.observe(rows, context, ms); }
  void observe_draft(int kind, int n, double ms);
  void observe_probe(int kind, double ms);
  void observe_repeat(double share) { costs_.observe_repeat(share); }

  const StepCosts& costs() const { return costs_; }
  double balance_ms() const { return balance_ms_; }
  /// Of a pass over this many sequences without drafts; 0: measured too few times to be told to anybody.
  double plain_ms(int n_sequences, int64_t context) const { return costs_.knows_plain(n_sequences) ? costs_.ms(n_sequences, context) : 0; }

 private:
  double draft_ms(int kind, int n) const;
  double probe_ms(int kind, int n) const;
  bool could_pay(const DrafterCosts& drafter) const;
  /// Most tokens that the candidate's drafter may be asked for now.
  int length_of(const DraftCandidate& candidate, bool alone) const;
  bool may_pay(const std::vector<DraftCandidate>& candidates, int most) const;
  void refresh(int rows, int64_t context);
  double allowance_ms() const;

  StepCosts costs_;
  std::vector<double> pass_ms_;   // by rows, from costs_: made anew now and then, for a choice must cost microseconds
  int refresh_in_ = 0;
  std::vector<DrafterCosts> drafters_;
  bool hopeless_[kDraftKinds] = {};   // would not pay if nearly all its drafts stood; as of the last refresh
  double draft_ms_[kDraftKinds][AcceptanceMeter::kMaxPositions + 1] = {};
  double probe_ms_[kDraftKinds] = {};
  int n_probes_[kDraftKinds] = {};
  double balance_ms_ = 0;      // won minus lost against plain decoding, wins fading
  double decoded_ms_ = 0;      // all decode time so far
  int most_rows_ = 1;          // of a decoding pass so far
  int n_since_plain_ = 0;      // passes since plain cost was last measured
  int n_quiet_ = 0;            // passes to sit out after losing
  int backoff_ = 8;
  int n_recent_ = 0;           // drafted passes in the window below
  double recent_won_ms_ = 0;
};

}  // namespace conclave
