// A device asks for a kernel by id and, where there is one for each number format, by that; the launcher that it brings is
// called with the kernel's type. The one place where formats become template arguments.
#pragma once
#include "ops/gpu/kernel_id.h"
#include "ops/gpu/kernel_list.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

#define CONCLAVE_CASE(number, Format, ...) \
  case number: return launch.template run<Kernel<Format>>();

/// Calls launch.template run<Kernel<Format>>() for the format with GGUF's number `format`; false: there is none.
template <template <class> class Kernel, class Launch>
bool with_format(int format, Launch& launch) {
  switch (format) {
    CONCLAVE_WEIGHT_FORMATS(CONCLAVE_CASE)
    default: return false;
  }
}

/// The same for the formats of keys and values.
template <template <class> class Kernel, class Launch>
bool with_kv_format(int format, Launch& launch) {
  switch (format) {
    CONCLAVE_PAGE_FORMATS(CONCLAVE_CASE)
    default: return false;
  }
}

#undef CONCLAVE_CASE

template <class Launch>
bool dispatch(KernelId id, int format, Launch& launch) {
  switch (id) {
#define CONCLAVE_ONE(id, name, Kernel) \
  case KernelId::id: return launch.template run<Kernel>();
#define CONCLAVE_WEIGHTS(id, name, Kernel) \
  case KernelId::id: return with_format<Kernel>(format, launch);
#define CONCLAVE_PAGES(id, name, Kernel) \
  case KernelId::id: return with_kv_format<Kernel>(format, launch);
    CONCLAVE_KERNELS(CONCLAVE_ONE, CONCLAVE_WEIGHTS, CONCLAVE_PAGES)
#undef CONCLAVE_ONE
#undef CONCLAVE_WEIGHTS
#undef CONCLAVE_PAGES
  }
  return false;
}

}  // namespace conclave::gpu::CONCLAVE_DIALECT
