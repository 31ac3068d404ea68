// What the CPU ops share: the thread team, the kernels of the chosen SIMD level, scratch memory that grows to the
// largest call and stays. One call at a time. Each op is a free function of this context in the file of its name.
#pragma once
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/threads.h"
#include "ops/cpu/kernels.h"
#include "ops/ops.h"

namespace conclave {

/// Memory that keeps its largest size so far; contents are lost when it grows.
class Scratch {
 public:
  template <class T>
  T* get(size_t n) {
    if (buffer_.bytes() < n * sizeof(T)) buffer_ = AlignedBuffer(n * sizeof(T) + n * sizeof(T) / 4);
    return buffer_.as<T>();
  }

 private:
  AlignedBuffer buffer_;
};

inline constexpr int kStripRows = 64;     // weight rows of one piece of work at most
inline constexpr int kTokenBlock = 128;   // activation rows of one piece of work at most

struct ThreadScratch {
  Panel panels[kStripRows / kPanelRows];
  std::byte tail[kPanelRows * 288];                      // rows of an incomplete panel: the widest chunk is 8 x 34 bytes
  alignas(64) float acc[2][kTokenBlock * kStripRows];
  alignas(64) float second_term[kTokenBlock * kStripRows];
  std::vector<float> row;                                // exact: a weight row; quantising in two terms: the rest
};

struct CpuContext {
  CpuContext(int n_threads, bool is_exact, const Kernels& level);

  ThreadPool pool;
  const bool exact;
  const bool groups_experts;   // CONCLAVE_GROUP_EXPERTS
  const Kernels& kernels;
  std::vector<std::unique_ptr<ThreadScratch>> threads;
  Scratch quantised, hidden, partial, carried, logits, rows;

  ThreadScratch& scratch(int thread) { return *threads[static_cast<size_t>(thread)]; }
  /// Whether products with this weight read QuantBlocks (else floats).
  bool reads_quantised(const Weight& weight) const;
};

/// Rows of activations in the forms that weights read; `f` always, `q` if some weight asked for it.
struct Activations {
  const float* f = nullptr;
  int64_t f_stride = 0;
  const QuantBlock* q = nullptr;   // [rows][n_terms][d / 32]
  int64_t q_stride = 0;
  int n_terms = 1;                 // x = the sum of so many quantised rows
};
/// n_terms 0: floats only.
Activations prepare_activations(CpuContext& context, Tensor x, int n_terms);

/// out[t][i] = x[rows[t]] . weight row (first + i), for n_rows <= kStripRows weight rows and n <= kTokenBlock activations.
struct Strip {
  const Weight* weight;
  int64_t expert, first;
  int n_rows;
  const Activations* x;
  const int32_t* rows;       // nullptr: first_row, first_row + 1, ...
  int64_t first_row;
  int n;
  float* out;                // [n][kStripRows]
  const std::byte* next = nullptr;   // what this thread is likely to read afterwards, if known: prefetched during the last rows
};
void multiply_strip(const CpuContext& context, const Strip& strip, ThreadScratch& scratch);

/// Values [first, first + n) of row `row` of a parameter of any type.
void load_parameter(const Weight& weight, int64_t row, int64_t first, int64_t n, float* out);

void embed(CpuContext&, Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale);
void norm(CpuContext&, const NormArgs& args);
void add(CpuContext&, Tensor out, Tensor x, float scale);
void matmul(CpuContext&, Tensor x, std::span<const MatmulOutput> outputs);
void logits(CpuContext&, Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap);
void top_logits(CpuContext&, const TopLogitsArgs& args);
void qk_rope(CpuContext&, const QkRopeArgs& args);
void store_kv(CpuContext&, const StoreKvArgs& args);
void attend(CpuContext&, const AttendArgs& args);
void head_matmul(CpuContext&, const HeadMatmulArgs& args);
void split_heads(CpuContext&, const SplitHeadsArgs& args);
void gate(CpuContext&, Tensor x, Tensor gate);
void delta_net(CpuContext&, const DeltaNetArgs& args);
void route(CpuContext&, const RouteArgs& args);
void moe_ffn(CpuContext&, const MoeFfnArgs& args);
void dense_ffn(CpuContext&, const DenseFfnArgs& args);

/// For tests: the ops on a given level.
std::unique_ptr<Ops> make_cpu_ops_with(const OpsOptions& options, const Kernels& kernels);

}  // namespace conclave
