// Opens the CUDA library at run time; see cuda_ops.h. The driver is looked for first: without one the library, which
// brings tens of megabytes of kernels, is never touched.
#include "ops/cuda/cuda_ops.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include <cstddef>

#include "base/error.h"
#include "ops/cuda/cuda_api.h"
#include "ops/gpu/gpu_device.h"

namespace conclave {

namespace {

#if defined(_WIN32)
constexpr const char* kDriver = "nvcuda.dll";
constexpr const char* kLibrary = "conclave_cuda.dll";
void* open_library(const char* path) { return reinterpret_cast<void*>(LoadLibraryA(path)); }
void* symbol(void* library, const char* name) { return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name)); }
/// The folder of the program or addon that this code is part of, with a separator at its end.
std::string own_folder() {
  HMODULE self = nullptr;
  char path[MAX_PATH] = "";
  GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, reinterpret_cast<LPCSTR>(&make_cuda_ops), &self);
  GetModuleFileNameA(self, path, MAX_PATH);
  const std::string full = path;
  return full.substr(0, full.find_last_of("\\/") + 1);
}
#else
constexpr const char* kDriver = "libcuda.so.1";
constexpr const char* kLibrary = "libconclave_cuda.so";
void* open_library(const char* path) { return dlopen(path, RTLD_NOW | RTLD_LOCAL); }
void* symbol(void* library, const char* name) { return dlsym(library, name); }
std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&make_cuda_ops), &info) == 0 || !info.dli_fname) return "";
  const std::string full = info.dli_fname;
  const size_t slash = full.find_last_of('/');
  return slash == std::string::npos ? "" : full.substr(0, slash + 1);
}
#endif

class CudaDevice final : public gpu::GpuDevice {
 public:
  CudaDevice(const ConclaveCudaApi& api, void* context) : api_(api), context_(context) {}
  ~CudaDevice() override { api_.close(context_); }

  const char* name() const override { return "cuda"; }
  int n_processors() const override { return api_.n_processors(context_); }
  DeviceMemory memory() const override {
    DeviceMemory memory;
    check(api_.memory(context_, &memory.free_bytes, &memory.total_bytes), "tell its free memory");
    return memory;
  }
  void* alloc(size_t bytes) override {
    void* buffer = nullptr;
    const int32_t error = api_.alloc(context_, bytes, &buffer);
    if (error == 0) return buffer;
    if (api_.is_lost(context_)) gpu::throw_device_lost("give memory", api_.error_text(error));
    gpu::throw_out_of_memory(bytes, memory());
  }
  void free(void* buffer) override {
    if (buffer) api_.free(context_, buffer);   // destructors free: a device that was lost has been reported by then
  }
  void upload(void* to, const void* from, size_t bytes) override { check(bytes == 0 ? 0 : api_.upload(context_, to, from, bytes), "receive data"); }
  uint64_t upload_beside(void* to, const void* from, size_t bytes) override {
    uint64_t number = 0;
    check(bytes == 0 ? 0 : api_.upload_beside(context_, to, from, bytes, &number), "receive weights");
    return number;
  }
  void await(uint64_t upload) override { check(api_.await(context_, upload), "receive weights"); }
  void download(std::span<const Download> downloads) override {
    static_assert(sizeof(Download) == sizeof(ConclaveDownload) && offsetof(Download, from) == offsetof(ConclaveDownload, from) && offsetof(Download, bytes) == offsetof(ConclaveDownload, bytes));
    check(api_.download(context_, reinterpret_cast<const ConclaveDownload*>(downloads.data()), downloads.size()), "send data");
  }
  void run(const gpu::LaunchList& list) override { check(api_.run(context_, list.bytes().data(), list.bytes().size()), "compute"); }
  gpu::ListCounts list_counts() const override {
    uint64_t counts[3] = {};
    api_.list_counts(context_, counts);
    return {counts[0], counts[1], counts[2]};
  }
  void wait() override { check(api_.wait(context_), "finish its work"); }

 private:
  void check(int32_t error, const char* task) const {
    if (error == 0) return;
    if (api_.is_lost(context_)) gpu::throw_device_lost(task, api_.error_text(error));
    throw Error(ErrorCode::kInternal, std::string("the graphics card could not do this (") + task + "): " + api_.error_text(error));
  }

  const ConclaveCudaApi& api_;
  void* context_;
};

}  // namespace

std::unique_ptr<Ops> make_cuda_ops(std::string& why) {
  if (!open_library(kDriver)) {
    why = "this machine has no NVIDIA driver";
    return nullptr;
  }
  const std::string path = own_folder() + kLibrary;
  void* library = open_library(path.c_str());
  void* entry = library ? symbol(library, "conclave_cuda_api") : nullptr;
  if (!entry) {
    why = "the CUDA library '" + path + "' cannot be opened; `npm run build:cuda` makes it";
    return nullptr;
  }
  const ConclaveCudaApi& api = *reinterpret_cast<ConclaveCudaEntry>(entry)();
  if (api.version != CONCLAVE_CUDA_VERSION) {
    why = "the CUDA library '" + path + "' has version " + std::to_string(api.version) + " and this program needs " + std::to_string(CONCLAVE_CUDA_VERSION) + "; `npm run build:cuda` makes it anew";
    return nullptr;
  }
  void* context = nullptr;
  if (const int32_t error = api.open(&context); error != 0) {
    why = std::string("the graphics card cannot be used: ") + api.error_text(error);
    return nullptr;
  }
  return gpu::make_gpu_ops(std::make_unique<CudaDevice>(api, context));
}

}  // namespace conclave
