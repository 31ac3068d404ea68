// Products with weight matrices: the layers' projections, the head, and those of each attention head. Quantised weights
// read activations in two int8 terms, but one for the head, as on the CPU (ops/cpu/matmul.cpp says why).
#include <cassert>

#include "ops/gpu/gpu_ops.h"
#include "ops/gpu/pick_config.h"

namespace conclave::gpu {
namespace {

constexpr int64_t kOutputs = 16, kRowsABlock = 16;           // of Product, dot.h
constexpr int64_t kTileOutputs = 128, kTileColumns = 64;     // of TileProduct, tile_step.h

struct ProductTarget {
  Tensor out;
  int64_t out_head = 0;
  const float* bias = nullptr;
  float scale = 1.f, softcap = 0.f;
  bool accumulate = false;
};

void launch_product(GpuContext& context, const Weight& weight, const Rows& x, const int32_t* rows, int64_t n, const ProductTarget& to) {
  if (pick_product(n, static_cast<double>(n), context.tile_rows).tiles) {
    const int64_t n_terms = is_plain(weight.type) ? 2 : x.n_terms;
    context.launch(KernelId::kTileProduct, weight.type, {blocks(n * n_terms, kTileColumns), blocks(weight.d_out, kTileOutputs), static_cast<int32_t>(weight.n_experts)},
                   TileProductArgs{matrix_of(weight), x, is_plain(weight.type) ? rows : nullptr, static_cast<int>(n), {}, nullptr, to.out.f32(), to.out.stride, to.out_head, to.bias, nullptr, to.scale,
                                   to.softcap, to.accumulate});
    return;
  }
  context.launch(KernelId::kProduct, weight.type, {blocks(weight.d_out, kOutputs), blocks(n, kRowsABlock), static_cast<int32_t>(weight.n_experts)},
                 ProductArgs{matrix_of(weight), x, rows, static_cast<int>(n), to.out.f32(), to.out.stride, to.out_head, to.bias, to.scale, to.softcap, to.accumulate});
}

}  // namespace

Rows prepare_rows(GpuContext& context, Tensor x, int d, int n_sets, int64_t set_stride, int n_terms, RowForms forms, const int32_t* rows, int64_t n) {
  Rows out{x.f32(), x.stride, set_stride, nullptr, nullptr, n_terms, n_sets};
  if (!forms.quantised || n == 0) return out;
  const size_t values = static_cast<size_t>(n * n_sets * n_terms) * static_cast<size_t>(d);
  int8_t* codes = context.codes.get<int8_t>(values);
  float* scales = context.scales.get<float>(values / 32);
  context.launch(KernelId::kQuantize, {blocks(d, 128), static_cast<int32_t>(n), n_sets}, QuantizeArgs{x.f32(), x.stride, set_stride, rows, codes, scales, d, n_terms, n_sets});
  out.codes = codes;
  out.scales = scales;
  return out;
}

void matmul(GpuContext& context, Tensor x, std::span<const MatmulOutput> outputs) {
  if (x.n_rows == 0) return;
  RowForms forms;
  for (const MatmulOutput& output : outputs) {
    assert(output.weight->d_in == x.d_row && output.weight->d_out == output.out.d_row && output.out.n_rows == x.n_rows);
    need(forms, *output.weight);
  }
  const Rows rows = prepare_rows(context, x, static_cast<int>(x.d_row), 1, 0, 2, forms, nullptr, x.n_rows);
  for (const MatmulOutput& output : outputs) {
    launch_product(context, *output.weight, rows, nullptr, x.n_rows, {.out = output.out, .bias = device_floats(output.bias), .scale = output.scale, .accumulate = output.accumulate});
  }
}

void logits(GpuContext& context, Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) {
  if (rows.empty()) return;
  const int32_t* chosen = context.staging.put(rows);
  const int64_t n = static_cast<int64_t>(rows.size());
  RowForms forms;
  need(forms, head);
  const Rows forms_of_x = prepare_rows(context, x, static_cast<int>(x.d_row), 1, 0, 1, forms, chosen, n);
  launch_product(context, head, forms_of_x, chosen, n, {.out = out, .bias = device_floats(bias), .scale = scale, .softcap = softcap});
}

void head_matmul(GpuContext& context, const HeadMatmulArgs& args) {
  const Weight& weight = *args.weight;
  const int64_t n = args.x.n_rows, n_heads = weight.n_experts, d_out = weight.d_out + args.n_tail;
  if (n == 0) return;
  const int n_sets = args.shared ? 1 : static_cast<int>(n_heads);
  const int64_t d_head = args.x.d_row / n_sets;
  assert(args.out.d_row == n_heads * d_out && d_head >= weight.d_in + args.n_tail);
  RowForms forms;
  need(forms, weight);
  const Rows x = prepare_rows(context, args.x, static_cast<int>(weight.d_in), n_sets, d_head, 2, forms, nullptr, n);
  launch_product(context, weight, x, nullptr, n, {.out = args.out, .out_head = d_out});
  if (args.n_tail == 0) return;
  context.launch(KernelId::kTails, {blocks(n_heads * args.n_tail, 256), static_cast<int32_t>(n), 1},
                 TailKernelArgs{args.x.f32(), args.out.f32(), args.x.stride, args.out.stride, args.shared ? 0 : d_head, d_out, static_cast<int>(weight.d_in),
                                static_cast<int>(weight.d_out), args.n_tail, static_cast<int>(n_heads)});
}

}  // namespace conclave::gpu
