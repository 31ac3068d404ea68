// Which queries meet which keys in one tile (attend_tiles.h), and what is launched in which order: shared runs by their depth,
// then each sequence's own keys; or, where that would leave processors idle, every run of keys as a tile of its own and a
// kernel that joins them. The bits are the same.
#include <algorithm>
#include <bit>

#include "ops/gpu/attend_launch.h"

namespace conclave::gpu {
namespace {

constexpr int32_t kRunKeys = 256;   // attend.h
constexpr int32_t kRunPages = kRunKeys / kPageTokens;

/// Tiles and the arrays that they point into.
class TileList {
 public:
  TileList(const AttendArgs& args, int queries_a_tile, bool each_run) : args_(args), queries_a_tile_(queries_a_tile), each_run_(each_run) {}

  /// `rows`, whose tables agree on them, against keys [first, last) as far as they see some.
  void add(std::span<const int32_t> rows, int32_t first, int32_t last, bool goes_on) {
    const auto rows_at = static_cast<int32_t>(rows_.size());
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    int32_t end = 0;
    for (const int32_t row : rows) end = std::max(end, args_.row_position[static_cast<size_t>(row)] + 1);
    const int32_t first_page = first / kPageTokens, last_page = (std::min(last, end) + kPageTokens - 1) / kPageTokens, table_at = static_cast<int32_t>(pages_.size()) - first_page;
    const auto pages = args_.sequences[static_cast<size_t>(args_.row_sequence[static_cast<size_t>(rows[0])])].pages;
    pages_.insert(pages_.end(), pages.begin() + first_page, pages.begin() + last_page);
    const int32_t heads = args_.n_heads / args_.layer.n_kv_heads, n_queries = static_cast<int32_t>(rows.size()) * heads;
    for (int32_t query = 0; query < n_queries; query += queries_a_tile_) {
      QueryTile tile{rows_at, query, std::min(queries_a_tile_, n_queries - query), table_at, last, 0, goes_on};
      for (int32_t i = query / heads; i <= (query + tile.n_queries - 1) / heads; ++i) {
        const int32_t position = args_.row_position[static_cast<size_t>(rows[static_cast<size_t>(i)])];
        tile.first_key = std::min(tile.first_key, args_.window > 0 ? std::max(0, position - args_.window + 1) : 0);
        tile.last_key = std::max(tile.last_key, std::min(last, position + 1));
      }
      // A tile that sees nothing says so, for those that go on from it.
      tile.first_key = std::clamp(tile.first_key, first, tile.last_key - 1);
      tiles_.push_back(tile);
    }
  }

  bool empty() const { return tiles_.empty(); }
  size_t n_blocks() const { return tiles_.size() * static_cast<size_t>(args_.layer.n_kv_heads); }
  void reverse() { std::reverse(tiles_.begin(), tiles_.end()); }

  /// `kernel` holds what the launches of a call have in common.
  void launch(GpuContext& context, KernelId id, TileAttendArgs kernel) {
    std::vector<QueryTile> tiles = each_run_ ? runs() : tiles_;
    // Powers of two: a context that grows would else give the device another list at every 256 tokens.
    if (each_run_) tiles.resize(std::bit_ceil(tiles.size()));
    kernel.tiles = context.staging.put(std::span<const QueryTile>(tiles));
    kernel.rows = context.staging.put(std::span<const int32_t>(rows_));
    kernel.page_table = context.staging.put(std::span<const int32_t>(pages_));
    context.launch(id, args_.layer.type, {static_cast<int32_t>(tiles.size()), args_.layer.n_kv_heads, 1}, kernel);
  }

 private:
  /// Neighbours meet the same run.
  std::vector<QueryTile> runs() const {
    std::vector<QueryTile> runs;
    for (const QueryTile& tile : tiles_)
      for (int32_t first = tile.first_key; first < tile.last_key; first = first / kRunKeys * kRunKeys + kRunKeys) {
        QueryTile run = tile;
        run.first_key = first;
        run.last_key = std::min(tile.last_key, first / kRunKeys * kRunKeys + kRunKeys);
        run.goes_on = 0;
        runs.push_back(run);
      }
    std::stable_sort(runs.begin(), runs.end(), [](const QueryTile& a, const QueryTile& b) { return a.first_key / kRunKeys < b.first_key / kRunKeys; });
    return runs;
  }

  const AttendArgs& args_;
  const int32_t queries_a_tile_;
  const bool each_run_;
  std::vector<QueryTile> tiles_;
  std::vector<int32_t> rows_, pages_;
};

TileAttendArgs common_args(GpuContext& context, const AttendArgs& args) {
  TileAttendArgs kernel{};
  kernel.pages = pages_of(args.layer);
  kernel.q = args.q.f32();
  kernel.out = args.out.f32();
  kernel.q_stride = args.q.stride;
  kernel.out_stride = args.out.stride;
  kernel.n_heads = args.n_heads;
  kernel.window = args.window;
  kernel.scale = args.scale;
  kernel.softcap = args.softcap;
  kernel.sinks = device_floats(args.sinks);
  kernel.positions = context.staging.put(args.row_position);
  kernel.finishes = 1;
  return kernel;
}

/// What rows share, in whole runs of keys, by depth; and for each row where its own keys begin.
struct Shared {
  struct Part {
    std::span<const int32_t> rows;
    int32_t first_page, last_page, depth;
  };
  std::vector<Part> parts;
  std::vector<int32_t> own_page;   // [rows of the call]

