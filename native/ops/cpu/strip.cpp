// The one product that matmul, logits, route and the feed-forwards are made of: a strip of weight rows times some
// activation rows. Quantised weights go through panels, plain ones through float dot products; the exact path
// dequantises each row and sums in double. All three give a row the same bits whatever rows are beside it.
#include <cassert>
#include <cstring>

#include "ops/cpu/cpu_ops.h"

namespace conclave {
namespace {

const PanelFormat* panel_format(const Kernels& kernels, DType type) {
  for (int i = 0; i < kPanelFormats; ++i)
    if (kernels.panel_formats[i].type == type) return &kernels.panel_formats[i];
  return nullptr;
}

/// The activation rows of a strip as pointers.
template <class T>
void row_pointers(const Strip& strip, const T* base, int64_t stride, const T** out) {
  for (int t = 0; t < strip.n; ++t) out[t] = base + (strip.rows ? strip.rows[t] : strip.first_row + t) * stride;
}

/// Sixteen rows of a chunk, and where to prefetch meanwhile.
struct Source {
  const std::byte* p;
  size_t stride;
  const std::byte* ahead;
};

struct PanelWalk {
  const PanelFormat& format;
  const std::byte* base;      // first row of the strip
  size_t stride;
  int64_t n_blocks;           // of 32, in a row
  const std::byte* next;      // see Strip

  size_t chunk_offset(int64_t chunk) const { return static_cast<size_t>(chunk * kChunk / format.block_elements) * format.block_bytes; }
  int blocks_in(int64_t chunk) const { return static_cast<int>(n_blocks - chunk * kChunkBlocks < kChunkBlocks ? n_blocks - chunk * kChunkBlocks : kChunkBlocks); }

  /// Rows from `first`; those beyond `n_rows` of an incomplete panel repeat the last one, and their products are dropped.
  /// Ahead lies the share of memory of the sixteen rows that come next: hardware follows one stream, not sixteen.
  Source source(int first, int n_rows, int64_t chunk, ThreadScratch& scratch) const {
    const std::byte* p = base + static_cast<size_t>(first) * stride + chunk_offset(chunk);
    if (n_rows > kPanelRows) return {p, stride, base + static_cast<size_t>(first + kPanelRows) * stride + kPanelRows * chunk_offset(chunk)};
    if (n_rows == kPanelRows) return {p, stride, next ? next + kPanelRows * chunk_offset(chunk) : p};
    const size_t bytes = static_cast<size_t>(blocks_in(chunk) * kBlock / format.block_elements) * format.block_bytes;
    constexpr size_t kTailStride = sizeof(scratch.tail) / kPanelRows;
    assert(bytes <= kTailStride);
    for (int row = 0; row < kPanelRows; ++row) std::memcpy(scratch.tail + static_cast<size_t>(row) * kTailStride, p + static_cast<size_t>(row < n_rows ? row : n_rows - 1) * stride, bytes);
    return {scratch.tail, kTailStride, scratch.tail};
  }

  void decode(int first, int n_rows, int64_t chunk, ThreadScratch& scratch, Panel& panel) const {
    const Source from = source(first, n_rows, chunk, scratch);
    format.decode(from.p, from.stride, blocks_in(chunk), panel, from.ahead);
  }
};

/// The terms of an activation row have sums of their own, joined at the end, so that every way to walk gives the same bits.
void multiply_panels(const CpuContext& context, const Strip& strip, const PanelFormat& format, ThreadScratch& scratch) {
  const Weight& weight = *strip.weight;
  const PanelWalk walk{format, weight.row(strip.first, strip.expert), weight.row_bytes(), weight.d_in / kBlock, strip.next};
  const int64_t n_chunks = (walk.n_blocks + kChunkBlocks - 1) / kChunkBlocks;
  const auto& multiply = context.kernels.multiply[static_cast<int>(format.kind)];
  const int max_tile = context.kernels.max_tile, n_terms = strip.x->n_terms;
  const QuantBlock* x[kTokenBlock];
  row_pointers(strip, strip.x->q, strip.x->q_stride, x);
  float* const acc[2] = {strip.out, scratch.second_term};
  for (int term = 0; term < n_terms; ++term) std::memset(acc[term], 0, static_cast<size_t>(strip.n * kStripRows) * sizeof(float));

  const auto multiply_tile = [&](const Panel& panel, int first, int64_t chunk, int t) {
    const int n = strip.n - t < max_tile ? strip.n - t : max_tile;
    const QuantBlock* at[kMaxTile];
    for (int term = 0; term < n_terms; ++term) {
      for (int i = 0; i < n; ++i) at[i] = x[t + i] + term * walk.n_blocks + chunk * kChunkBlocks;
      multiply[n - 1](panel, walk.blocks_in(chunk), format.offset_shift, at, acc[term] + t * kStripRows + first, kStripRows);
    }
  };

  if (strip.n * n_terms <= 2 && format.dot[0]) {   // bound by memory: decoded codes are multiplied where they are
    for (int first = 0; first < strip.n_rows; first += kPanelRows)
      for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
        const QuantBlock* const at[2] = {x[0] + chunk * kChunkBlocks, (n_terms == 2 ? x[0] + walk.n_blocks : x[strip.n - 1]) + chunk * kChunkBlocks};
        float* const to[2] = {acc[0] + first, n_terms == 2 ? acc[1] + first : acc[0] + kStripRows + first};
        const Source from = walk.source(first, strip.n_rows - first, chunk, scratch);
        format.dot[strip.n * n_terms - 1](from.p, from.stride, walk.blocks_in(chunk), at, to, from.ahead);
      }
  } else if (strip.n <= max_tile) {   // a panel, then on
    for (int first = 0; first < strip.n_rows; first += kPanelRows)
      for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
        walk.decode(first, strip.n_rows - first, chunk, scratch, scratch.panels[0]);
        multiply_tile(scratch.panels[0], first, chunk, 0);
      }
  } else {   // bound by arithmetic: all rows' panels of a chunk are decoded into the nearest cache, then meet every tile
    for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
      for (int first = 0; first < strip.n_rows; first += kPanelRows) walk.decode(first, strip.n_rows - first, chunk, scratch, scratch.panels[first / kPanelRows]);
      for (int t = 0; t < strip.n; t += max_tile)
        for (int first = 0; first < strip.n_rows; first += kPanelRows) multiply_tile(scratch.panels[first / kPanelRows], first, chunk, t);
    }
  }
  if (n_terms == 2)
    for (int i = 0; i < strip.n * kStripRows; ++i) acc[0][i] += acc[1][i];
}

