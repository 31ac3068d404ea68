#include "addon/engine_object.h"

#include <system_error>
#include <utility>

#include "addon/addon.h"
#include "addon/arguments.h"
#include "addon/close_job.h"
#include "addon/failure.h"
#include "addon/model_info.h"
#include "addon/placement_values.h"
#include "addon/request_object.h"
#include "addon/token_stream.h"

namespace conclave {
namespace {

constexpr napi_type_tag kEngineTag{0x8c2d41b7e05f4a96, 0xb36a90d15e7f2c48};

PromiseJob::Result number(auto value) {
  return [value = static_cast<double>(value)](Napi::Env env) { return Napi::Number::New(env, value); };
}

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {
                         StaticMethod<&EngineObject::open>("open"),
                         InstanceAccessor<&EngineObject::info>("info"),
                         InstanceMethod<&EngineObject::request>("request"),
                         InstanceMethod<&EngineObject::stats>("stats"),
                         InstanceMethod<&EngineObject::residence>("residence"),
                         InstanceMethod<&EngineObject::known_prefix>("knownPrefix"),
                         InstanceMethod<&EngineObject::save_prefix>("savePrefix"),
                         InstanceMethod<&EngineObject::load_prefix>("loadPrefix"),
                         InstanceMethod<&EngineObject::close>("close"),
                     });
}

Napi::Object EngineObject::create(Napi::Env env, OpenedEngine& opened) {
  const Constructing<OpenedEngine> constructing(opened);
  return Addon::of(env).engine_class.New({});
}

EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info), mailbox_(Addon::of(info.Env()).mailbox) {
  OpenedEngine* opened = Constructing<OpenedEngine>::current();
  if (opened == nullptr) refuse(info.Env(), "Engines are made by Engine.open.");
  Napi::Object model = model_info(info.Env(), opened->engine->spec(), opened->file_bytes);
  model.Set("context", opened->engine->n_context());
  model.Set("backend", opened->engine->stats().backend);
  model.Freeze();
  info_ = Napi::Persistent(model);
  info.This().As<Napi::Object>().TypeTag(&kEngineTag);
  const auto gone = std::make_shared<std::promise<void>>();
  gone_ = gone->get_future().share();
  engine_ = std::shared_ptr<Engine>(opened->engine.release(), [gone](Engine* engine) {
    delete engine;
    gone->set_value();
  });
  mailbox_->at_end(this, [this] { engine_.reset(); });
}

EngineObject::~EngineObject() {
  mailbox_->forget_end(this);
  if (!engine_) return;
  const Napi::HandleScope scope(Env());
  try {
    mailbox_->start(Env(), std::make_shared<CloseJob>(mailbox_, std::move(engine_), gone_, std::nullopt));
  } catch (const std::system_error&) {
    // No thread to be had: the job is gone already, and the engine with it, on this one.
  }
}

Engine& EngineObject::opened(const Napi::CallbackInfo& info) const {
  check_tag(info.This().As<Napi::Object>(), kEngineTag, "an engine");
  if (!engine_) refuse(info.Env(), "The engine is closed; open the model again.");
  return *engine_;
}

Napi::Value EngineObject::open(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    EngineOptions options = engine_options(object_argument(info, 0, "options"));
    const Napi::Function on_progress = info[1].IsUndefined() ? Napi::Function() : function_argument(info, 1, "onProgress");
    const std::shared_ptr<Mailbox>& mailbox = Addon::of(info.Env()).mailbox;
    const auto job = std::make_shared<LoadJob>(info.Env(), mailbox, std::move(options), on_progress);
    const Napi::Value promise = job->promise();
    mailbox->start(info.Env(), job);
    return promise;
  });
}

Napi::Value EngineObject::info(const Napi::CallbackInfo& info) {
  check_tag(info.This().As<Napi::Object>(), kEngineTag, "an engine");
  return info_.Value();
}

