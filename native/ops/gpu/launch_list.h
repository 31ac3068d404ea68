// What a device does between two meetings with the host: launches and copies in order, as plain bytes, so that a device can
// tell whether it was given the same before. Holds addresses only; whoever runs a list sees to it that they are still good.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "ops/gpu/kernel_id.h"

namespace conclave::gpu {

class LaunchList {
 public:
  /// Before each step's arguments.
  struct Head {
    int32_t kernel;        // a KernelId, or kCopy with CopyArgs
    int32_t format;
    Grid grid;
    uint32_t args_bytes;
    uint64_t reserved = 0;   // heads and arguments begin at multiples of 16
  };
  struct CopyArgs {
    void* to;
    const void* from;
    uint64_t bytes;
  };
  static constexpr int32_t kCopy = -1;

  void launch(KernelId kernel, int format, Grid grid, const void* args, size_t args_bytes) { add(static_cast<int32_t>(kernel), format, grid, args, args_bytes); }
  void copy(void* to, const void* from, size_t bytes) {
    const CopyArgs args{to, from, bytes};
    add(kCopy, 0, {}, &args, sizeof(args));
  }
  bool is_empty() const { return bytes_.empty(); }
  void clear() { bytes_.clear(); }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void add(int32_t kernel, int format, Grid grid, const void* args, size_t args_bytes) {
    const Head head{kernel, format, grid, static_cast<uint32_t>(args_bytes)};
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(head) + (args_bytes + 15) / 16 * 16);
    std::memcpy(bytes_.data() + at, &head, sizeof(head));
    std::memcpy(bytes_.data() + at + sizeof(head), args, args_bytes);
  }

  std::vector<std::byte> bytes_;
};
static_assert(sizeof(LaunchList::Head) == 32);

/// Calls launch(kernel id, format, grid, args, args_bytes) or copy(CopyArgs) for each step of a list's bytes, in order, while they
/// return 0; returns the first other number.
template <class LaunchStep, class CopyStep>
int32_t run_steps(std::span<const std::byte> list, LaunchStep&& launch, CopyStep&& copy) {
  for (size_t at = 0; at < list.size();) {
    LaunchList::Head head;
    std::memcpy(&head, list.data() + at, sizeof(head));
    const std::byte* args = list.data() + at + sizeof(head);
    at += sizeof(head) + (size_t{head.args_bytes} + 15) / 16 * 16;
    int32_t result = 0;
    if (head.kernel == LaunchList::kCopy) {
      LaunchList::CopyArgs copied;
      std::memcpy(&copied, args, sizeof(copied));
      result = copy(copied);
    } else {
      result = launch(static_cast<KernelId>(head.kernel), head.format, head.grid, args, size_t{head.args_bytes});
    }
    if (result != 0) return result;
  }
  return 0;
}

}  // namespace conclave::gpu
