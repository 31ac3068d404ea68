// The device of host_device.h: launches run to their end, block by block.
#include "ops/gpu_host/host_device.h"

#include <algorithm>
#include <deque>
#include <map>
#include <string>

#include "base/error.h"
#include "ops/gpu_host/run_kernel.h"

namespace conclave::gpu_host {

namespace {

class HostDevice final : public gpu::GpuDevice {
 public:
  HostDevice(const char* name, size_t memory_bytes, RunKernel run_kernel) : name_(name), memory_bytes_(memory_bytes), run_kernel_(run_kernel) {}
  const char* name() const override { return name_; }
  int n_processors() const override { return 8; }
  DeviceMemory memory() const override { return {memory_bytes_ - used_, memory_bytes_}; }
  void* alloc(size_t bytes) override {
    if (size_on_device(bytes) > memory_bytes_ - used_) gpu::throw_out_of_memory(bytes, memory());
    void* buffer = gpu_host::alloc(bytes);
    used_ += size_on_device(bytes);
    sizes_[buffer] = size_on_device(bytes);
    return buffer;
  }
  void free(void* buffer) override {
    const auto known = sizes_.find(buffer);
    const auto goes_there = [&](const Upload& upload) { return upload.to >= buffer && upload.to < static_cast<const std::byte*>(buffer) + known->second; };
    if (known != sizes_.end() && std::any_of(waiting_.begin(), waiting_.end(), goes_there)) await(n_uploads_);
    gpu_host::free(buffer);
    if (known != sizes_.end()) {
      used_ -= known->second;
      sizes_.erase(known);
    }
  }
  void upload(void* to, const void* from, size_t bytes) override { copy_checked(to, from, bytes, to); }
  /// At the last moment, but now and then at once: either must be right.
  uint64_t upload_beside(void* to, const void* from, size_t bytes) override {
    check(to, bytes);
    waiting_.push_back({++n_uploads_, to, from, bytes});
    if (n_uploads_ % 7 == 0) await(n_uploads_);
    return n_uploads_;
  }
  void await(uint64_t upload_number) override {
    while (!waiting_.empty() && waiting_.front().number <= upload_number) {
      const Upload next = waiting_.front();
      waiting_.pop_front();
      upload(next.to, next.from, next.bytes);
    }
  }
  void download(std::span<const Download> downloads) override {
    for (const auto& [to, from, bytes] : downloads) copy_checked(to, from, bytes, from);
  }
  void run(const gpu::LaunchList& list) override {
    note(list);
    gpu::run_steps(
        list.bytes(), [this](gpu::KernelId kernel, int format, gpu::Grid grid, const void* args, size_t args_bytes) { return launch(kernel, format, grid, args, args_bytes); },
        [](const gpu::LaunchList::CopyArgs& args) {
          check(args.from, args.bytes);
          copy_checked(args.to, args.from, args.bytes, args.to);
          return 0;
        });
  }
  gpu::ListCounts list_counts() const override { return counts_; }
  void wait() override {}

 private:
  /// A device that keeps lists would have found this one among them.
  void note(const gpu::LaunchList& list) {
    using Verdict = gpu::ListCache<int>::Verdict;
    switch (lists_.look_up(list.bytes()).verdict) {
      case Verdict::kReplay: ++counts_.replayed; break;
      case Verdict::kMake: ++counts_.made; break;
      case Verdict::kPlain: ++counts_.plain; break;
    }
  }
  int32_t launch(gpu::KernelId kernel, int format, gpu::Grid grid, const void* args, size_t args_bytes) const {
    try {
      if (!run_kernel_(kernel, format, grid, args, args_bytes)) throw Fault(std::string("there is no kernel ") + gpu::kernel_name(kernel) + " for format " + std::to_string(format));
    } catch (const Fault& fault) {
      throw Error(ErrorCode::kInternal, fault.what());
    }
    return 0;
  }
  static size_t size_on_device(size_t bytes) { return (bytes + 255) / 256 * 256; }
  static void check(const void* p, size_t bytes) {
    const Range range = range_of(p);
    if (bytes > 0 && (!range.begin || static_cast<const std::byte*>(p) + bytes > range.end)) throw Error(ErrorCode::kInternal, "a copy of " + std::to_string(bytes) + " bytes leaves its buffer on the device");
  }
  static void copy_checked(void* to, const void* from, size_t bytes, const void* on_device) {
    check(on_device, bytes);
    if (bytes > 0) std::memmove(to, from, bytes);
  }

  struct Upload {
    uint64_t number;
    void* to;
    const void* from;
    size_t bytes;
  };

  const char* name_;
  const size_t memory_bytes_;
  const RunKernel run_kernel_;
  size_t used_ = 0;
  std::map<const void*, size_t> sizes_;
  gpu::ListCache<int> lists_{gpu::kKeptListBytes};
  gpu::ListCounts counts_;
  std::deque<Upload> waiting_;
  uint64_t n_uploads_ = 0;
};

}  // namespace

std::unique_ptr<gpu::GpuDevice> make_host_device(const char* name, size_t memory_bytes) { return std::make_unique<HostDevice>(name, memory_bytes, &gpu::host::run_kernel); }
std::unique_ptr<gpu::GpuDevice> make_metal_host_device(const char* name, size_t memory_bytes) { return std::make_unique<HostDevice>(name, memory_bytes, &run_metal_kernel); }

}  // namespace conclave::gpu_host
