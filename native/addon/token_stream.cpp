#include "addon/token_stream.h"

#include <cstring>
#include <span>

namespace conclave {
namespace {

template <class Array, class T>
Array typed_array(Napi::Env env, const std::vector<T>& values) {
  // Always a copy: V8's memory cage (Electron) forbids buffers over native memory.
  Array array = Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEndOfText: return "end-of-text";
    case StopReason::kMaxTokens: return "max-tokens";
    case StopReason::kContextFull: return "context-full";
    case StopReason::kCancelled: return "cancelled";
  }
  return "cancelled";
}

Napi::Array counts(Napi::Env env, std::span<const int> values) {
  Napi::Array result = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) result.Set(i, values[i]);
  return result;
}

Napi::Object timings_object(Napi::Env env, const RunTimings& timings) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("queueMs", timings.queue_ms);
  object.Set("prefillMs", timings.prefill_ms);
  object.Set("decodeMs", timings.decode_ms);
  object.Set("firstTokenMs", timings.first_token_ms);
  object.Set("promptTokens", timings.n_prompt);
  object.Set("reusedTokens", timings.n_reused);
  object.Set("generatedTokens", timings.n_generated);
  object.Set("draftedTokens", timings.n_drafted);
  object.Set("acceptedTokens", timings.n_accepted);
  object.Set("passes", timings.n_passes);
  object.Set("draftMs", timings.draft_ms);
  object.Set("plainMs", timings.plain_ms);
  object.Set("distinctExperts", timings.distinct_experts);
  object.Set("triedAt", counts(env, timings.tried_at));
  object.Set("stoodAt", counts(env, timings.stood_at));
  return object;
}

Napi::Array top_array(Napi::Env env, const std::vector<std::vector<TopLogprob>>& rows) {
  Napi::Array result = Napi::Array::New(env, rows.size());
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const Napi::HandleScope scope(env);
    Napi::Array row = Napi::Array::New(env, rows[i].size());
    for (uint32_t j = 0; j < rows[i].size(); ++j) {
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("token", rows[i][j].token);
      entry.Set("logprob", rows[i][j].logprob);
      row.Set(j, entry);
    }
    result.Set(i, row);
  }
  return result;
}

}  // namespace

TokenStream::TokenStream(std::shared_ptr<Mailbox> mailbox, Napi::Function on_batch, Napi::Object engine, bool with_top)
    : mailbox_(std::move(mailbox)), with_top_(with_top), on_batch_(Napi::Persistent(on_batch)), engine_(Napi::Persistent(engine)) {}

template <class Change>
void TokenStream::append(const Change& change) {
  {
    const std::lock_guard lock(mutex_);
    change(pending_);
    if (std::exchange(posted_, true)) return;
  }
  mailbox_->post(shared_from_this());
}

RequestCallbacks TokenStream::callbacks() {
  RequestCallbacks callbacks;
  callbacks.on_prefill = [self = shared_from_this()](int done, int reused, int total) {
    self->append([&](Batch& batch) { batch.prefill = Prefill{done, reused, total}; });
  };
  callbacks.on_scored = [self = shared_from_this()](const std::vector<float>& logprobs) {
    self->append([&](Batch& batch) { batch.scores.insert(batch.scores.end(), logprobs.begin(), logprobs.end()); });
  };
  callbacks.on_token = [self = shared_from_this()](const TokenEvent& event) {
    self->append([&](Batch& batch) {
      batch.tokens.push_back(static_cast<uint32_t>(event.token));
      batch.logprobs.push_back(event.logprob);
      batch.drafted.push_back(event.drafted ? 1 : 0);
      batch.experts.insert(batch.experts.end(), event.choice.experts.begin(), event.choice.experts.end());
      batch.expert_weights.insert(batch.expert_weights.end(), event.choice.weights.begin(), event.choice.weights.end());
      if (self->with_top_) batch.top.push_back(event.top);
    });
  };
  callbacks.on_ended = [self = shared_from_this()](StopReason reason, const RunTimings& timings) {
    self->append([&](Batch& batch) { batch.ended.emplace(reason, timings); });
  };
  callbacks.on_failed = [self = shared_from_this()](ErrorCode code, const std::string& message) {
    self->append([&](Batch& batch) { batch.failed = Failure{error_code_name(code), message}; });
  };
  return callbacks;
}

void TokenStream::deliver(Napi::Env env) {
  if (on_batch_.IsEmpty()) return;   // submitted, but the caller never got its handle
  Batch batch;
  {
    const std::lock_guard lock(mutex_);
    std::swap(batch, pending_);
    posted_ = false;
  }
  const Napi::Function on_batch = on_batch_.Value();
  // Before the call: whatever the callback throws, the request is over and must not hold the event loop.
  if (batch.ended || batch.failed) mailbox_->finish(env, *this);
  on_batch.Call({to_object(env, batch)});
}

void TokenStream::release() {
  on_batch_.Reset();
  engine_.Reset();
}

Napi::Object TokenStream::to_object(Napi::Env env, const Batch& batch) const {
  Napi::Object object = Napi::Object::New(env);
  if (batch.prefill) {
    Napi::Object prefill = Napi::Object::New(env);
    prefill.Set("done", batch.prefill->done);
    prefill.Set("reused", batch.prefill->reused);
    prefill.Set("total", batch.prefill->total);
    object.Set("prefill", prefill);
  }
  object.Set("scores", typed_array<Napi::Float32Array>(env, batch.scores));
  object.Set("tokens", typed_array<Napi::Uint32Array>(env, batch.tokens));
  object.Set("logprobs", typed_array<Napi::Float32Array>(env, batch.logprobs));
  object.Set("drafted", typed_array<Napi::Uint8Array>(env, batch.drafted));
  object.Set("experts", typed_array<Napi::Uint16Array>(env, batch.experts));
  object.Set("expertWeights", typed_array<Napi::Float32Array>(env, batch.expert_weights));
  if (with_top_) object.Set("top", top_array(env, batch.top));
  if (batch.ended) {
    Napi::Object ended = Napi::Object::New(env);
    ended.Set("reason", stop_reason_name(batch.ended->first));
    ended.Set("timings", timings_object(env, batch.ended->second));
    object.Set("ended", ended);
  }
  if (batch.failed) {
    Napi::Object failed = Napi::Object::New(env);
    failed.Set("code", batch.failed->code);
    failed.Set("message", batch.failed->message);
    object.Set("failed", failed);
  }
  return object;
}

}  // namespace conclave
