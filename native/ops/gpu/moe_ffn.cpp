// Launches of the feed-forwards; see ffn.h.
#include <algorithm>
#include <cassert>
#include <string>

#include "base/error.h"
#include "ops/gpu/gpu_ops.h"
#include "ops/gpu/pick_config.h"

namespace conclave::gpu {
namespace {

constexpr int64_t kFewRows = 4, kFewColumns = 2, kManyColumns = 8;   // kTile, DownFew and DownMany, ffn.h
constexpr int64_t kMostExperts = 1024, kMostPairs = 1 << 20;          // SortPairs
constexpr int64_t kTileOutputs = 128, kTileColumns = 64;              // tile_step.h
constexpr int64_t kMostSlots = 256;                                   // AddPairs, tile_ffn.h

Pairs pairs_for(GpuContext& context, int64_t n_pairs, int64_t n_experts, bool with_places) {
  int32_t* active = context.pair_active.get<int32_t>(static_cast<size_t>(n_experts + 1));
  return {context.pair_row.get<int32_t>(static_cast<size_t>(n_pairs)), context.pair_first.get<int32_t>(static_cast<size_t>(n_experts + 1)), active, active + n_experts,
          context.pair_weight.get<float>(static_cast<size_t>(n_pairs)), with_places ? context.pair_place.get<int32_t>(static_cast<size_t>(n_pairs)) : nullptr};
}

struct FfnCall {
  Tensor out, x;
  const FfnWeights& ffn;
  Activation activation;
  bool accumulate;
  int64_t n_pairs, n_active;   // at most
  int64_t n_slots;             // of each row; 0: pair r is row r's only one

  bool tiles(const GpuContext& context, const Weight& weight) const {
    return n_slots <= kMostSlots && pick_product(x.n_rows, static_cast<double>(n_pairs) / static_cast<double>(weight.n_experts), context.tile_rows).tiles;
  }
};

/// Lists the tiles of pairs for weights that take `n_terms` columns for each; and how many there are at most.
struct TileList { PairTiles tiles; int32_t most; };
TileList list_tiles(GpuContext& context, const FfnCall& call, const Pairs& pairs, int n_terms) {
  const int64_t width = kTileColumns / n_terms, most = call.n_pairs / width + call.n_active;   // each expert's last may be short
  int32_t* memory = context.pair_tiles.get<int32_t>(static_cast<size_t>(2 * most + 1));
  const PairTiles tiles{memory, memory + most, memory + 2 * most, static_cast<int>(width)};
  context.launch(KernelId::kListTiles, Grid{}, ListTilesArgs{pairs, tiles});
  return {tiles, static_cast<int32_t>(most)};
}

void run_down_tiles(GpuContext& context, const FfnCall& call, const Pairs& pairs, const Rows& hidden, const TileList& list) {
  const Weight& down = *call.ffn.down;
  const int64_t d = call.out.d_row;
  const int32_t n_blocks = blocks(d, kTileOutputs);
  TileProductArgs product{{}, hidden, nullptr, static_cast<int>(call.n_pairs), list.tiles, pairs.first, pairs.weight, 0, 0.f};
  product.outputs.n = 1;
  ProductOutput& to = product.outputs.first;
  to = {matrix_of(down), call.out.f32(), call.out.stride, device_floats(call.ffn.down_bias), 1.f, call.accumulate, n_blocks};
  if (call.n_slots > 0) {
    to.out = context.pair_values.get<float>(static_cast<size_t>(call.n_pairs * d));
    to.stride = d;
    to.accumulate = false;
    product.row_weight = nullptr;
  }
  context.launch(KernelId::kTileProduct, down.type, {list.most, n_blocks, 1}, product);
  if (call.n_slots == 0) return;
  context.launch(KernelId::kAddPairs, {blocks(d, 256), static_cast<int32_t>(call.out.n_rows), 1},
                 AddPairsArgs{to.out, pairs, call.out.f32(), call.out.stride, static_cast<int>(d), static_cast<int>(call.n_slots), call.accumulate});
}

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
  GateUpArgs gate_up{matrix_of(*ffn.gate), matrix_of(*ffn.up), device_floats(ffn.gate_bias), device_floats(ffn.up_bias), x, pairs, {}, static_cast<int>(call.activation), nullptr, nullptr, nullptr};
  if (is_plain(ffn.down->type)) {
    gate_up.hidden = context.hidden.get<float>(n_hidden);
  } else {
    gate_up.hidden_codes = context.hidden_codes.get<int8_t>(n_hidden);
    gate_up.hidden_scales = context.hidden_scales.get<float>(n_hidden / 32);
  }
  const auto terms_of = [](const Weight& weight) { return is_plain(weight.type) ? 2 : 1; };
  TileList list{};
  if (call.tiles(context, *ffn.gate)) {
    list = list_tiles(context, call, pairs, terms_of(*ffn.gate));
    gate_up.tiles = list.tiles;
    context.launch(KernelId::kTileGateUp, ffn.gate->type, {list.most, blocks(d_ff, kTileOutputs / 2), 1}, gate_up);
  } else {
    context.launch(KernelId::kGateUp, ffn.gate->type, {blocks(d_ff, 32), static_cast<int32_t>(call.n_active), 1}, gate_up);
  }

  const Rows hidden{gate_up.hidden, d_ff, 0, gate_up.hidden_codes, gate_up.hidden_scales, 1, 1};
  if (call.tiles(context, *ffn.down)) {
    if (list.most == 0 || terms_of(*ffn.down) != terms_of(*ffn.gate)) list = list_tiles(context, call, pairs, terms_of(*ffn.down));
    run_down_tiles(context, call, pairs, hidden, list);
    return;
  }
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
  const FfnCall call{args.out, args.x, args.ffn, args.activation, args.accumulate, n * k, std::min(n_experts, n * k), k};
  const Pairs pairs = pairs_for(context, n * k, n_experts, call.tiles(context, *args.ffn.down));
  context.launch(KernelId::kSortPairs, Grid{}, SortPairsArgs{args.experts.i32(), args.weights.f32(), args.experts.stride, args.weights.stride, static_cast<int>(n), static_cast<int>(k),
                                                             static_cast<int>(n_experts), args.scale, pairs});
  run_ffn(context, call, pairs);
}

void dense_ffn(GpuContext& context, const DenseFfnArgs& args) {
  const int64_t n = args.x.n_rows;
  if (n == 0) return;
  const Pairs pairs = pairs_for(context, n, 1, false);
  context.launch(KernelId::kDensePairs, {static_cast<int32_t>(n), 1, 1},
                 DensePairsArgs{args.x.f32(), device_floats(args.output_gate), args.x.stride, static_cast<int>(n), static_cast<int>(args.x.d_row), args.scale, pairs});
  run_ffn(context, {args.out, args.x, args.ffn, args.activation, args.accumulate, n, 1, 0}, pairs);
}

}  // namespace conclave::gpu
