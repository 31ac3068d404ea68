// A Mac's graphics processor: memory that it shares with the host, lists of launches as command buffers of one queue, and the
// kernels compiled from their text when a model first needs them. Addresses that leave this file are the device's
// (gpuAddress), which kernels find in their arguments; that needs Metal 3. Written without a Mac at hand: see NOTES.md.
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ops/gpu/gpu_device.h"
#include "ops/metal/kernel_form.h"
#include "ops/metal/metal_ops.h"
#include "ops/metal/metal_source.h"

namespace conclave {

namespace {

constexpr size_t kAlignment = 256;
constexpr int kGuessedProcessors = 16;     // Metal does not say; Macs have 7 to 80 cores
constexpr int kLaunchesABuffer = 256;      // macOS ends a command buffer that runs for some seconds

size_t rounded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
std::string text_of(NSError* error) { return error ? error.localizedDescription.UTF8String : "no reason was given"; }

/// The kernels' text, library by library, and pipelines from it.
class Pipelines {
 public:
  explicit Pipelines(id<MTLDevice> device) : device_(device) {}

  struct Pipeline {
    id<MTLComputePipelineState> state;
    metal::KernelForm form;
  };

  const Pipeline& find(gpu::KernelId id, int format) {
    Pipeline& known = pipelines_[{id, format}];
    if (known.state) return known;
    const std::optional<metal::KernelForm> form = metal::kernel_form(id, format);
    if (!form) throw Error(ErrorCode::kInternal, std::string("there is no kernel ") + gpu::kernel_name(id) + " for format " + std::to_string(format));
    known.form = *form;
    known.state = make(*form);
    return known;
  }
  id<MTLComputePipelineState> copy() {
    if (!copy_) copy_ = make({"CONCLAVE_SINGLE", "1", "copy_bytes", 0, 0, 0});
    return copy_;
  }

 private:
  id<MTLComputePipelineState> make(const metal::KernelForm& form) {
    NSError* error = nil;
    id<MTLFunction> function = [library(form) newFunctionWithName:@(form.function)];
    id<MTLComputePipelineState> state = function ? [device_ newComputePipelineStateWithFunction:function error:&error] : nil;
    if (!state) throw Error(ErrorCode::kInternal, std::string("the graphics card cannot take the kernel ") + form.function + " (" + form.value + "): " + text_of(error));
    if (state.maxTotalThreadsPerThreadgroup < static_cast<NSUInteger>(form.threads) || state.threadExecutionWidth != 32) {
      throw Error(ErrorCode::kInternal, std::string("the graphics card runs ") + form.function + " with " + std::to_string(state.maxTotalThreadsPerThreadgroup) + " threads in steps of " +
                                            std::to_string(state.threadExecutionWidth) + "; it needs " + std::to_string(form.threads) + " in steps of 32");
    }
    return state;
  }

  id<MTLLibrary> library(const metal::KernelForm& form) {
    id<MTLLibrary> __strong& known = libraries_[form.value];
    if (known) return known;
    MTLCompileOptions* options = [[MTLCompileOptions alloc] init];
    options.languageVersion = MTLLanguageVersion3_0;
    options.fastMathEnabled = NO;   // products and sums as they are written, infinities and all
    options.preprocessorMacros = @{@(form.macro) : @(form.value)};
    NSError* error = nil;
    known = [device_ newLibraryWithSource:@(kMetalSource) options:options error:&error];
    if (!known) throw Error(ErrorCode::kInternal, std::string("the graphics card cannot take the kernels (") + form.value + "): " + text_of(error));
    return known;
  }

  id<MTLDevice> device_;
  std::map<std::string, id<MTLLibrary>> libraries_;   // by format; a weight's and a page's have different names
  std::map<std::pair<gpu::KernelId, int>, Pipeline> pipelines_;
  id<MTLComputePipelineState> copy_ = nil;
};

class MetalDevice final : public gpu::GpuDevice {
 public:
  MetalDevice(id<MTLDevice> device, id<MTLCommandQueue> queue) : device_(device), queue_(queue), fence_([device newFence]), pipelines_(device) {}
  ~MetalDevice() override { finish(); }

  const char* name() const override { return "metal"; }
  int n_processors() const override { return kGuessedProcessors; }
  DeviceMemory memory() const override {
    const size_t total = device_.recommendedMaxWorkingSetSize, used = device_.currentAllocatedSize;
    return {total - std::min(total, used), total, true};
  }

