// The kernels of one SIMD level as a table of functions, and the two layouts they share. Every level computes the same
// thing: a weight of any block format is decoded, sixteen rows and up to 256 columns at a time, to a Panel of unsigned
// byte codes with float scales; activations are quantised to QuantBlocks; the product of the two accumulates exactly in
// int32 within a block and in float from block to block, in order. So a row's result does not depend on how many
// rows are multiplied with it, which speculative verification relies on.
#pragma once
#include <cstddef>
#include <cstdint>

#include "formats/block_types.h"
#include "model/spec.h"

namespace conclave {

inline constexpr int kPanelRows = 16;     // weight rows of a panel: the lanes of a 512-bit register
inline constexpr int kBlock = 32;         // values under one activation scale
inline constexpr int kChunkBlocks = 8;    // blocks of a panel at most: one 256-value K-quant block
inline constexpr int kChunk = kBlock * kChunkBlocks;
inline constexpr int kMaxTile = 8;        // activation rows of one multiply, or queries of one attend call, at most

/// 32 activations as int8 times `scale`, one cache line. The sums serve formats whose codes carry an offset or a minimum.
struct alignas(64) QuantBlock {
  int8_t q[kBlock];
  float scale;
  float sum;                  // of q
  int32_t minus_sum;          // of q
  int32_t minus_sum16[2];     // of each half of q
};

/// Sixteen weight rows of up to 256 columns: weight = scale * (code - offset) + min.
struct alignas(64) Panel {
  uint32_t codes[kChunkBlocks][kBlock / 4][kPanelRows];   // four consecutive unsigned bytes of a row per element
  float scale[2 * kChunkBlocks][kPanelRows];              // per sub-block of 32 or 16 columns
  float min[2 * kChunkBlocks][kPanelRows];
};

/// How a panel of a format is to be multiplied; one row of the table per quantised format.
enum class PanelKind : uint8_t { kOffset32, kMin32, kOffset16, kMin16 };   // what is beside the scale, columns per scale
inline constexpr int kPanelKinds = 4;
struct PanelFormat {
  DType type;
  PanelKind kind;
  uint8_t offset_shift;       // kOffset*: the offset is 1 << offset_shift
  uint16_t block_elements, block_bytes;
  /// Decodes `n_blocks` blocks of 32 columns from `p`, rows `stride` bytes apart; prefetches as many bytes from `ahead`.
  void (*decode)(const std::byte* p, size_t stride, int n_blocks, Panel& panel, const std::byte* ahead);
  /// Decodes and multiplies at once for one ([0]) or two activation rows: acc[t][0..15] += rows . x[t]. nullptr: use panels.
  void (*dot[2])(const std::byte* p, size_t stride, int n_blocks, const QuantBlock* const* x, float* const* acc, const std::byte* ahead);
};

struct FloatTile {
  const std::byte* weights;   // [4][d_in], rows `stride` bytes apart
  size_t stride;
  int64_t d_in;
  const float* const* x;      // n_x rows of d_in
  int n_x;                    // at most 4
  float* out;                 // [n_x][out_stride]: four values each
  ptrdiff_t out_stride;
};

/// Queries that share a key/value head, against a run of consecutive pages, or the rest of one. Softmax is relative to `max`; the
/// caller merges runs.
struct AttendTile {
  int n_queries;                   // at most Kernels::max_tile; entries beyond it repeat a query with first = last, and have room in max, sum and acc
  const float* q[kMaxTile];        // [d_k]
  int first[kMaxTile];             // keys [first, last) of the run that the query sees
  int last[kMaxTile];
  int n_pages;
  const std::byte* const* k;       // [n_pages] the head's keys; see kv_page.h
  const std::byte* const* v;
  DType type;
  int d_k, d_v;
  float scale, softcap;
  bool resume;                     // max, sum and acc hold what the run's earlier pages gave
  float* max;                      // out [n_queries]; lowest where no key is seen
  float* sum;                      // out [n_queries]: of exp(score - max)
  float* acc;                      // out [n_queries][acc_stride]: sum of exp(score - max) * value
  ptrdiff_t acc_stride;
};

/// Keys and values of kFixedKeys consecutive positions in fixed point of 16 bits: value = code * scale. Room is the caller's.
inline constexpr int kFixedKeys = 64;
inline constexpr float kMostLength = 32700.f;                       // of a query or key; its square, and rounding, stay below 2^31
inline constexpr float kMostValue = 4095.f, kMostWeight = 8191.f;   // kFixedKeys * kMostValue * kMostWeight < 2^31
struct FixedRun {
  uint32_t* k;                          // [d_k / 2][kFixedKeys] two dimensions
  uint32_t* v;                          // [kFixedKeys / 2][v_stride] two tokens
  int v_stride;                         // d_v up to a multiple of 16
  alignas(64) float k_scale[kFixedKeys];
  alignas(64) float v_weight[kFixedKeys];   // the value's scale relative to the largest of the run, times kMostWeight
  float v_unit;                         // what a product of weight and code stands for
};

struct FixedSource {
  const std::byte* const* k;            // the pages of the run; see kv_page.h
  const std::byte* const* v;
  DType type;
  int d_k, d_v;
  int first, last;                      // tokens that hold something
};

/// Queries (max_tile of them, padded with such as see nothing) that go on with one more run; `max` in units of log 2.
struct FixedTile {
  const FixedRun* run;
  const uint32_t* q[kMaxTile];          // [d_k / 2]
  float factor[kMaxTile];               // of scores: the query's scale, attention's, and log2 e
  int first[kMaxTile];                  // keys [first, last) of the run that the query sees
  int last[kMaxTile];
  int d_k;
  float softcap;
  float* max;                           // in and out [max_tile]
  float* sum;
  float* acc;                           // in and out [max_tile][acc_stride]
  ptrdiff_t acc_stride;
};

/// One token of one head of Gated DeltaNet.
struct DeltaStep {
  float* memory;               // [d_k][d_v]
  const float *q, *k, *v;      // [d_k], [d_k], [d_v]
  float decay, rate;
  int d_k, d_v;
  float* out;                  // [d_v]
};
/// The plain twin, for columns [first, d_v).
void delta_step_plain(const DeltaStep& step, int first);

struct Kernels {
  const char* name;
  int max_tile;               // activation rows or queries that the registers hold
  /// `rest`, if not null, takes what the codes leave out: x - scale * q.
  void (*quantize)(const float* x, QuantBlock* out, int64_t n_blocks, float* rest);
  const PanelFormat* panel_formats;   // kPanelFormats rows
  /// acc[t][0..15] += panel . x[t] for t < n <= max_tile; rows of acc `acc_stride` floats apart.
  using Multiply = void (*)(const Panel& panel, int n_blocks, int offset_shift, const QuantBlock* const* x, float* acc, ptrdiff_t acc_stride);
  Multiply multiply[kPanelKinds][kMaxTile];   // by n - 1; nullptr beyond max_tile
  void (*dot_f32)(const FloatTile& tile);
  void (*dot_f16)(const FloatTile& tile);
  void (*dot_bf16)(const FloatTile& tile);
  double (*sum_of_squares)(const float* x, int64_t n);
  /// out = act(gate) * up.
  void (*gate)(Activation activation, const float* gate, const float* up, float* out, int64_t n);
  using Attend = void (*)(const AttendTile& tile);
  Attend attend[kMaxTile];             // by n_queries - 1; nullptr beyond max_tile
  void (*fix_run)(const FixedSource& source, FixedRun& run);
  void (*attend_fixed)(const FixedTile& tile);
  /// x[i] = exp(x[i] - max) in place; returns the sum.
  float (*exponentials)(float* x, int64_t n, float max);
  void (*delta_step)(const DeltaStep& step);
};

inline constexpr int kPanelFormats = 13;

const Kernels& kernels_portable();
const Kernels* kernels_avx2();      // nullptr: not built in
const Kernels* kernels_avx512();

/// The widest level that the processor has; `level` "portable", "avx2" or "avx512" asks for one (nullptr if it cannot run here).
const Kernels& best_kernels();
const Kernels* find_kernels(const char* level);

}  // namespace conclave
