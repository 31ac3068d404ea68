// A graphics card that stops working in mid-answer: every run hears of it, once and with its code, and nothing but that happens.
// The device is the GPU's kernels compiled for the host, which after some lists fails every call as a lost card does. That the
// process then ends and starts anew is the engine process's part: test/integration/engineProcess.test.ts.
#include "engine_run.h"
#include "golden.h"
#include "ops/gpu_host/host_device.h"
#include "ops/gpu_host/memory.h"

using namespace conclave;
using namespace conclave::test;

namespace {

class MortalDevice final : public gpu::GpuDevice {
 public:
  explicit MortalDevice(int n_lists) : left_(n_lists) {}
  const char* name() const override { return "mortal"; }
  int n_processors() const override { return inner_->n_processors(); }
  DeviceMemory memory() const override { return inner_->memory(); }
  void* alloc(size_t bytes) override {
    check("give memory");
    return inner_->alloc(bytes);
  }
  void free(void* buffer) override { inner_->free(buffer); }
  void upload(void* to, const void* from, size_t bytes) override {
    check("receive data");
    inner_->upload(to, from, bytes);
  }
  void download(std::span<const Download> downloads) override {
    check("send data");
    inner_->download(downloads);
  }
  void run(const gpu::LaunchList& list) override {
    check("compute");
    if (--left_ >= 0) inner_->run(list);
    check("compute");
  }
  void wait() override { check("finish its work"); }

 private:
  void check(const char* task) const {
    if (left_ < 0) gpu::throw_device_lost(task, "unspecified launch failure");
  }
  std::unique_ptr<gpu::GpuDevice> inner_ = gpu_host::make_host_device("mortal");
  int left_;
};

}  // namespace

TEST("a lost device fails every run, also those that wait and those that come later, and the engine closes in peace") {
  const GoldenCase golden = read_golden(std::filesystem::path(CONCLAVE_FIXTURES) / "golden" / "mixtral-Q4_K.gguf");
  const size_t before = gpu_host::n_buffers();
  for (const bool hybrid : {false, true}) {
    EngineOptions options;
    options.path = golden.model;
    options.n_threads = 2;
    options.n_context = 64;   // room for one of the sequences: the others wait
    options.make_ops = [] { return gpu::make_gpu_ops(std::make_unique<MortalDevice>(12)); };
    if (hybrid) options.on_device = [](size_t, int expert) { return expert % 3 != 2; };
    const auto engine = Engine::open(options);
    RequestOptions request;
    request.tokens.assign(golden.prompt.begin(), golden.prompt.begin() + 20);
    request.max_tokens = 40;
    request.sampler.temperature = 0.f;
    for (const auto& outcome : run_together(*engine, {request, request, request})) {
      CHECK_MSG(outcome->code == ErrorCode::kDeviceLost && outcome->n_last == 1, outcome->failure);
      CHECK(outcome->failure.find("stopped working") != std::string::npos && outcome->tokens.size() < 40);
    }
    const auto later = run(*engine, request);
    std::printf("      %s\n", later->failure.c_str());
    CHECK(later->code == ErrorCode::kDeviceLost && later->tokens.empty());
  }
  CHECK(gpu_host::n_buffers() == before);
}

int main(int argc, char** argv) {
#if defined(__SANITIZE_THREAD__)
  for (Case& test : cases()) test.body = [] { throw Skip{"the thread sanitizer cannot follow fibers"}; };
#endif
  return conclave::test::run_tests(argc, argv);
}
