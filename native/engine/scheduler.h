// The one thread that computes. It owns the model, the cache and every request after submission; other threads reach it
// through an inbox, an atomic flag per request, and a snapshot of the statistics.
//
// One step: take new requests, end the cancelled, admit what fits, put one pending token of every decoding request and a
// chunk of prompts into a batch, forward, sample, emit. A finished request leaves its pages to the prefix tree.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/active_request.h"
#include "engine/drafting.h"
#include "engine/engine.h"
#include "engine/loaded_model.h"
#include "engine/pace.h"

namespace conclave {

class Scheduler {
 public:
  static constexpr int kMaxRunning = 32;

  /// Starts the thread. `model` was made with max_logit_rows >= kMaxRunning + Drafting::kMaxDraftRows.
  Scheduler(std::unique_ptr<LoadedModel> model, const EngineOptions& options);
  /// Ends every request as cancelled, then joins. Must not be called from a callback.
  ~Scheduler();

  Request submit(RequestOptions options, RequestCallbacks callbacks);
  EngineStats stats() const;
  /// Runs `work` on the thread, between two steps, and returns (or throws) as it did. Must not be called from a callback, nor
  /// once the destructor has begun.
  void between_steps(std::function<void(LoadedModel&)> work);
  const LoadedModel& model() const { return *model_; }

 private:
  using RequestPtr = std::unique_ptr<ActiveRequest>;
  /// A request's rows in the batch: [first, first + count), the last n_draft of them drafted. If `logit_row` >= 0, the last row
  /// that is not and those that are want logits; of a scored prompt, n_score
  /// rows want them too, the first of which is logit row `score_row`.
  struct Share {
    ActiveRequest* request;
    int first, count, logit_row, n_draft, score_row, n_score;
  };

  void loop();
  void step();
  void take_new();
  void run_tasks();
  void end_cancelled();
  void admit();
  bool admit_one(ActiveRequest& request);
  void plan_batch();
  size_t next_checkpoint(const ActiveRequest& request) const;
  size_t rows_to_checkpoint(const ActiveRequest& request) const;
  void keep_checkpoint(ActiveRequest& request, bool generated);
  void add_share(ActiveRequest& request, size_t n_rows, std::span<const int32_t> draft = {});
  void emit_scores(ActiveRequest& request, const Share& share);
  uint32_t realm_of(const Steering& steering);
  bool make_room(ActiveRequest& request);
  void put_back(size_t running_index);
  bool keep_going();
  void finish_share(const Share& share);
  void verify(ActiveRequest& request, const Share& share);
  void emit_token(ActiveRequest& request, const Share& share, int row);
  double distinct_experts() const;
  void book_pass(double ms);
  void settle();
  void end(ActiveRequest& request, StopReason reason);
  void fail(ActiveRequest& request, ErrorCode code, const std::string& message);
  void fail_all(ErrorCode code, const std::string& message);
  bool is_cancelled(const ActiveRequest& request) const;
  void check_pages() const noexcept;
  void publish_stats();
  void publish_device_memory();

  const std::unique_ptr<LoadedModel> model_;
  const bool plain_, check_when_idle_;

  std::deque<RequestPtr> waiting_;    // in order of arrival
  std::vector<RequestPtr> running_;   // in order of admission
  Batch batch_;
  std::vector<Share> shares_;
  int n_prefill_rows_ = 0;
  Pace pace_;
  Drafting drafting_;
  Clock::time_point device_asked_{};  // when it last said what memory it has
  int n_emitted_ = 0;                 // tokens of the current pass
  std::vector<Steering> realms_;      // steering i is realm_of's i + 1

  mutable std::mutex mutex_;          // guards the five below
  std::condition_variable arrived_;
  std::deque<RequestPtr> inbox_;
  std::deque<std::packaged_task<void(LoadedModel&)>> tasks_;
  mutable EngineStats stats_;         // what only the system knows is filled in when it is asked for
  bool closing_ = false;
  std::atomic<bool> closing_seen_{false};   // the same, readable during a pass without the lock

  std::thread thread_;                // last: it uses all of the above
};

}  // namespace conclave
