// Products and rearrangements head by head, for latent and for gated attention.
#include <algorithm>
#include <cassert>
#include <cmath>

#include "ops/cpu/cpu_ops.h"

namespace conclave {
namespace {

constexpr int64_t kRowsAPiece = 16;

void parallel_rows(CpuContext& context, int64_t n, const auto& work) {
  context.pool.parallel_for((n + kRowsAPiece - 1) / kRowsAPiece, [&](int64_t piece, int) {
    for (int64_t row = piece * kRowsAPiece; row < n && row < (piece + 1) * kRowsAPiece; ++row) work(row);
  });
}

}  // namespace

void head_matmul(CpuContext& context, const HeadMatmulArgs& args) {
  const Weight& weight = *args.weight;
  const int64_t n = args.x.n_rows, n_heads = weight.n_experts, n_sets = args.shared ? 1 : n_heads;
  if (n == 0) return;
  const int64_t d_head = args.x.d_row / n_sets, d_out = weight.d_out + args.n_tail;
  assert(args.out.n_rows == n && args.out.d_row == n_heads * d_out && d_head >= weight.d_in + args.n_tail && (args.shared || args.x.stride == args.x.d_row));
  // Every head of every row is a row of its own.
  const Tensor heads{args.x.data, DType::kF32, n * n_sets, weight.d_in, args.shared ? args.x.stride : d_head};
  const Activations activations = prepare_activations(context, heads, context.reads_quantised(weight) ? 2 : 0);   // as attention's other products: matmul.cpp
  std::vector<int32_t> rows(static_cast<size_t>(n * n_sets));   // [set][n]
  for (int64_t set = 0; set < n_sets; ++set)
    for (int64_t row = 0; row < n; ++row) rows[static_cast<size_t>(set * n + row)] = static_cast<int32_t>(row * n_sets + set);

  const int64_t strips = (weight.d_out + kStripRows - 1) / kStripRows, blocks = (n + kTokenBlock - 1) / kTokenBlock;
  context.pool.parallel_for(n_heads * strips * blocks, [&](int64_t i, int thread) {
    const int64_t head = i / (strips * blocks), first = i / blocks % strips * kStripRows, token = i % blocks * kTokenBlock;
    ThreadScratch& scratch = context.scratch(thread);
    const int n_rows = static_cast<int>(std::min<int64_t>(kStripRows, weight.d_out - first)), count = static_cast<int>(std::min<int64_t>(kTokenBlock, n - token));
    const Strip strip{&weight, head, first, n_rows, &activations, rows.data() + (args.shared ? 0 : head * n) + token, 0, count, scratch.acc[0]};
    multiply_strip(context, strip, scratch);
    for (int t = 0; t < count; ++t) std::copy_n(strip.out + t * kStripRows, n_rows, args.out.f32(token + t) + head * d_out + first);
  });
  if (args.n_tail == 0) return;
  parallel_rows(context, n, [&](int64_t row) {
    for (int64_t head = 0; head < n_heads; ++head) {
      const float* from = args.x.f32(row) + (args.shared ? 0 : head * d_head) + weight.d_in;
      std::copy_n(from, args.n_tail, args.out.f32(row) + head * d_out + weight.d_out);
    }
  });
}

void split_heads(CpuContext& context, const SplitHeadsArgs& args) {
  const int64_t d = args.first.d_row / args.n_heads;
  assert(args.x.d_row == 2 * args.first.d_row && args.second.d_row == args.first.d_row);
  parallel_rows(context, args.x.n_rows, [&](int64_t row) {
    for (int64_t head = 0; head < args.n_heads; ++head) {
      const float* from = args.x.f32(row) + 2 * head * d;
      std::copy_n(from, d, args.first.f32(row) + head * d);
      std::copy_n(from + d, d, args.second.f32(row) + head * d);
    }
  });
}

void gate(CpuContext& context, Tensor x, Tensor gate) {
  assert(x.n_rows == gate.n_rows && x.d_row == gate.d_row);
  parallel_rows(context, x.n_rows, [&](int64_t row) {
    float* to = x.f32(row);
    const float* by = gate.f32(row);
    for (int64_t i = 0; i < x.d_row; ++i) to[i] /= 1.f + std::exp(-by[i]);
  });
}

}  // namespace conclave
