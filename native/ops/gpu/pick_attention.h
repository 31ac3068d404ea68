// Which kernels attend: those of matrix fragments (attend_tiles.h) where keys and values fit them, else the plain one. Pure;
// the reason is for people who ask why.
#pragma once
#include <algorithm>

#include "ops/ops.h"

namespace conclave::gpu {

/// Rows of one sequence up to which they are rows that generate, with the same bits alone and in a batch; more are a prompt.
inline constexpr int kMostFewRows = kMostSharingRows;
/// Queries that may leave partial results for each run of keys (weights/plan.cpp reserves room for them).
inline constexpr int64_t kMostSplitQueries = 2 * 192 * 8;
/// From a run of keys on, which is what can be shared. A guess: others saw the crossover at 128 to 256 tokens (README of TensorRT-LLM's
/// change 14396; vLLM asks for 256); not measured on a card.
inline constexpr SharingGate kGpuSharing{.min_pages = 8, .min_sequences = 2};

enum class PromptTiles { kNone, k64, k16 };   // queries a block

struct AttentionConfig {
  bool few, shared;      // tiles for rows that generate; for 32 queries at once over shared pages
  PromptTiles prompt;
  const char* reason;
};

/// Bytes of shared memory that AttendTiles<Type, split, terms, ...> takes.
constexpr int tile_shared_bytes(int split, int terms, int d_k, int d_v) {
  const int groups = 4 / split, key_stride = (d_k + 15) / 16 * 32 + 16, value_stride = 2 * d_v + 16;
  return terms * 16 * groups * key_stride + 32 * std::max(key_stride, value_stride) + (split > 1 ? groups * 16 * 36 * 4 : 0) + 16 * groups * 4;
}

/// `fragments`: the switch CONCLAVE_ATTEND_TILES.
constexpr AttentionConfig pick_attention(DType type, int d_k, int d_v, bool fragments) {
  constexpr int kRoom = 32 << 10;
  const auto fits = [&](int split, int terms, int widest) { return d_k <= widest && d_v <= widest && tile_shared_bytes(split, terms, d_k, d_v) <= kRoom; };
  if (!fragments) return {false, false, PromptTiles::kNone, "fragments are switched off"};
  if (type == DType::kF32) return {false, false, PromptTiles::kNone, "floats: halves do not hold them"};
  if (d_k % 8 != 0 || d_v % 8 != 0) return {false, false, PromptTiles::kNone, "widths that are no multiples of 8"};
  const PromptTiles prompt = fits(1, 1, 128) ? PromptTiles::k64 : fits(4, 1, 256) ? PromptTiles::k16 : PromptTiles::kNone;
  const bool few = fits(4, 2, 192);
  return {few, few && fits(2, 2, 128), prompt, few ? "fragments" : prompt != PromptTiles::kNone ? "fragments for prompts; the queries' two terms do not fit" : "too wide for a block's memory"};
}

}  // namespace conclave::gpu