  explicit Shared(const AttendArgs& args) : own_page(static_cast<size_t>(args.q.n_rows), 0) {
    for (const SharedRun& run : args.shared) {
      const int32_t first = own_page[static_cast<size_t>(run.rows.front())], last = run.last_page / kRunPages * kRunPages;
      if (last <= first) continue;
      parts.push_back({run.rows, first, last, run.depth});
      for (const int32_t row : run.rows) own_page[static_cast<size_t>(row)] = last;
    }
  }
};

std::vector<int32_t> rows_of(const std::vector<RowSpan>& spans) {
  std::vector<int32_t> rows;
  for (const RowSpan& span : spans)
    for (int64_t row = span.first; row < span.end; ++row) rows.push_back(static_cast<int32_t>(row));
  return rows;
}

/// The most runs of keys that a row looks into, as a power of two.
int32_t most_runs(const AttendArgs& args, std::span<const int32_t> rows) {
  int32_t most = 1;
  for (const int32_t row : rows) {
    const int32_t position = args.row_position[static_cast<size_t>(row)], first = args.window > 0 ? std::max(0, position - args.window + 1) : 0;
    most = std::max(most, position / kRunKeys + 1 - first / kRunKeys);
  }
  return static_cast<int32_t>(std::bit_ceil(static_cast<uint32_t>(most)));
}

}  // namespace

void attend_prompts(GpuContext& context, const AttendArgs& args, const AttentionConfig& config, const std::vector<RowSpan>& spans) {
  const bool wide = config.prompt == PromptTiles::k16;
  TileList tiles(args, wide ? 16 : 64, false);
  for (const RowSpan& span : spans) tiles.add(rows_of({span}), 0, INT32_MAX, false);
  tiles.reverse();   // the last rows see the most keys: they begin, so that no processor is left with a long tile at the end
  tiles.launch(context, wide ? KernelId::kAttendWidePrompt : KernelId::kAttendPrompt, common_args(context, args));
}

void attend_few(GpuContext& context, const AttendArgs& args, const AttentionConfig& config, const std::vector<RowSpan>& spans) {
  const Shared shared(args);
  const std::vector<int32_t> rows = rows_of(spans);
  const int queries_shared = config.shared ? 32 : 16;
  const KernelId kernel_shared = config.shared ? KernelId::kAttendShared : KernelId::kAttendFew;
  const auto fill_shared = [&](TileList& tiles, int32_t depth) {
    for (const Shared::Part& part : shared.parts)
      if (depth < 0 || part.depth == depth) tiles.add(part.rows, part.first_page * kPageTokens, part.last_page * kPageTokens, part.first_page > 0);
  };
  const auto fill_own = [&](TileList& tiles) {
    for (const RowSpan& span : spans) {
      const int32_t page = shared.own_page[static_cast<size_t>(span.first)];
      tiles.add(rows_of({span}), page * kPageTokens, INT32_MAX, page > 0);
    }
  };
  TileList widest(args, shared.parts.empty() ? 16 : queries_shared, false);
  shared.parts.empty() ? fill_own(widest) : fill_shared(widest, -1);
  const int32_t n_parts = most_runs(args, rows);
  const int64_t n_queries = static_cast<int64_t>(rows.size()) * args.n_heads;
  // Few blocks cannot keep the device at its memory: each run becomes a block of its own, and another kernel joins them.
  const bool split = n_parts > 1 && n_queries <= kMostSplitQueries && widest.n_blocks() < 2 * static_cast<size_t>(context.device->n_processors());

  TileAttendArgs kernel = common_args(context, args);
  if (split || !shared.parts.empty()) {
    std::vector<int32_t> places(static_cast<size_t>(args.q.n_rows), 0);
    for (size_t i = 0; i < rows.size(); ++i) places[static_cast<size_t>(rows[i])] = static_cast<int32_t>(i);
    kernel.places = context.staging.put(std::span<const int32_t>(places));
    const auto states = static_cast<size_t>(n_queries) * static_cast<size_t>(split ? n_parts : 1);
    kernel.partial = context.partial.get<float>(states * static_cast<size_t>(args.layer.d_v));
    kernel.state = context.state.get<float>(2 * states);
    kernel.n_parts = split ? n_parts : 0;
    kernel.finishes = 0;
  }
  TileList own(args, 16, split);
  fill_own(own);
  if (split) {
    if (!shared.parts.empty()) {
      TileList common(args, queries_shared, true);
      fill_shared(common, -1);
      common.launch(context, kernel_shared, kernel);
    }
    own.launch(context, KernelId::kAttendFew, kernel);
    context.launch(KernelId::kMergeTiles, {args.n_heads, static_cast<int32_t>(rows.size()), 1},
                   MergeTilesArgs{args.out.f32(), args.out.stride, kernel.partial, kernel.state, kernel.sinks, context.staging.put(std::span<const int32_t>(rows)), kernel.positions, args.n_heads, args.layer.d_v, n_parts, args.window});
    return;
  }
  for (int32_t depth = 0; !shared.parts.empty() && depth <= shared.parts.back().depth; ++depth) {
    TileList common(args, queries_shared, false);
    fill_shared(common, depth);
    if (!common.empty()) common.launch(context, kernel_shared, kernel);
  }
  kernel.finishes = 1;
  own.launch(context, KernelId::kAttendFew, kernel);
}

}  // namespace conclave::gpu
