// Reads the kernels' constants off their types; none is called here.
#include "ops/metal/kernel_form.h"

#include "ops/gpu/kernels.h"

namespace conclave::metal {

namespace {

struct Reader {
  KernelForm form;
  template <class Kernel>
  bool run() {
    static_assert(Kernel::kSharedBytes <= kMostSharedBytes && sizeof(typename Kernel::Args) <= kMostArgsBytes && Kernel::kThreads <= 1024);
    form.threads = Kernel::kThreads;
    form.shared_bytes = Kernel::kSharedBytes;
    form.args_bytes = sizeof(typename Kernel::Args);
    return true;
  }
};

#define CONCLAVE_NAME(number, Format, ...) \
  case number: return #Format;
const char* weight_format(int format) {
  switch (format) { CONCLAVE_WEIGHT_FORMATS(CONCLAVE_NAME) }
  return nullptr;
}
const char* page_format(int format) {
  switch (format) { CONCLAVE_PAGE_FORMATS(CONCLAVE_NAME) }
  return nullptr;
}
#undef CONCLAVE_NAME

}  // namespace

std::optional<KernelForm> kernel_form(gpu::KernelId id, int format) {
  Reader reader{};
  if (!gpu::CONCLAVE_DIALECT::dispatch(id, format, reader)) return std::nullopt;
  KernelForm& form = reader.form;
  form.function = gpu::kernel_name(id);
  switch (id) {
#define CONCLAVE_ONE(id, name, Kernel) \
  case gpu::KernelId::id: form.macro = "CONCLAVE_SINGLE", form.value = "1"; break;
#define CONCLAVE_WEIGHTS(id, name, Kernel) \
  case gpu::KernelId::id: form.macro = "CONCLAVE_WEIGHTS", form.value = weight_format(format); break;
#define CONCLAVE_PAGES(id, name, Kernel) \
  case gpu::KernelId::id: form.macro = "CONCLAVE_PAGES", form.value = page_format(format); break;
    CONCLAVE_KERNELS(CONCLAVE_ONE, CONCLAVE_WEIGHTS, CONCLAVE_PAGES)
#undef CONCLAVE_ONE
#undef CONCLAVE_WEIGHTS
#undef CONCLAVE_PAGES
  }
  return form;
}

}  // namespace conclave::metal
