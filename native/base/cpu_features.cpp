// See cpu_features.h. CPUID leaves: Intel SDM vol. 2A; XCR0 must say that the OS saves the wider registers.
#include "base/cpu_features.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "base/debug_switches.h"
#include "base/error.h"

#if defined(__x86_64__) || defined(_M_X64)
#define CONCLAVE_X86 1
#ifdef _MSC_VER
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif
#ifdef __linux__
#include <sched.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace conclave {
namespace {

#ifdef CONCLAVE_X86
struct Registers { uint32_t a = 0, b = 0, c = 0, d = 0; };

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r;
#ifdef _MSC_VER
  int out[4];
  __cpuidex(out, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<uint32_t>(out[0]), static_cast<uint32_t>(out[1]), static_cast<uint32_t>(out[2]), static_cast<uint32_t>(out[3])};
#else
  __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
#endif
  return r;
}

uint64_t saved_registers() {
#ifdef _MSC_VER
  return _xgetbv(0);
#else
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
#endif
}

CpuFeatures detect() {
  CpuFeatures f;
  const uint32_t highest = cpuid(0, 0).a;
  const Registers one = cpuid(1, 0);
  const auto bit = [](uint32_t word, int i) { return ((word >> i) & 1) != 0; };
  if (highest < 7 || !bit(one.c, 27)) return f;   // OSXSAVE
  const uint64_t saved = saved_registers();
  const Registers seven = cpuid(7, 0);
  const Registers seven_one = seven.a >= 1 ? cpuid(7, 1) : Registers{};
  if ((saved & 0x6) != 0x6) return f;             // XMM and YMM
  f.avx2 = bit(seven.b, 5);
  f.fma = bit(one.c, 12);
  f.f16c = bit(one.c, 29);
  f.avx_vnni = bit(seven_one.a, 4);
  if ((saved & 0xe0) != 0xe0) return f;           // opmask and ZMM
  f.avx512f = bit(seven.b, 16);
  f.avx512dq = bit(seven.b, 17);
  f.avx512bw = bit(seven.b, 30);
  f.avx512vl = bit(seven.b, 31);
  f.avx512_vnni = bit(seven.c, 11);
  f.avx512_bf16 = bit(seven_one.a, 5);
  return f;
}
#else
CpuFeatures detect() {
  CpuFeatures f;
#if defined(__aarch64__) || defined(_M_ARM64)
  f.neon = true;
#if defined(__linux__)
  constexpr unsigned long kAsimdDotProduct = 1ul << 20;   // HWCAP_ASIMDDP
  f.neon_dotprod = (getauxval(AT_HWCAP) & kAsimdDotProduct) != 0;
#elif defined(__APPLE__)
  int value = 0;
  size_t size = sizeof value;
  f.neon_dotprod = sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, nullptr, 0) == 0 && value != 0;
#endif
#endif
  return f;
}
#endif

CpuFeatures lowered(CpuFeatures f, const std::string& limit) {
  if (limit == "auto") return f;
  if (limit != "portable" && limit != "avx2" && limit != "avx512" && limit != "neon") {
    throw Error(ErrorCode::kBadArgument, "environment variable CONCLAVE_CPU is '" + limit + "' but must be auto, portable, avx2, avx512 or neon");
  }
  if (limit == "portable") return CpuFeatures{};
  if (limit == "neon") { f.neon_dotprod = false; return f; }
  f.avx512_vnni = f.avx512_bf16 = f.avx_vnni = false;
  if (limit == "avx2") f.avx512f = f.avx512bw = f.avx512vl = f.avx512dq = false;
  return f;
}

#ifdef __linux__
/// CPUs that the cgroup's quota is worth, or 0 when it has none (cgroup v2, then v1).
int cgroup_quota() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period) {
    if (quota == "max" || period <= 0) return 0;
    return std::max(1, static_cast<int>(std::strtod(quota.c_str(), nullptr) / period + 0.5));
  }
  std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double micros = 0;
  if (v1_quota >> micros && v1_period >> period && micros > 0 && period > 0) return std::max(1, static_cast<int>(micros / period + 0.5));
  return 0;
}

int count_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return static_cast<int>(std::thread::hardware_concurrency());
  std::set<std::string> cores;   // a core is named by the list of its hardware threads
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (!(file >> siblings)) siblings = "cpu" + std::to_string(cpu);
    cores.insert(siblings);
  }
  const int quota = cgroup_quota(), found = static_cast<int>(cores.size());
  return quota > 0 ? std::min(found, quota) : found;
}
#elif defined(__APPLE__)
int count_cores() {
  int value = 0;
  size_t size = sizeof value;
  // Efficiency cores slow the whole team down to their own pace, so performance cores are counted where they are told apart.
  if (sysctlbyname("hw.perflevel0.physicalcpu", &value, &size, nullptr, 0) == 0 && value > 0) return value;
  if (sysctlbyname("hw.physicalcpu", &value, &size, nullptr, 0) == 0 && value > 0) return value;
  return static_cast<int>(std::thread::hardware_concurrency());
}
#else
int count_cores() { return static_cast<int>(std::thread::hardware_concurrency()); }
#endif

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = lowered(detect(), debug_switch("CONCLAVE_CPU"));
  return features;
}

int physical_cores() {
  static const int cores = std::max(1, count_cores());
  return cores;
}

}  // namespace conclave
