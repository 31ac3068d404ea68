// Products with weight matrices: the layers' projections, the head, and those of each attention head. Quantised weights
// read activations in two int8 terms, but one for the head, as on the CPU (ops/cpu/matmul.cpp says why).
#include <cassert>

#include "ops/gpu/gpu_ops.h"
#include "ops/gpu/pick_config.h"

namespace conclave::gpu {
namespace {

constexpr int64_t kOutputs = 8, kRowsABlock = 16;            // of Product, dot.h
constexpr int64_t kTileOutputs = 128, kTileColumns = 64;     // of TileProduct, tile_step.h
constexpr size_t kMostOutputs = 4;

/// What all outputs of a launch have in common.
struct Inputs {
  const Rows& x;
  const int32_t* rows;
  int64_t n;
  int64_t out_head = 0;
  float softcap = 0.f;
};

/// One launch for outputs of one format.
void launch_products(GpuContext& context, const Inputs& in, std::span<const MatmulOutput> outputs) {
  const Weight& first = *outputs.front().weight;
  const bool tiles = pick_product(in.n, static_cast<double>(in.n), context.tile_rows).tiles;
  ProductOutputs to{};
  ProductOutput* const all[kMostOutputs] = {&to.first, &to.second, &to.third, &to.fourth};
  int32_t n_blocks = 0;
  for (const MatmulOutput& output : outputs) {
    const int32_t own = blocks(output.weight->d_out, tiles ? kTileOutputs : kOutputs);
    *all[to.n++] = {matrix_of(*output.weight), output.out.f32(), output.out.stride, device_floats(output.bias), output.scale, output.accumulate, own};
    n_blocks += own;
  }
  const auto n_heads = static_cast<int32_t>(first.n_experts);
  if (tiles) {
    const int64_t n_terms = is_plain(first.type) ? 2 : in.x.n_terms;
    context.launch(KernelId::kTileProduct, first.type, {blocks(in.n * n_terms, kTileColumns), n_blocks, n_heads},
                   TileProductArgs{to, in.x, is_plain(first.type) ? in.rows : nullptr, static_cast<int>(in.n), {}, nullptr, nullptr, in.out_head, in.softcap});
  } else {
    context.launch(KernelId::kProduct, first.type, {n_blocks, blocks(in.n, kRowsABlock), n_heads}, ProductArgs{to, in.x, in.rows, static_cast<int>(in.n), in.out_head, in.softcap});
  }
}

/// How many of the outputs, from the first on, go into one launch: of one format, and none that adds to what another may write.
size_t n_together(std::span<const MatmulOutput> outputs) {
  size_t n = 1;
  while (n < outputs.size() && n < kMostOutputs && outputs[n].weight->type == outputs[0].weight->type && !outputs[n].accumulate && !outputs[0].accumulate) ++n;
  return n;
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
  for (size_t done = 0; done < outputs.size();) {
    const size_t n = n_together(outputs.subspan(done));
    launch_products(context, {rows, nullptr, x.n_rows}, outputs.subspan(done, n));
    done += n;
  }
}

void logits(GpuContext& context, Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) {
  if (rows.empty()) return;
  const int32_t* chosen = context.staging.put(rows);
  const int64_t n = static_cast<int64_t>(rows.size());
  RowForms forms;
  need(forms, head);
  const Rows forms_of_x = prepare_rows(context, x, static_cast<int>(x.d_row), 1, 0, 1, forms, chosen, n);
  const MatmulOutput output{out, &head, bias, scale, false};
  launch_products(context, {forms_of_x, chosen, n, 0, softcap}, {&output, 1});
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
  const MatmulOutput output{args.out, &weight, nullptr, 1.f, false};
  launch_products(context, {x, nullptr, n, d_out}, {&output, 1});
  if (args.n_tail == 0) return;
  context.launch(KernelId::kTails, {blocks(n_heads * args.n_tail, 256), static_cast<int32_t>(n), 1},
                 TailKernelArgs{args.x.f32(), args.out.f32(), args.x.stride, args.out.stride, args.shared ? 0 : d_head, d_out, static_cast<int>(weight.d_in),
                                static_cast<int>(weight.d_out), args.n_tail, static_cast<int>(n_heads)});
}

}  // namespace conclave::gpu
