// The one table of environment switches. Code asks for a switch by its name here and nowhere else calls getenv, so the
// table is complete by construction. Switches are for measuring and for bug reports; nothing a user needs is one.
#pragma once
#include <span>

namespace conclave {

struct DebugSwitch {
  const char* name;            // "CONCLAVE_..."
  const char* default_value;
  const char* meaning;
};

std::span<const DebugSwitch> debug_switches();

/// The environment's value, or the default. `name` must be in the table (asserted).
const char* debug_switch(const char* name);
/// The same as a number; throws Error(kBadArgument) when the value is not a whole number within [low, high].
long debug_switch_int(const char* name, long low, long high);

}  // namespace conclave