void multiply_floats(const CpuContext& context, const Strip& strip) {
  const Weight& weight = *strip.weight;
  const auto dot = weight.type == DType::kF32 ? context.kernels.dot_f32 : weight.type == DType::kF16 ? context.kernels.dot_f16 : context.kernels.dot_bf16;
  const float* x[kTokenBlock];
  row_pointers(strip, strip.x->f, strip.x->f_stride, x);
  for (int row = 0; row < strip.n_rows;) {
    const int n_rows = strip.n_rows - row >= 4 ? 4 : 1;   // a lone row is read four times over
    for (int t = 0; t < strip.n; t += 4) {
      const int n = strip.n - t < 4 ? strip.n - t : 4;
      float values[16];
      dot({weight.row(strip.first + row, strip.expert), n_rows == 4 ? weight.row_bytes() : 0, weight.d_in, x + t, n, values, 4});
      for (int i = 0; i < n; ++i) std::memcpy(strip.out + (t + i) * kStripRows + row, values + 4 * i, static_cast<size_t>(n_rows) * sizeof(float));
    }
    row += n_rows;
  }
}

double dot_exact(const float* a, const float* b, int64_t n) {
  double sums[4] = {0, 0, 0, 0};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int j = 0; j < 4; ++j) sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
  for (; i < n; ++i) sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void multiply_exact(const Strip& strip, ThreadScratch& scratch) {
  const Weight& weight = *strip.weight;
  const float* x[kTokenBlock];
  row_pointers(strip, strip.x->f, strip.x->f_stride, x);
  scratch.row.resize(static_cast<size_t>(weight.d_in));
  for (int row = 0; row < strip.n_rows; ++row) {
    dequantize_row(weight.type, weight.row(strip.first + row, strip.expert), scratch.row.data(), weight.d_in);
    for (int t = 0; t < strip.n; ++t) strip.out[t * kStripRows + row] = static_cast<float>(dot_exact(scratch.row.data(), x[t], weight.d_in));
  }
}

}  // namespace

bool CpuContext::reads_quantised(const Weight& weight) const { return !exact && panel_format(kernels, weight.type) != nullptr; }

Activations prepare_activations(CpuContext& context, Tensor x, int n_terms) {
  Activations out{x.f32(), x.stride, nullptr, 0, n_terms};
  if (n_terms == 0 || x.n_rows == 0) return out;
  assert(x.d_row % kBlock == 0);
  const int64_t n_blocks = x.d_row / kBlock;
  out.q_stride = n_blocks * n_terms;
  QuantBlock* q = context.quantised.get<QuantBlock>(static_cast<size_t>(x.n_rows * out.q_stride));
  out.q = q;
  constexpr int64_t kRowsAPiece = 8;
  context.pool.parallel_for((x.n_rows + kRowsAPiece - 1) / kRowsAPiece, [&](int64_t piece, int thread) {
    std::vector<float>& rest = context.scratch(thread).row;
    if (n_terms == 2) rest.resize(static_cast<size_t>(x.d_row));
    for (int64_t row = piece * kRowsAPiece; row < x.n_rows && row < (piece + 1) * kRowsAPiece; ++row) {
      QuantBlock* to = q + row * out.q_stride;
      context.kernels.quantize(x.f32(row), to, n_blocks, n_terms == 2 ? rest.data() : nullptr);
      if (n_terms == 2) context.kernels.quantize(rest.data(), to + n_blocks, n_blocks, nullptr);
    }
  });
  return out;
}

void multiply_strip(const CpuContext& context, const Strip& strip, ThreadScratch& scratch) {
  assert(strip.n <= kTokenBlock && strip.n_rows <= kStripRows && strip.first + strip.n_rows <= strip.weight->d_out);
  if (strip.n == 0) return;
  if (context.exact) return multiply_exact(strip, scratch);
  if (const PanelFormat* format = panel_format(context.kernels, strip.weight->type)) return multiply_panels(context, strip, *format, scratch);
  multiply_floats(context, strip);
}

void load_parameter(const Weight& weight, int64_t row, int64_t first, int64_t n, float* out) {
  const std::byte* p = weight.data + weight.row_bytes() * static_cast<size_t>(row);
  if (weight.type == DType::kF32) {
    std::memcpy(out, p + first * 4, static_cast<size_t>(n) * 4);
    return;
  }
  std::vector<float> whole(static_cast<size_t>(weight.d_in));
  dequantize_row(weight.type, p, whole.data(), weight.d_in);
  std::memcpy(out, whole.data() + first, static_cast<size_t>(n) * 4);
}

}  // namespace conclave
