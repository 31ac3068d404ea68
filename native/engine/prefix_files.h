// Known prefixes to disk and back; the contracts are those of the same functions in engine.h. The scheduler's thread only
// copies pages; reading, checking and writing files happens on the caller's thread, so that nobody's tokens wait for a disk.
#pragma once
#include "engine/engine.h"
#include "engine/scheduler.h"

namespace conclave {

int known_prefix(Scheduler& scheduler, const std::vector<int32_t>& tokens);
uint64_t save_prefix(Scheduler& scheduler, const PrefixFile& file);
uint64_t load_prefix(Scheduler& scheduler, const PrefixFile& file);

}  // namespace conclave
