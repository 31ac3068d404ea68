// Lists of launches: which of them a device keeps (a policy without a device), and that the steps of a decode give it the same
// list again and again, so that one graph serves them all. The device is the GPU's kernels compiled for the host.
#include "check.h"
#include "engine_run.h"
#include "golden.h"
#include "ops/gpu_host/host_device.h"

using namespace conclave;
using namespace conclave::test;

namespace {

using Cache = gpu::ListCache<int>;

std::vector<std::byte> list_of(int name, size_t bytes = 2048) {
  std::vector<std::byte> list(bytes, std::byte{7});
  std::memcpy(list.data() + bytes - sizeof(name), &name, sizeof(name));
  return list;
}

/// 'p', 'm' or 'r' for each list given.
std::string verdicts(Cache& cache, std::initializer_list<int> names) {
  std::string said;
  for (const int name : names) {
    const auto [verdict, form] = cache.look_up(list_of(name));
    if (verdict == Cache::Verdict::kMake) *form = name;
    if (verdict == Cache::Verdict::kReplay) CHECK_MSG(*form == name, "list " + std::to_string(name) + " was given the form of list " + std::to_string(*form));
    said += verdict == Cache::Verdict::kPlain ? 'p' : verdict == Cache::Verdict::kMake ? 'm' : 'r';
  }
  return said;
}

}  // namespace

TEST("a list is kept from the second time on, whatever comes between, and found by its bytes") {
  Cache cache(1 << 20);
  CHECK(verdicts(cache, {1, 2, 1, 1, 3, 2, 2, 1, 3, 3}) == "ppmrpmrrmr");
  CHECK(cache.look_up(list_of(1, 512)).verdict == Cache::Verdict::kPlain && cache.look_up(list_of(1, 512)).verdict == Cache::Verdict::kPlain);   // too short to gain by it
}

TEST("the lists unused for longest make room, and leave their form to be made over") {
  Cache cache(4 * 2048);
  CHECK(verdicts(cache, {1, 1, 2, 2, 3, 3, 4, 4, 1}) == "pmpmpmpmr");
  CHECK(verdicts(cache, {5}) == "p");
  const auto [verdict, form] = cache.look_up(list_of(5));
  CHECK(verdict == Cache::Verdict::kMake && *form == 2);   // 1 was used since
  *form = 5;
  CHECK(verdicts(cache, {1, 3, 4, 5, 2}) == "rrrrm");
  CHECK(cache.look_up(list_of(9, 5 * 2048)).verdict == Cache::Verdict::kPlain && cache.look_up(list_of(9, 5 * 2048)).verdict == Cache::Verdict::kPlain);   // larger than all the room
}

TEST("a list that has no form is launched plainly, not tried again") {
  Cache cache(1 << 20);
  CHECK(verdicts(cache, {1, 1}) == "pm");
  cache.refuse();
  CHECK(verdicts(cache, {1, 1, 2, 2, 2}) == "pppmr");
}

// ---- a decode ------------------------------------------------------------------------------------------------------

namespace {

/// What a device made of the lists of `n_tokens` greedy tokens after a prompt of `n_prompt`.
gpu::ListCounts decode(const std::string& name, int n_prompt, int n_tokens, bool every_third_on_cpu = false) {
  const GoldenCase golden = read_golden(std::filesystem::path(CONCLAVE_FIXTURES) / "golden" / (name + ".gguf"));
  EngineOptions options;
  options.path = golden.model;
  options.n_threads = 2;
  options.n_context = 512;
  const gpu::GpuDevice* device = nullptr;
  options.make_ops = [&] {
    auto made = gpu_host::make_host_device("cuda-on-host");
    device = made.get();
    return gpu::make_gpu_ops(std::move(made));
  };
  if (every_third_on_cpu) options.on_device = [](size_t, int expert) { return expert % 3 != 2; };
  const auto engine = Engine::open(options);
  RequestOptions request;
  while (static_cast<int>(request.tokens.size()) < n_prompt) request.tokens.push_back(golden.prompt[request.tokens.size() % golden.prompt.size()]);
  request.sampler.temperature = 0.f;
  const auto counts_after = [&](int n) {
    request.max_tokens = n;
    const auto outcome = run(*engine, request);
    CHECK_MSG(outcome->failure.empty() && static_cast<int>(outcome->tokens.size()) == n, outcome->failure);
    return device->list_counts();
  };
  const gpu::ListCounts before = counts_after(1), after = counts_after(n_tokens);
  const gpu::ListCounts counts{after.plain - before.plain, after.made - before.made, after.replayed - before.replayed};
  std::printf("      %s, %d + %d tokens: %llu lists launched plainly, %llu made into graphs, %llu replayed\n", name.c_str(), n_prompt, n_tokens, static_cast<unsigned long long>(counts.plain),
              static_cast<unsigned long long>(counts.made), static_cast<unsigned long long>(counts.replayed));
  return counts;
}

}  // namespace

TEST("a decode gives the device one list a token, and the same one but where attention begins to be split") {
  for (const char* name : {"mixtral-Q4_K", "gptoss-MXFP4"}) {   // the latter with windows and sinks
    const gpu::ListCounts counts = decode(name, 220, 64);
    CHECK(counts.plain + counts.made + counts.replayed <= 67);   // the tokens, and what a known prefix takes
    CHECK(counts.made <= 4 && counts.replayed >= 55);
  }
}

TEST("with experts on the processor a token takes a list for each layer, and nearly all come again") {
  const gpu::ListCounts counts = decode("mixtral-Q4_K", 48, 64, true);
  CHECK(counts.replayed > 5 * counts.made && counts.replayed >= 64);
}

int main(int argc, char** argv) {
#if defined(__SANITIZE_THREAD__)
  for (Case& test : cases()) test.body = [] { throw Skip{"the thread sanitizer cannot follow fibers"}; };
#endif
  return conclave::test::run_tests(argc, argv);
}
