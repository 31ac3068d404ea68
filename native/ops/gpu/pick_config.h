// Which kernels multiply: those that read a weight for a few rows at a time, or those of matrix fragments. Pure; the reason
// is for people who ask why.
#pragma once
#include <cstdint>

namespace conclave::gpu {

struct ProductConfig {
  bool tiles;
  const char* reason;
};

/// Rows up to which a row's bits must be the same alone and in a batch (ops.h): never tiles.
inline constexpr int64_t kMostExactRows = 16;

/// `n_rows` of a pass, `rows_a_matrix` of them on average for each matrix that is read; `tile_rows`: the switch CONCLAVE_TILE_ROWS.
/// Not measured: a matrix with an eighth of tile_rows (four) fills half of the narrowest fragment, and the other kernels
/// would decode it a second time for a fifth row.
inline ProductConfig pick_product(int64_t n_rows, double rows_a_matrix, int64_t tile_rows) {
  if (n_rows < tile_rows) return {false, "few rows: the same bits alone and in a batch"};
  if (rows_a_matrix * 8 < static_cast<double>(tile_rows)) return {false, "few rows for each expert"};
  return {true, "many rows: each weight is decoded once for all of a tile"};
}

}  // namespace conclave::gpu
