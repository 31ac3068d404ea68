// See debug_switches.h.
#include "base/debug_switches.h"

#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace conclave {
namespace {

constexpr DebugSwitch kSwitches[] = {
    {"CONCLAVE_CPU", "auto", "highest vector instructions to use: auto, portable, avx2, avx512 (no VNNI), neon"},
    {"CONCLAVE_THREADS", "0", "threads of a pool that was not given a number; 0: physical cores"},
    {"CONCLAVE_SPIN_US", "20", "microseconds a waiting thread spins before it sleeps; 0: sleep at once"},
    {"CONCLAVE_CHECK_KV", "0", "1: whenever the engine is idle, check that every page of the cache is accounted for"},
    {"CONCLAVE_DRAFT_LOG", "0", "1: print each choice of draft lengths and its reason to stderr"},
    {"CONCLAVE_ATTEND_TILES", "1", "1: a graphics card attends by matrix fragments, and sequences that share pages meet them together; 0: neither"},
    {"CONCLAVE_GROUP_EXPERTS", "1", "1: a pass reads each distinct expert once (CPU); 0: once for every row that chose it, to see what that saves"},
    {"CONCLAVE_TILE_ROWS", "33", "rows of a pass from which a graphics card multiplies by matrix fragments"},
    {"CONCLAVE_HUGE_PAGES", "1", "1: ask for huge pages for large buffers; 0: do not"},
};

}  // namespace

std::span<const DebugSwitch> debug_switches() { return kSwitches; }

const char* debug_switch(const char* name) {
  for (const DebugSwitch& known : kSwitches) {
    if (std::strcmp(known.name, name) != 0) continue;
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : known.default_value;
  }
  assert(!"the switch is missing from the table in debug_switches.cpp");
  return "";
}

long debug_switch_int(const char* name, long low, long high) {
  const char* text = debug_switch(name);
  char* end = nullptr;
  errno = 0;
  const long value = std::strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < low || value > high) {
    throw Error(ErrorCode::kBadArgument, std::string("environment variable ") + name + " is '" + text + "' but must be a whole number from " +
                                             std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

}  // namespace conclave
