// The events of one request on their way to JS. The scheduler thread appends to a pending batch; the mailbox wakes JS once,
// however many tokens have arrived by then. Holds the engine object until the end, so that it is not collected meanwhile.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "addon/failure.h"
#include "addon/mailbox.h"
#include "engine/engine.h"

namespace conclave {

class TokenStream : public Delivery, public std::enable_shared_from_this<TokenStream> {
 public:
  TokenStream(std::shared_ptr<Mailbox> mailbox, Napi::Function on_batch, Napi::Object engine, bool with_top);

  /// For Engine::submit. They may outlive the environment; then they only fill memory that nobody reads.
  RequestCallbacks callbacks();

  void deliver(Napi::Env env) override;
  void release() override;

 private:
  struct Prefill { int done, reused, total; };
  struct Batch {
    std::optional<Prefill> prefill;
    std::vector<float> scores;
    std::vector<uint32_t> tokens;
    std::vector<float> logprobs;
    std::vector<uint8_t> drafted;
    std::vector<uint16_t> experts;
    std::vector<float> expert_weights;
    std::vector<std::vector<TopLogprob>> top;
    std::optional<std::pair<StopReason, RunTimings>> ended;
    std::optional<Failure> failed;
  };

  template <class Change>
  void append(const Change& change);
  Napi::Object to_object(Napi::Env env, const Batch& batch) const;

  const std::shared_ptr<Mailbox> mailbox_;
  const bool with_top_;
  Napi::FunctionReference on_batch_;   // JS thread
  Napi::ObjectReference engine_;       // JS thread
  std::mutex mutex_;                   // guards the next two
  Batch pending_;
  bool posted_ = false;
};

}  // namespace conclave
