// The CPU's Ops: each call runs to its end before it returns, so begin, submit and wait have nothing to do, and device
// memory is plain memory.
#include "ops/cpu/cpu_ops.h"

#include <cassert>
#include <cstring>
#include <string>

#include "base/cpu_features.h"
#include "base/debug_switches.h"
#include "base/error.h"
#include "ops/cpu/kv_page.h"

namespace conclave {
namespace {

/// What may pay; attend() itself looks at the heads (attend_rows.h, pays_together).
constexpr SharingGate kCpuSharing{.min_pages = 2, .min_sequences = 2};

class CpuOps final : public Ops {
 public:
  CpuOps(const OpsOptions& options, const Kernels& kernels)
      : context_(options.n_threads, options.precision == Precision::kExact, kernels),
        name_(options.precision == Precision::kExact ? "cpu-exact" : std::string("cpu-") + kernels.name) {}

  const char* name() const override { return name_.c_str(); }
  SharingGate sharing_gate() const override { return context_.exact ? SharingGate{} : kCpuSharing; }

  void* alloc(size_t bytes) override { return aligned_alloc_bytes(bytes); }
  void free(void* buffer) override { aligned_free(buffer); }
  void upload(void* dst, const void* src, size_t bytes) override { std::memcpy(dst, src, bytes); }
  void download(void* dst, const void* src, size_t bytes) override { std::memcpy(dst, src, bytes); }
  void copy(void* dst, const void* src, size_t bytes) override { std::memmove(dst, src, bytes); }
  void begin() override {}
  void submit() override {}
  void wait() override {}

  void prepare(Weight& weight) override {
    const DTypeTraits* traits = dtype_traits(weight.type);
    if (traits && traits->computable) return;
    throw Error(ErrorCode::kUnsupported, std::string("tensor ") + weight.name + " has type " + (traits ? traits->name : "unknown") + ", which is not supported yet.");
  }

  void embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) override { conclave::embed(context_, out, table, tokens, scale); }
  void norm(const NormArgs& args) override { conclave::norm(context_, args); }
  void add(Tensor out, Tensor x, float scale) override { conclave::add(context_, out, x, scale); }
  void matmul(Tensor x, std::span<const MatmulOutput> outputs) override { conclave::matmul(context_, x, outputs); }
  void logits(Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) override {
    conclave::logits(context_, out, x, rows, head, bias, scale, softcap);
  }
  void top_logits(const TopLogitsArgs& args) override { conclave::top_logits(context_, args); }
  void qk_rope(const QkRopeArgs& args) override { conclave::qk_rope(context_, args); }
  void store_kv(const StoreKvArgs& args) override { conclave::store_kv(context_, args); }
  void attend(const AttendArgs& args) override { conclave::attend(context_, args); }
  void head_matmul(const HeadMatmulArgs& args) override { conclave::head_matmul(context_, args); }
  void split_heads(const SplitHeadsArgs& args) override { conclave::split_heads(context_, args); }
  void gate(Tensor x, Tensor gate) override { conclave::gate(context_, x, gate); }
  void delta_net(const DeltaNetArgs& args) override { conclave::delta_net(context_, args); }
  void route(const RouteArgs& args) override { conclave::route(context_, args); }
  void moe_ffn(const MoeFfnArgs& args) override { conclave::moe_ffn(context_, args); }
  void dense_ffn(const DenseFfnArgs& args) override { conclave::dense_ffn(context_, args); }

 private:
  CpuContext context_;
  const std::string name_;
};

}  // namespace

CpuContext::CpuContext(int n_threads, bool is_exact, const Kernels& level) : pool(n_threads), exact(is_exact), groups_experts(debug_switch_int("CONCLAVE_GROUP_EXPERTS", 0, 1) == 1), kernels(level) {
  for (int i = 0; i < pool.n_threads(); ++i) threads.push_back(std::make_unique<ThreadScratch>());
}

const Kernels* find_kernels(const char* level) {
  const CpuFeatures& features = cpu_features();
  if (std::strcmp(level, "avx512") == 0) return features.has_avx512_kernels() && features.avx512_vnni ? kernels_avx512() : nullptr;
  if (std::strcmp(level, "avx2") == 0) return features.has_avx2_kernels() ? kernels_avx2() : nullptr;
  return std::strcmp(level, "portable") == 0 ? &kernels_portable() : nullptr;
}

const Kernels& best_kernels() {
  for (const char* level : {"avx512", "avx2"})
    if (const Kernels* kernels = find_kernels(level)) return *kernels;
  return kernels_portable();
}

std::unique_ptr<Ops> make_cpu_ops_with(const OpsOptions& options, const Kernels& kernels) { return std::make_unique<CpuOps>(options, kernels); }
std::unique_ptr<Ops> make_cpu_ops(const OpsOptions& options) { return make_cpu_ops_with(options, best_kernels()); }

size_t kv_token_bytes(DType type, int n_kv_heads, int d_k, int d_v) {
  return (row_bytes(type, d_k) + row_bytes(type, d_v)) * static_cast<size_t>(n_kv_heads);
}

}  // namespace conclave