  void* alloc(size_t bytes) override {
    const size_t wanted = rounded(std::max<size_t>(bytes, 1)) + kAlignment;   // vector loads touch whole words; the start is aligned below
    if (wanted > device_.maxBufferLength) {
      throw Error(ErrorCode::kOutOfMemory, "this Mac's graphics processor takes at most " + std::to_string(device_.maxBufferLength >> 20) + " MB in one piece and " + std::to_string(bytes >> 20) +
                                               " MB are needed; compute on the processor");
    }
    const DeviceMemory now = memory();
    id<MTLBuffer> buffer = wanted <= now.free_bytes ? [device_ newBufferWithLength:wanted options:MTLResourceStorageModeShared | MTLResourceHazardTrackingModeUntracked] : nil;
    if (!buffer) gpu::throw_out_of_memory(bytes, now);
    const uint64_t address = rounded(buffer.gpuAddress);
    buffers_[address] = {buffer, static_cast<std::byte*>(buffer.contents) + (address - buffer.gpuAddress), wanted - (address - buffer.gpuAddress)};
    resources_.clear();
    return reinterpret_cast<void*>(address);
  }

  void free(void* memory) override {
    if (!memory) return;
    finish();   // what is under way may still read it; its failure, if any, is told by the next wait
    buffers_.erase(reinterpret_cast<uint64_t>(memory));
    resources_.clear();
  }

  // The host writes and reads the same memory, while the device is at rest.
  void upload(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    wait();
    std::memcpy(on_host(to, bytes), from, bytes);
  }
  void download(std::span<const Download> downloads) override {
    wait();
    for (const Download& each : downloads)
      if (each.bytes > 0) std::memcpy(each.to, on_host(each.from, each.bytes), each.bytes);
  }

  void run(const gpu::LaunchList& list) override {
    @autoreleasepool {
      ++counts_.plain;
      Encoding encoding{*this};
      gpu::run_steps(
          list.bytes(),
          [&](gpu::KernelId id, int format, gpu::Grid grid, const void* args, size_t args_bytes) {
            const Pipelines::Pipeline& pipeline = pipelines_.find(id, format);
            if (args_bytes != pipeline.form.args_bytes) throw Error(ErrorCode::kInternal, std::string("kernel ") + pipeline.form.function + " was launched with the arguments of another");
            encoding.launch(pipeline.state, args, args_bytes, pipeline.form.shared_bytes, grid, pipeline.form.threads);
            return 0;
          },
          [&](const gpu::LaunchList::CopyArgs& copy) {
            constexpr int kThreads = 256;
            if (copy.bytes == 0) return 0;
            encoding.launch(pipelines_.copy(), &copy, sizeof(copy), 0, {static_cast<int32_t>((copy.bytes + 16 * kThreads - 1) / (16 * kThreads)), 1, 1}, kThreads);
            return 0;
          });
      encoding.commit();
    }
  }
  gpu::ListCounts list_counts() const override { return counts_; }

  void wait() override {
    finish();
    if (!failure_) return;
    NSError* const error = std::exchange(failure_, nil);
    const std::string text = text_of(error);
    if ([error.domain isEqualToString:MTLCommandBufferErrorDomain]) {
      if (error.code == MTLCommandBufferErrorOutOfMemory) {
        throw Error(ErrorCode::kOutOfMemory, "the graphics processor ran out of memory (" + text + "); choose a shorter context, or compute on the processor");
      }
      // Blacklisted, later called AccessRevoked: macOS answers this process no more.
      if (error.code == MTLCommandBufferErrorDeviceRemoved || error.code == 4) gpu::throw_device_lost("finish its work", text.c_str());
    }
    throw Error(ErrorCode::kInternal, "the graphics card could not do this (compute): " + text);
  }

 private:
  struct Buffer {
    id<MTLBuffer> buffer;
    std::byte* contents;   // where the host sees the first address
    size_t bytes;
  };

