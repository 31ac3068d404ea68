// Memory as each system counts it; see memory_use.h.
#include "base/memory_use.h"

#if defined(__APPLE__)
#include <mach/mach.h>
#include <sys/sysctl.h>
#elif defined(_WIN32)
#define NOMINMAX
#include <windows.h>
// psapi.h needs windows.h first.
#include <psapi.h>
#else
#include <unistd.h>

#include <cstdio>
#endif

namespace conclave {

#if defined(__APPLE__)
ProcessMemory process_memory() {
  task_vm_info info{};
  mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
  if (task_info(mach_task_self(), TASK_VM_INFO, reinterpret_cast<task_info_t>(&info), &count) != KERN_SUCCESS) return {};
  return {info.resident_size, info.phys_footprint};
}

SystemMemory system_memory() {
  SystemMemory memory;
  size_t length = sizeof(memory.total_bytes);
  if (sysctlbyname("hw.memsize", &memory.total_bytes, &length, nullptr, 0) != 0) return {};
  vm_statistics64 pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) != KERN_SUCCESS) return {};
  memory.free_bytes = (uint64_t{pages.free_count} + pages.inactive_count + pages.purgeable_count) * vm_kernel_page_size;
  return memory;
}
#elif defined(_WIN32)
ProcessMemory process_memory() {
  PROCESS_MEMORY_COUNTERS counters{};
  if (GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters)) == 0) return {};
  return {counters.WorkingSetSize, counters.PagefileUsage};
}

SystemMemory system_memory() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  if (GlobalMemoryStatusEx(&status) == 0) return {};
  return {status.ullTotalPhys, status.ullAvailPhys};
}
#else
ProcessMemory process_memory() {
  std::FILE* statm = std::fopen("/proc/self/statm", "r");
  if (statm == nullptr) return {};
  unsigned long long size = 0, resident = 0, of_files = 0;
  const int n_read = std::fscanf(statm, "%llu %llu %llu", &size, &resident, &of_files);
  std::fclose(statm);
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return n_read == 3 ? ProcessMemory{resident * page, (resident - of_files) * page} : ProcessMemory{};
}

SystemMemory system_memory() {
  std::FILE* meminfo = std::fopen("/proc/meminfo", "r");
  if (meminfo == nullptr) return {};
  SystemMemory memory;
  char line[128];
  while (std::fgets(line, sizeof line, meminfo) != nullptr) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line, "MemTotal: %llu", &kibibytes) == 1) memory.total_bytes = kibibytes * 1024;
    if (std::sscanf(line, "MemAvailable: %llu", &kibibytes) == 1) memory.free_bytes = kibibytes * 1024;
  }
  std::fclose(meminfo);
  return memory;
}
#endif

}  // namespace conclave
