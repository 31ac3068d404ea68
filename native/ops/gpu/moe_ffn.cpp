// Launches of the feed-forwards; see ffn.h.
#include <algorithm>
#include <cassert>
#include <string>

#include "base/error.h"
#include "ops/gpu/gpu_ops.h"

namespace conclave::gpu {
namespace {

constexpr int64_t kFewRows = 4, kFewColumns = 4, kManyColumns = 16;   // kTile, DownFew and DownMany, ffn.h
constexpr int64_t kMostExperts = 1024, kMostPairs = 1 << 20;          // SortPairs

Pairs pairs_for(GpuContext& context, int64_t n_pairs, int64_t n_experts) {
  int32_t* active = context.pair_active.get<int32_t>(static_cast<size_t>(n_experts + 1));
  return {context.pair_row.get<int32_t>(static_cast<size_t>(n_pairs)), context.pair_first.get<int32_t>(static_cast<size_t>(n_experts + 1)), active, active + n_experts,
          context.pair_weight.get<float>(static_cast<size_t>(n_pairs))};
}

struct FfnCall {
  Tensor out, x;
  const FfnWeights& ffn;
  Activation activation;
  bool accumulate;
  int64_t n_pairs, n_active;   // at most
};

void run_ffn(GpuContext& context, const FfnCall& call, const Pairs& pairs) {
  const FfnWeights& ffn = call.ffn;
  assert(ffn.gate->d_in == call.x.d_row && ffn.up->d_out == ffn.gate->d_out && ffn.down->d_in == ffn.gate->d_out && ffn.down->d_out == call.out.d_row);
  if (ffn.gate->type != ffn.up->type) {
    throw Error(ErrorCode::kUnsupported, std::string("tensors ") + ffn.gate->name + " and " + ffn.up->name + " have types " + dtype_traits(ffn.gate->type)->name + " and " +
                                             dtype_traits(ffn.up->type)->name + "; on a graphics card they must be of one type");
  }
  RowForms forms;
  need(forms, *ffn.gate);
  const Rows x = prepare_rows(context, call.x, static_cast<int>(call.x.d_row), 1, 0, 1, forms, nullptr, call.x.n_rows);
  const int64_t d_ff = ffn.gate->d_out;
  const size_t n_hidden = static_cast<size_t>(call.n_pairs * d_ff);
  GateUpArgs gate_up{matrix_of(*ffn.gate), matrix_of(*ffn.up), device_floats(ffn.gate_bias), device_floats(ffn.up_bias), x, pairs, static_cast<int>(call.activation), nullptr, nullptr, nullptr};
  if (is_plain(ffn.down->type)) {
    gate_up.hidden = context.hidden.get<float>(n_hidden);
  } else {
    gate_up.hidden_codes = context.hidden_codes.get<int8_t>(n_hidden);
    gate_up.hidden_scales = context.hidden_scales.get<float>(n_hidden / 32);
  }
  context.launch(KernelId::kGateUp, ffn.gate->type, {blocks(d_ff, 32), static_cast<int32_t>(call.n_active), 1}, gate_up);

  const Rows hidden{gate_up.hidden, d_ff, 0, gate_up.hidden_codes, gate_up.hidden_scales, 1, 1};
  const bool few = call.out.n_rows <= kFewRows;
  context.launch(few ? KernelId::kDownFew : KernelId::kDownMany, ffn.down->type, {blocks(call.out.d_row, few ? kFewColumns : kManyColumns), 1, 1},
                 DownArgs{matrix_of(*ffn.down), device_floats(ffn.down_bias), hidden, pairs, call.out.f32(), call.out.stride, static_cast<int>(call.out.n_rows), call.accumulate});
}

}  // namespace

void moe_ffn(GpuContext& context, const MoeFfnArgs& args) {
  const int64_t n = args.x.n_rows, k = args.experts.d_row, n_experts = args.ffn.gate->n_experts;
  if (n == 0) return;
  if (n_experts > kMostExperts || n * k >= kMostPairs) {
    throw Error(ErrorCode::kUnsupported, std::to_string(n_experts) + " experts and " + std::to_string(n * k) + " choices in one pass are more than the graphics card's " + std::to_string(kMostExperts) +
                                             " and " + std::to_string(kMostPairs) + "; use a shorter prefill chunk, or the CPU");
  }
  const Pairs pairs = pairs_for(context, n * k, n_experts);
  context.launch(KernelId::kSortPairs, Grid{}, SortPairsArgs{args.experts.i32(), args.weights.f32(), args.experts.stride, args.weights.stride, static_cast<int>(n), static_cast<int>(k),
                                                             static_cast<int>(n_experts), args.scale, pairs});
  run_ffn(context, {args.out, args.x, args.ffn, args.activation, args.accumulate, n * k, std::min(n_experts, n * k)}, pairs);
}

void dense_ffn(GpuContext& context, const DenseFfnArgs& args) {
  const int64_t n = args.x.n_rows;
  if (n == 0) return;
  const Pairs pairs = pairs_for(context, n, 1);
  context.launch(KernelId::kDensePairs, {static_cast<int32_t>(n), 1, 1},
                 DensePairsArgs{args.x.f32(), device_floats(args.output_gate), args.x.stride, static_cast<int>(n), static_cast<int>(args.x.d_row), args.scale, pairs});
  run_ffn(context, {args.out, args.x, args.ffn, args.activation, args.accumulate, n, 1}, pairs);
}

}  // namespace conclave::gpu
