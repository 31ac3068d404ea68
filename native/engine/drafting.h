// Drafting inside the scheduler: whose turn it is to propose, how many tokens, what became of them. Keeps the drafters' view of
// each request up to date and books every pass with the controller. The scheduler verifies; nothing here emits a token.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/loaded_model.h"
#include "speculate/controller.h"
#include "speculate/prompt_lookup.h"

namespace conclave {

struct ActiveRequest;

/// Of one request.
struct DraftState {
  DraftOptions options;
  PromptLookup lookup;
  std::vector<std::unique_ptr<Drafter>> models;   // as LoadedModel::drafters()
  AcceptanceMeter meter;
  ShadowDraft shadow_lookup, shadow_model;
  std::vector<uint16_t> last_experts;             // of the last emitted token
  int n_refused = 0;                              // passes in a row for which the controller wanted no draft
  // This step's draft.
  std::vector<int32_t> draft;
  int kind = 0;
  int n_judged = 0;                               // rows of this step that a token was drawn from
  // For the run's report.
  int n_drafted = 0, n_accepted = 0, n_passes = 0;
  double draft_ms = 0, distinct_experts = 0;      // of all passes
  double decode_ms = 0, probe_ms = 0;             // so far; of that on drafts that were only compared
  double won_ms = 0;                              // against plain decoding, as it was measured beside; what drafting cost is taken off
  bool is_measured = true;                        // whenever it drafted, plain decoding was known well enough
  std::array<int, kMaxDraft> tried_at{}, stood_at{};
};

class Drafting {
 public:
  static constexpr int kMaxDraftRows = 24;   // of one pass, all sequences together

  explicit Drafting(LoadedModel& model);

  /// Throws Error(kBadArgument) when the options ask for a drafter that is not there.
  std::unique_ptr<DraftState> make_state(const DraftOptions& options) const;

  /// Whether a drafter reads the target's hidden states of this request. What it reads lies in the request's pages, so requests
  /// that differ in this share no prefix.
  bool is_fed(const DraftState& state) const;
  /// Whether it is fed though most requests of this engine are not.
  bool is_fed_apart(const DraftState& state) const;

  /// Fills the drafts of the sequences that decode in the next pass; their pages have room for them afterwards.
  void plan(std::span<ActiveRequest* const> decoding, bool beside_prefill);
  /// The pass took `ms`; before its rows are observed.
  void observe_time(double ms) { pass_.ms = pass_.counts ? ms : 0; }
  /// Positions [first, first + count) of the request are committed; they were rows from `row` of the last pass.
  void observe_rows(ActiveRequest& request, size_t first, int count, int row);
  /// The pass that verifies its draft is done; then, token by token, what is emitted; at last how many of the draft stood,
  /// unless the request ended on the way.
  void observe_verify(ActiveRequest& request);
  void observe_token(ActiveRequest& request, const TokenEvent& event);
  void observe_verdict(ActiveRequest& request, int n_accepted);
  /// A pass over these sequences took `ms` and emitted `n_emitted` tokens; nothing else was in it.
  void observe_pass(std::span<ActiveRequest* const> decoding, int n_drafted, int n_emitted, double ms, double distinct_experts);
  void observe_prefill(int rows, int64_t context, double ms) { controller_.observe_prefill(rows, context, ms); }
  /// The request's pages are about to be shared or given back.
  void settle(ActiveRequest& request);

  /// What a token of this answer would have taken without drafts, when it took `decode_ms` in all; 0: that was not measured.
  double plain_ms(const ActiveRequest& request, double decode_ms) const;

 private:
  struct Pass {
    bool counts = false;         // only decodes
    int n_sequences = 0;
    int64_t context = 0;
    double plan_ms = 0, ms = 0;
  };
  bool feeds(const DraftState& state, size_t model) const;
  double won_ms(const DraftState& state) const;
  void draft(std::span<ActiveRequest* const> decoding, bool beside_prefill);
  Drafter* model_for(DraftState& state) const;
  Drafter* source(DraftState& state, std::span<const int32_t> tokens, Offer& offer) const;
  int limit(const ActiveRequest& request) const;
  /// One that drafts in this step.
  struct Proposal {
    ActiveRequest* request;
    Drafter* drafter;
    int kind, n;
  };
  void propose(std::span<const Proposal> proposals);
  void start_shadows(ActiveRequest& request);
  void count(DraftState& state, int kind, int n, int n_accepted);

  LoadedModel& model_;
  const bool enabled_, log_;
  const std::vector<DrafterCosts> costs_;   // as LoadedModel::drafters()
  DraftController controller_;
  AcceptanceMeter all_;          // every request's tries; where a new request starts from
  double step_draft_ms_ = 0;     // of the pass being planned
  Pass pass_;                    // the same
};

}  // namespace conclave