  /// Launches into one command buffer after another. A step sees what the steps before it wrote, by a barrier after each;
  /// command buffers meet by the fence.
  class Encoding {
   public:
    explicit Encoding(MetalDevice& device) : device_(device) {}
    ~Encoding() {
      if (encoder_) [encoder_ endEncoding];   // an encoder may not be left open, even if its commands are never run
    }
    void launch(id<MTLComputePipelineState> pipeline, const void* args, size_t args_bytes, int shared_bytes, gpu::Grid grid, int threads) {
      if (n_launches_ == kLaunchesABuffer) commit();
      if (!encoder_) begin();
      [encoder_ setComputePipelineState:pipeline];
      [encoder_ setBytes:args length:args_bytes atIndex:0];
      [encoder_ setThreadgroupMemoryLength:static_cast<NSUInteger>(std::max(16, (shared_bytes + 15) / 16 * 16)) atIndex:0];
      [encoder_ dispatchThreadgroups:MTLSizeMake(static_cast<NSUInteger>(grid.x), static_cast<NSUInteger>(grid.y), static_cast<NSUInteger>(grid.z))
               threadsPerThreadgroup:MTLSizeMake(static_cast<NSUInteger>(threads), 1, 1)];
      [encoder_ memoryBarrierWithScope:MTLBarrierScopeBuffers];
      ++n_launches_;
    }
    void commit() {
      if (!encoder_) return;
      [encoder_ updateFence:device_.fence_];
      [encoder_ endEncoding];
      [commands_ commit];
      device_.under_way_.push_back(commands_);
      encoder_ = nil;
      commands_ = nil;
      n_launches_ = 0;
    }

   private:
    void begin() {
      commands_ = [device_.queue_ commandBuffer];
      encoder_ = [commands_ computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
      if (!encoder_) throw Error(ErrorCode::kInternal, "the graphics card gives no command buffer");
      [encoder_ waitForFence:device_.fence_];
      device_.use_all(encoder_);
    }

    MetalDevice& device_;
    id<MTLCommandBuffer> commands_ = nil;
    id<MTLComputeCommandEncoder> encoder_ = nil;
    int n_launches_ = 0;
  };

  /// Kernels reach buffers by address, so all have to be there.
  void use_all(id<MTLComputeCommandEncoder> encoder) {
    if (resources_.empty())
      for (const auto& [address, buffer] : buffers_) resources_.push_back(buffer.buffer);
    if (!resources_.empty()) [encoder useResources:resources_.data() count:resources_.size() usage:MTLResourceUsageRead | MTLResourceUsageWrite];
  }

  std::byte* on_host(const void* memory, size_t bytes) const {
    const uint64_t address = reinterpret_cast<uint64_t>(memory);
    auto found = buffers_.upper_bound(address);
    if (found != buffers_.begin() && address - (--found)->first + bytes <= found->second.bytes) return found->second.contents + (address - found->first);
    throw Error(ErrorCode::kInternal, "a copy of " + std::to_string(bytes) + " bytes leaves its buffer on the device");
  }

  /// Ends all work; the first failure is kept for wait().
  void finish() {
    for (id<MTLCommandBuffer> commands : under_way_) {
      [commands waitUntilCompleted];
      if (commands.status == MTLCommandBufferStatusError && !failure_) failure_ = commands.error;
    }
    under_way_.clear();
  }

  id<MTLDevice> device_;
  id<MTLCommandQueue> queue_;
  id<MTLFence> fence_;
  Pipelines pipelines_;
  std::map<uint64_t, Buffer> buffers_;                // by first address
  std::vector<id<MTLResource>> resources_;            // all buffers; empty: to be listed anew
  std::vector<id<MTLCommandBuffer>> under_way_;
  NSError* failure_ = nil;
  gpu::ListCounts counts_;
};

}  // namespace

std::unique_ptr<Ops> make_metal_ops(std::string& why) {
  @autoreleasepool {
    id<MTLDevice> device = MTLCreateSystemDefaultDevice();
    if (!device) {
      why = "this Mac offers no Metal device";
      return nullptr;
    }
    if (![device supportsFamily:MTLGPUFamilyMetal3] || ![device supportsFamily:MTLGPUFamilyApple7]) {
      why = std::string("this Mac's ") + device.name.UTF8String + " has no Metal 3 of Apple's own processors; an M1 or later under macOS 13 has";
      return nullptr;
    }
    id<MTLCommandQueue> queue = [device newCommandQueue];
    if (!queue) {
      why = std::string("this Mac's ") + device.name.UTF8String + " takes no commands";
      return nullptr;
    }
    return gpu::make_gpu_ops(std::make_unique<MetalDevice>(device, queue));
  }
}

}  // namespace conclave
