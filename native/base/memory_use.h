// What memory this process holds and this machine has, as the system counts it. Zero stands for what it does not tell.
#pragma once
#include <cstdint>

namespace conclave {

struct ProcessMemory {
  uint64_t resident_bytes = 0;   // with the pages of mapped files
  uint64_t own_bytes = 0;        // without them: what the process gives back when it ends
};
ProcessMemory process_memory();

struct SystemMemory {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;       // what programs can still get: the system gives its file caches up for them
};
SystemMemory system_memory();

}  // namespace conclave
