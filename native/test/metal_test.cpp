// What a Mac is told of each kernel, and what any other system says when it is asked for Metal.
#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "base/error.h"
#include "check.h"
#include "ops/metal/kernel_form.h"
#include "ops/ops.h"

using namespace conclave;
using metal::kernel_form;
using metal::KernelForm;

TEST("each kernel is found in the library of its format, and blocks are whole warps") {
  int n_forms = 0;
  std::set<std::string> places;
#define CONCLAVE_ID(id, name, type) gpu::KernelId::id,
  for (const gpu::KernelId id : {CONCLAVE_KERNELS(CONCLAVE_ID, CONCLAVE_ID, CONCLAVE_ID)}) {
#undef CONCLAVE_ID
    for (int format = 0; format < 64; ++format) {
      const std::optional<KernelForm> form = kernel_form(id, format);
      if (!form) continue;
      const bool single = !std::strcmp(form->macro, "CONCLAVE_SINGLE");
      CHECK_MSG(form->value && !std::strcmp(form->function, gpu::kernel_name(id)), gpu::kernel_name(id));
      CHECK_MSG(form->threads % 32 == 0 && form->threads > 0 && form->threads <= 1024 && form->shared_bytes <= metal::kMostSharedBytes, gpu::kernel_name(id));
      CHECK_MSG(places.insert(std::string(form->macro) + form->value + form->function).second || single, gpu::kernel_name(id));
      ++n_forms;
    }
    CHECK_MSG(kernel_form(id, 0).has_value(), gpu::kernel_name(id));   // F32 exists for all
  }
  CHECK(n_forms > 200);
}

TEST("weights and pages of one format come from libraries of their own") {
  const std::optional<KernelForm> product = kernel_form(gpu::KernelId::kProduct, 12), attend = kernel_form(gpu::KernelId::kAttend, 1), norm = kernel_form(gpu::KernelId::kNorm, 0);
  CHECK(product && attend && norm);
  CHECK(std::string(product->macro) + product->value == "CONCLAVE_WEIGHTSQ4_K" && std::string(product->function) == "product");
  CHECK(std::string(attend->macro) + attend->value == "CONCLAVE_PAGESKvF16");
  CHECK(std::string(norm->macro) == "CONCLAVE_SINGLE");
  CHECK(!kernel_form(gpu::KernelId::kProduct, 9) && !kernel_form(gpu::KernelId::kAttend, 12));
}

TEST("a system without Metal says so; 'auto' computes on what there is") {
#if defined(__APPLE__)
  throw test::Skip{"this is a Mac"};
#else
  CHECK(device_of("metal") == Device::kMetal && !device_of("Metal"));
  std::string message;
  try {
    make_ops({.device = Device::kMetal});
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK_MSG(message == "the graphics card was asked for, but Metal exists on macOS only", message);
  CHECK(make_ops({.n_threads = 1, .device = Device::kAuto}) != nullptr);
#endif
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
