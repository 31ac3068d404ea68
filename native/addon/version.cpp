// The one file that is compiled again whenever any of the engine's sources changes.
#include "addon/addon.h"
#include "engine_version.h"   // made by the build

namespace conclave {

const char* const kEngineVersion = CONCLAVE_ENGINE_VERSION;

}  // namespace conclave
