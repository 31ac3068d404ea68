// Keys and values into their pages, and attention over them: which kernels attend, and for the plain one which rows meet which
// keys together, and whether one block or many meet a sequence's runs; see kv.h and attend.h. Tiles: attend_tiles.cpp.
#include <algorithm>
#include <bit>
#include <cassert>
#include <string>

#include "base/error.h"
#include "ops/gpu/attend_launch.h"

namespace conclave::gpu {
namespace {

constexpr int kQueries = 8, kRunKeys = 256, kMostKey = 576, kMostValue = 512;   // attend.h

/// The page tables of all sequences one after the other, and where each begins.
struct PageTable {
  std::vector<int32_t> pages, first;
  explicit PageTable(std::span<const SequencePages> sequences) {
    for (const SequencePages& sequence : sequences) {
      first.push_back(static_cast<int32_t>(pages.size()));
      pages.insert(pages.end(), sequence.pages.begin(), sequence.pages.end());
    }
  }
};

std::vector<RowTile> tile_rows(const AttendArgs& args, const PageTable& table, int rows_a_tile) {
  std::vector<RowTile> tiles;
  const int32_t n = static_cast<int32_t>(args.q.n_rows);
  for (int32_t row = 0; row < n;) {
    const int32_t sequence = args.row_sequence[static_cast<size_t>(row)];
    int32_t count = 1;
    while (count < rows_a_tile && row + count < n && args.row_sequence[static_cast<size_t>(row + count)] == sequence) ++count;
    tiles.push_back({row, count, table.first[static_cast<size_t>(sequence)]});
    row += count;
  }
  return tiles;
}

/// The most runs of keys that the rows of one tile look into, from the first to the last.
int most_runs(const AttendArgs& args, std::span<const RowTile> tiles) {
  int most = 1;
  for (const RowTile& tile : tiles) {
    int first = INT32_MAX, last = 0;
    for (const int32_t position : args.row_position.subspan(static_cast<size_t>(tile.row), static_cast<size_t>(tile.n_rows))) {
      first = std::min(first, args.window > 0 ? std::max(0, position - args.window + 1) : 0);
      last = std::max(last, position);
    }
    most = std::max(most, last / kRunKeys + 1 - first / kRunKeys);
  }
  return most;
}

/// All rows by the plain kernel.
void attend_plain(GpuContext& context, const AttendArgs& args) {
  const int64_t n = args.q.n_rows;
  const KvLayer& layer = args.layer;
  if (layer.d_k > kMostKey || layer.d_v > kMostValue) {
    throw Error(ErrorCode::kUnsupported, "keys of " + std::to_string(layer.d_k) + " and values of " + std::to_string(layer.d_v) + " numbers are wider than the graphics card's " + std::to_string(kMostKey) + " and " + std::to_string(kMostValue));
  }
  const int shared = args.n_heads / layer.n_kv_heads, heads_a_tile = std::min(shared, kQueries);
  const PageTable table(args.sequences);
  const std::vector<RowTile> tiles = tile_rows(args, table, std::max(1, kQueries / shared));
  const int runs = most_runs(args, tiles);
  Grid grid{1, layer.n_kv_heads * blocks(shared, heads_a_tile), static_cast<int32_t>(tiles.size())};
  AttendKernelArgs kernel{pages_of(layer), args.q.f32(), args.out.f32(), args.q.stride, args.out.stride, args.n_heads, heads_a_tile, args.window, args.scale, args.softcap,
                          device_floats(args.sinks), context.staging.put(std::span<const RowTile>(tiles)), context.staging.put(args.row_position),
                          context.staging.put(std::span<const int32_t>(table.pages)), 1, nullptr, nullptr};
  // Few blocks cannot keep the device at its memory: each run becomes a block of its own, and another kernel joins them.
  // Powers of two: a context that grows would else give the device another list at every 256 tokens. Parts without a run end at once.
  const bool split = runs > 1 && int64_t{grid.y} * grid.z < 2 * context.device->n_processors();
  if (split) {
    grid.x = kernel.n_parts = static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(runs)));
    const size_t states = static_cast<size_t>(n) * static_cast<size_t>(args.n_heads) * static_cast<size_t>(kernel.n_parts);
    kernel.partial = context.partial.get<float>(states * static_cast<size_t>(layer.d_v));
    kernel.state = context.state.get<float>(2 * states);
  }
  context.launch(KernelId::kAttend, layer.type, grid, kernel);
  if (!split) return;
  context.launch(KernelId::kMergeRuns, {args.n_heads, static_cast<int32_t>(n), 1},
                 MergeKernelArgs{args.out.f32(), args.out.stride, kernel.partial, kernel.state, kernel.sinks, args.n_heads, layer.d_v, kernel.n_parts});
}

}  // namespace

Pages pages_of(const KvLayer& layer) {
  return {static_cast<uint8_t*>(layer.k), static_cast<uint8_t*>(layer.v), layer.n_kv_heads, layer.d_k, layer.d_v,
          static_cast<int64_t>(row_bytes(layer.type, layer.d_k)) * kPageTokens, static_cast<int64_t>(row_bytes(layer.type, layer.d_v)) * kPageTokens};
}

void store_kv(GpuContext& context, const StoreKvArgs& args) {
  if (args.slots.empty()) return;
  assert(args.k.n_rows == static_cast<int64_t>(args.slots.size()) && args.v.n_rows == args.k.n_rows);
  context.launch(KernelId::kStoreKv, args.layer.type, {args.layer.n_kv_heads, static_cast<int32_t>(args.slots.size()), 1},
                 StoreKernelArgs{pages_of(args.layer), args.k.f32(), args.v.f32(), args.k.stride, args.v.stride, context.staging.put(args.slots)});
}

void attend(GpuContext& context, const AttendArgs& args) {
  const int64_t n = args.q.n_rows;
  assert(args.n_heads % args.layer.n_kv_heads == 0);
  const AttentionConfig config = pick_attention(args.layer.type, args.layer.d_k, args.layer.d_v, context.attends_in_tiles);
  std::vector<RowSpan> few, prompts, plain;
  for (int64_t row = 0, end = 0; row < n; row = end) {
    const int32_t sequence = args.row_sequence[static_cast<size_t>(row)];
    while (end < n && args.row_sequence[static_cast<size_t>(end)] == sequence) ++end;
    const bool is_prompt = end - row > kMostFewRows;
    if (is_prompt ? config.prompt != PromptTiles::kNone : config.few) {
      (is_prompt ? prompts : few).push_back({row, end});
    } else if (!plain.empty() && plain.back().end == row) {
      plain.back().end = end;
    } else {
      plain.push_back({row, end});
    }
  }
  if (!prompts.empty()) attend_prompts(context, args, config, prompts);
  if (!few.empty()) attend_few(context, args, config, few);
  for (const RowSpan& span : plain) {
    AttendArgs part = args;
    part.out = args.out.rows(span.first, span.end - span.first);
    part.q = args.q.rows(span.first, span.end - span.first);
    part.row_sequence = args.row_sequence.subspan(static_cast<size_t>(span.first), static_cast<size_t>(span.end - span.first));
    part.row_position = args.row_position.subspan(static_cast<size_t>(span.first), static_cast<size_t>(span.end - span.first));
    attend_plain(context, part);
  }
}

}  // namespace conclave::gpu
