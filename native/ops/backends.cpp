// Which backend computes: the one file that knows them all.
#include <string>

#include "base/error.h"
#include "ops/cuda/cuda_ops.h"
#include "ops/metal/metal_ops.h"
#include "ops/ops.h"

namespace conclave {

std::optional<Device> device_of(std::string_view name) {
  if (name == "cpu") return Device::kCpu;
  if (name == "cuda") return Device::kCuda;
  if (name == "metal") return Device::kMetal;
  if (name == "auto") return Device::kAuto;
  return std::nullopt;
}

std::unique_ptr<Ops> make_ops(const OpsOptions& options) {
  const bool either = options.device == Device::kAuto;
  if (options.device == Device::kCpu || (either && options.precision == Precision::kExact)) return make_cpu_ops(options);
  if (options.precision == Precision::kExact) throw Error(ErrorCode::kUnsupported, "the exact path exists on the processor only; leave out the device");
  std::string why;
  if (either || options.device == Device::kMetal)
    if (std::unique_ptr<Ops> ops = make_metal_ops(why)) return ops;
  if (either || options.device == Device::kCuda)
    if (std::unique_ptr<Ops> ops = make_cuda_ops(why)) return ops;
  if (either) return make_cpu_ops(options);
  throw Error(ErrorCode::kUnsupported, "the graphics card was asked for, but " + why);
}

}  // namespace conclave
