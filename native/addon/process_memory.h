// How much memory this process holds.
#pragma once
#include <cstdint>

namespace conclave {

/// Resident set in bytes, mapped weights that are in memory included; 0 where the system does not say.
uint64_t resident_bytes();

}  // namespace conclave
