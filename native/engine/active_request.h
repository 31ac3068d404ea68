// A request inside the scheduler: what was asked, what has been computed, and when. Its life: inbox, waiting (no pages),
// running (pages held; prefill until one token is pending, then decode), ended. A running request that has to make room
// goes back to waiting with everything it generated and continues later with the same tokens.
#pragma once
#include <atomic>
#include <cassert>
#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "engine/drafting.h"
#include "engine/engine.h"
#include "kv/kv_cache.h"
#include "sample/sampler.h"

namespace conclave {

using Clock = std::chrono::steady_clock;

inline double ms_between(Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double, std::milli>(to - from).count(); }

struct ActiveRequest {
  ActiveRequest(RequestOptions asked, RequestCallbacks to_call, std::shared_ptr<std::atomic<bool>> cancel_flag, int n_vocab)
      : options(std::move(asked)), callbacks(std::move(to_call)), cancelled(std::move(cancel_flag)), sampler(options.sampler, n_vocab),
        tokens(options.tokens), n_prompt(tokens.size()), submitted(Clock::now()) {}

  RequestOptions options;
  RequestCallbacks callbacks;
  std::shared_ptr<std::atomic<bool>> cancelled;
  Sampler sampler;
  std::unique_ptr<DraftState> draft;
  std::vector<int32_t> tokens;   // prompt, then generated
  const size_t n_prompt;
  Sequence sequence;             // open while running
  size_t n_computed = 0;         // leading tokens whose keys and values are in the sequence's pages
  size_t n_reused = 0;           // of the prompt, when it was first admitted
  uint32_t realm = 0;            // KvCache: whose prefixes it shares, by its steering and whether a drafter's rows lie beside
  size_t n_scored = 0;           // log-probabilities reported
  bool ended = false;            // the last callback has been made
  bool was_admitted = false;
  Clock::time_point submitted, admitted, first_token;

  size_t n_pending() const {
    assert(n_computed <= tokens.size());
    return tokens.size() - n_computed;
  }
  bool is_scored() const { return options.score_from > 0; }
  size_t first_unscored() const { return static_cast<size_t>(options.score_from) + n_scored; }
  /// Leading tokens that may come from a known prefix: the row before the first scored token has to be computed.
  size_t n_reusable() const { return is_scored() ? static_cast<size_t>(options.score_from) - 1 : tokens.size(); }
  size_t n_generated() const { return tokens.size() - n_prompt; }
  std::span<const int32_t> computed() const { return std::span(tokens).first(n_computed); }
};

}  // namespace conclave
