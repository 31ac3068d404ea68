// Launches of the kernels on rows; see rows.h.
#include <cassert>

#include "ops/gpu/gpu_ops.h"

namespace conclave::gpu {
namespace {

constexpr int64_t kRowThreads = 256;

Grid over_rows(int64_t d, int64_t n) { return {blocks(d, kRowThreads), static_cast<int32_t>(n), 1}; }

}  // namespace

void embed(GpuContext& context, Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) {
  if (tokens.empty()) return;
  const int64_t pieces = is_plain(table.type) ? table.d_in : table.d_in / 32;
  context.launch(KernelId::kEmbed, table.type, over_rows(pieces, static_cast<int64_t>(tokens.size())),
                 EmbedKernelArgs{matrix_of(table), context.staging.put(tokens), out.f32(), out.stride, scale});
}

void norm(GpuContext& context, const NormArgs& args) {
  if (args.x.n_rows == 0) return;
  context.launch(KernelId::kNorm, {static_cast<int32_t>(args.x.n_rows), 1, 1},
                 NormKernelArgs{args.x.f32(), device_floats(args.weight), device_floats(args.bias), args.out.f32(), args.x.stride, args.out.stride,
                                static_cast<int>(args.x.d_row), args.eps, args.kind == NormKind::kLayer});
}

void add(GpuContext& context, Tensor out, Tensor x, float scale) {
  assert(out.n_rows == x.n_rows && out.d_row == x.d_row);
  if (x.n_rows == 0) return;
  context.launch(KernelId::kAdd, over_rows(x.d_row, x.n_rows), AddKernelArgs{out.f32(), x.f32(), out.stride, x.stride, static_cast<int>(x.d_row), scale});
}

void gate(GpuContext& context, Tensor x, Tensor gate) {
  assert(x.n_rows == gate.n_rows && x.d_row == gate.d_row);
  if (x.n_rows == 0) return;
  context.launch(KernelId::kGate, over_rows(x.d_row, x.n_rows), GateKernelArgs{x.f32(), gate.f32(), x.stride, gate.stride, static_cast<int>(x.d_row)});
}

void split_heads(GpuContext& context, const SplitHeadsArgs& args) {
  assert(args.x.d_row == 2 * args.first.d_row && args.second.d_row == args.first.d_row);
  if (args.x.n_rows == 0) return;
  context.launch(KernelId::kSplit, over_rows(args.first.d_row, args.x.n_rows),
                 SplitKernelArgs{args.x.f32(), args.first.f32(), args.second.f32(), args.x.stride, args.first.stride, args.second.stride,
                                 static_cast<int>(args.first.d_row), static_cast<int>(args.first.d_row / args.n_heads)});
}

}  // namespace conclave::gpu
