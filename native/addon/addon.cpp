// The addon's exports. One binary serves Node and Electron (Node-API 9 only); each environment gets its own state.
#include "addon/addon.h"

#include "addon/engine_object.h"
#include "addon/hash.h"
#include "addon/metadata.h"
#include "addon/placement_values.h"
#include "addon/request_object.h"

namespace conclave {
namespace {

Napi::Object define_exports(Napi::Env env, Napi::Object exports) {
  auto* addon = new Addon();
  env.SetInstanceData(addon);   // owned by the environment from here
  addon->mailbox = Mailbox::create(env);
  const Napi::Function engine_class = EngineObject::define(env);
  addon->engine_class = Napi::Persistent(engine_class);
  addon->request_class = Napi::Persistent(RequestObject::define(env));
  exports.Set("Engine", engine_class);
  exports.Set("readMetadata", Napi::Function::New<read_metadata>(env, "readMetadata"));
  exports.Set("inspectModel", Napi::Function::New<inspect_model>(env, "inspectModel"));
  exports.Set("inspectDrafter", Napi::Function::New<inspect_drafter>(env, "inspectDrafter"));
  exports.Set("planModel", Napi::Function::New<plan_model>(env, "planModel"));
  exports.Set("hashFile", Napi::Function::New<hash_file>(env, "hashFile"));
  exports.Set("engineVersion", kEngineVersion);
  return exports;
}

NODE_API_MODULE(conclave, define_exports)

}  // namespace
}  // namespace conclave
