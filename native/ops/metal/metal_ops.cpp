// Every other system's half of metal_ops.h; a Mac's is metal_device.mm.
#include "ops/metal/metal_ops.h"

#if !defined(__APPLE__)

namespace conclave {

std::unique_ptr<Ops> make_metal_ops(std::string& why) {
  why = "Metal exists on macOS only";
  return nullptr;
}

}  // namespace conclave

#endif
