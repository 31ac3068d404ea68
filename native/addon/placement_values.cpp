#include "addon/placement_values.h"

#include "addon/addon.h"
#include "addon/arguments.h"
#include "addon/promise_job.h"

namespace conclave {
namespace {

void set_bytes(Napi::Object& object, const char* name, uint64_t bytes) { object.Set(name, static_cast<double>(bytes)); }

Napi::Object use_value(Napi::Env env, const MemoryUse& use) {
  Napi::Object object = Napi::Object::New(env);
  set_bytes(object, "weights", use.weights);
  set_bytes(object, "experts", use.experts);
  set_bytes(object, "kv", use.kv);
  set_bytes(object, "work", use.work);
  return object;
}

Napi::Object plan_value(Napi::Env env, const ModelPlan& answer) {
  const Plan& plan = answer.plan;
  Napi::Object object = Napi::Object::New(env);
  object.Set("placement", placement_name(plan.placement));
  object.Set("reason", plan.reason);
  object.Set("gpu", use_value(env, plan.gpu));
  object.Set("cpu", use_value(env, plan.cpu));
  object.Set("experts", static_cast<double>(plan.n_experts));
  object.Set("expertsOnGpu", static_cast<double>(plan.n_experts_on_gpu));
  object.Set("context", static_cast<double>(answer.n_context));
  object.Set("mostContext", static_cast<double>(plan.most_context));
  Napi::Object machine = Napi::Object::New(env);
  set_bytes(machine, "ram", answer.ram_bytes);
  set_bytes(machine, "ramFree", answer.budget.ram_bytes);
  set_bytes(machine, "vram", answer.vram_bytes);
  set_bytes(machine, "vramFree", answer.vram_free_bytes);
  machine.Set("unified", answer.budget.unified);
  machine.Set("card", answer.card);
  machine.Set("noCard", answer.no_card);
  object.Set("machine", machine);
  return object;
}

}  // namespace

Napi::Value plan_model(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::shared_ptr<Mailbox>& mailbox = Addon::of(info.Env()).mailbox;
    PlanRequest request = plan_request(path_argument(info, 0), info[1].IsUndefined() ? Napi::Object::New(info.Env()) : object_argument(info, 1, "options"));
    const auto job = std::make_shared<PromiseJob>(info.Env(), mailbox, [request = std::move(request)]() -> PromiseJob::Result {
      return [answer = plan_model(request)](Napi::Env env) { return plan_value(env, answer); };
    });
    const Napi::Value promise = job->promise();
    mailbox->start(info.Env(), job);
    return promise;
  });
}

Napi::Object residence_value(Napi::Env env, const Residence& residence) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("device", use_value(env, residence.device));
  object.Set("host", use_value(env, residence.host));
  Napi::Object machine = Napi::Object::New(env);
  set_bytes(machine, "ram", residence.ram_bytes);
  set_bytes(machine, "ramFree", residence.ram_free_bytes);
  set_bytes(machine, "vram", residence.vram_bytes);
  set_bytes(machine, "vramFree", residence.vram_free_bytes);
  machine.Set("unified", residence.unified);
  object.Set("machine", machine);
  const size_t n_experts = residence.experts.empty() ? 0 : residence.experts.front().size();
  auto tiers = Napi::Uint8Array::New(env, residence.experts.size() * n_experts);
  for (size_t layer = 0; layer < residence.experts.size(); ++layer)
    for (size_t expert = 0; expert < n_experts && expert < residence.experts[layer].size(); ++expert) tiers[layer * n_experts + expert] = static_cast<uint8_t>(residence.experts[layer][expert]);
  object.Set("tiers", tiers);
  return object;
}

}  // namespace conclave
