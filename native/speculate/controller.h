// How many tokens to draft, 0 included. `choose_lengths` is a pure function of what was measured; `DraftController` keeps the
// measurements and an account of time won and lost, and spends on finding out only what the account allows. Neither ever sees a
// drafted token before its target token is emitted, so the choice cannot bias what is emitted.
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
  explicit DraftController(ExpertShape shape) : costs_(shape) {}

  DraftAnswer choose(const std::vector<DraftCandidate>& candidates, int room) const;
  /// Whether a model drafter may draft without being verified now, to learn its acceptance; by the account.
  bool may_shadow(int kind, const AcceptanceMeter& meter) const;

  void observe_pass(const PassRecord& pass);
  void observe_prefill(int rows, int64_t context, double ms) { costs_.observe(rows, context, ms); }
  void observe_draft(int kind, int n, double ms);
  void observe_shadow_cost(double ms);
  void observe_repeat(double share) { costs_.observe_repeat(share); }

  const StepCosts& costs() const { return costs_; }
  double balance_ms() const { return balance_ms_; }
  double plain_ms(int64_t context) const { return costs_.knows_plain() ? costs_.ms(1, context) : 0; }

 private:
  double draft_ms(int kind, int n) const;
  /// Most tokens that the candidate's drafter may be asked for now.
  int length_of(const DraftCandidate& candidate) const;
  bool may_pay(const std::vector<DraftCandidate>& candidates, int most) const;
  void refresh(int rows, int64_t context);
  double allowance_ms() const;

  StepCosts costs_;
  std::vector<double> pass_ms_;   // by rows, from costs_: made anew now and then, for a choice must cost microseconds
  int refresh_in_ = 0;
  double draft_ms_[kDraftKinds][AcceptanceMeter::kMaxPositions + 1] = {};
  double balance_ms_ = 0;      // won minus lost against plain decoding, wins fading
  double decoded_ms_ = 0;      // all decode time so far
  int n_since_plain_ = 0;      // passes since plain cost was last measured
  int n_quiet_ = 0;            // passes to sit out after losing
  int backoff_ = 8;
  int n_recent_ = 0;           // drafted passes in the window below
  double recent_won_ms_ = 0;
};

}  // namespace conclave