Napi::Value EngineObject::request(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    opened(info);
    RequestOptions options = request_options(object_argument(info, 0, "options"));
    const Napi::Function on_batch = function_argument(info, 1, "onBatch");
    // Reading the options may have run JS (getters) that closed the engine.
    Engine& engine = opened(info);
    const bool with_top = options.sampler.n_top_logprobs > 0;
    const auto stream = std::make_shared<TokenStream>(mailbox_, on_batch, info.This().As<Napi::Object>(), with_top);
    mailbox_->keep(info.Env(), stream);
    try {
      return RequestObject::create(info.Env(), engine.submit(std::move(options), stream->callbacks()));
    } catch (...) {
      mailbox_->finish(info.Env(), *stream);
      throw;
    }
  });
}

Napi::Value EngineObject::stats(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const EngineStats stats = opened(info).stats();
    Napi::Object object = Napi::Object::New(info.Env());
    const auto set = [&](const char* name, uint64_t value) { object.Set(name, static_cast<double>(value)); };
    set("weightBytes", stats.weight_bytes);
    set("activeBytesPerToken", stats.active_bytes_per_token);
    set("kvBytesReserved", stats.kv_bytes_reserved);
    set("kvPagesTotal", stats.kv_pages_total);
    set("kvPagesFree", stats.kv_pages_free);
    set("kvPagesCached", stats.kv_pages_cached);
    set("running", stats.n_requests_running);
    set("waiting", stats.n_requests_waiting);
    set("expertsPlaced", stats.n_experts_placed);
    set("expertsOnDevice", stats.n_experts_on_device);
    set("expertHits", stats.expert_hits);
    set("expertMisses", stats.expert_misses);
    set("expertBytesMoved", stats.expert_bytes_moved);
    set("residentBytes", stats.resident_bytes);
    set("hostBytes", stats.host_bytes);
    set("hostPeakBytes", stats.host_peak_bytes);
    set("hostWorkPeakBytes", stats.host_work_peak_bytes);
    set("deviceBytes", stats.device_bytes);
    set("devicePeakBytes", stats.device_peak_bytes);
    set("deviceFreeBytes", stats.device_free_bytes);
    set("deviceTotalBytes", stats.device_total_bytes);
    object.Set("backend", stats.backend);
    return object;
  });
}

Napi::Value EngineObject::start(const Napi::CallbackInfo& info, std::function<PromiseJob::Result(Engine&)> work) {
  opened(info);   // reading the arguments may have run JS (getters) that closed the engine
  const auto job = std::make_shared<PromiseJob>(info.Env(), mailbox_, [engine = engine_, work = std::move(work)] { return work(*engine); });
  const Napi::Value promise = job->promise();
  mailbox_->start(info.Env(), job);
  return promise;
}

Napi::Value EngineObject::residence(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    opened(info);
    return start(info, [](Engine& engine) -> PromiseJob::Result {
      return [residence = engine.residence()](Napi::Env env) { return residence_value(env, residence); };
    });
  });
}

Napi::Value EngineObject::known_prefix(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    opened(info);
    return start(info, [tokens = tokens_argument(info, 0)](Engine& engine) { return number(engine.known_prefix(tokens)); });
  });
}

Napi::Value EngineObject::save_prefix(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    opened(info);
    PrefixFile file = prefix_file(object_argument(info, 0, "file"));
    file.engine_version = kEngineVersion;
    return start(info, [file = std::move(file)](Engine& engine) { return number(engine.save_prefix(file)); });
  });
}

Napi::Value EngineObject::load_prefix(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    opened(info);
    PrefixFile file = prefix_file(object_argument(info, 0, "file"));
    file.engine_version = kEngineVersion;
    return start(info, [file = std::move(file)](Engine& engine) { return number(engine.load_prefix(file)); });
  });
}

Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    check_tag(info.This().As<Napi::Object>(), kEngineTag, "an engine");
    if (closing_.IsEmpty()) {
      const auto deferred = Napi::Promise::Deferred::New(info.Env());
      mailbox_->start(info.Env(), std::make_shared<CloseJob>(mailbox_, std::move(engine_), gone_, deferred));
      closing_ = Napi::Persistent(deferred.Promise().As<Napi::Object>());
    }
    return closing_.Value();
  });
}

}  // namespace conclave
