// The arguments of the kernels: plain structs, passed by value, the same on both sides. Pointers are the device's. Strides
// count elements, and rows of floats are `stride` apart.
#pragma once
#include <cstdint>

namespace conclave::gpu {

/// To the device's memory.
template <class T>
#if defined(__METAL_VERSION__)
using Pointer = device T*;
#else
using Pointer = T*;
#endif

// The enums of model/spec.h that reach a kernel, as numbers (checked in gpu_ops.cpp).
enum : int { kSilu = 0, kGeluTanh = 1, kClampedSwiglu = 2 };
enum : int { kScoreSoftmax = 0, kScoreSigmoid = 1 };
enum : int { kBeforeTopK = 0, kAfterTopK = 1, kSparseMixer = 2 };

/// Rows of activations as weights read them: floats for plain weights, signed bytes for quantised ones. x = the sum of n_terms.
struct Rows {
  Pointer<const float> f;          // [rows][f_stride], sets f_set apart
  int64_t f_stride, f_set;
  Pointer<const int8_t> codes;     // [rows][sets][n_terms][d]
  Pointer<const float> scales;     // [rows][sets][n_terms][d / 32]
  int n_terms, n_sets;
};

/// A matrix [experts][d_out][d_in] in blocks, expert_bytes apart.
struct Matrix {
  Pointer<const uint8_t> data;
  int64_t row_bytes, expert_bytes;
  int d_in, d_out;
};

/// Floats to Rows::codes. Grid: (d / 128, rows, sets).
struct QuantizeArgs {
  Pointer<const float> x;
  int64_t stride, set_stride;
  Pointer<const int32_t> rows;     // row r of the result is row rows[r] of x; null: r
  Pointer<int8_t> codes;
  Pointer<float> scales;
  int d, n_terms, n_sets;
};

/// Matrices of one format that meet the same rows in one launch, each with blocks of its own, n_blocks of them.
struct ProductOutput {
  Matrix weight;
  Pointer<float> out;
  int64_t stride;
  Pointer<const float> bias;
  float scale;
  bool accumulate;
  int n_blocks;
};
struct ProductOutputs {
  ProductOutput first, second, third, fourth;   // no array: see clear_padding, gpu_ops.h
  int n;
};

/// out[r][head * out_head + o] = softcap((w[head][o] . x[r] + bias[o]) * scale). Grid: (d_out / 8 of each output, n / 16, heads).
struct ProductArgs {
  ProductOutputs outputs;
  Rows x;
  Pointer<const int32_t> rows;   // plain weights: row r reads row rows[r] of x; null: r
  int n;
  int64_t out_head;
  float softcap;
};

/// (row, slot) pairs sorted by expert. first[e] .. first[e + 1] are expert e's; active lists the experts that have any, ascending.
struct Pairs {
  Pointer<int32_t> row, first, active, n_active;
  Pointer<float> weight;
  Pointer<int32_t> place;  // [rows][slots]: where the pair went, below zero: nowhere; null: nobody asks
};

/// Up to `width` pairs of one expert each, in their order: tile t is expert[t]'s, from pair first[t] on.
struct PairTiles {
  Pointer<int32_t> expert, first, count;   // count: one number
  int width;
};
/// Grid: 1.
struct ListTilesArgs {
  Pairs pairs;
  PairTiles tiles;
};

/// Products of many rows: out[r][head * out_head + o] = row_weight[r] * softcap((w[e][o] . x[r] + bias[e][o]) * scale). With tiles, r counts
/// pairs and e is the tile's expert. Grid: (columns / 64 or tiles, d_out / 128 of each output, heads).
struct TileProductArgs {
  ProductOutputs outputs;
  Rows x;
  Pointer<const int32_t> rows;   // as ProductArgs::rows
  int n;
  PairTiles tiles;               // expert null: none
  Pointer<const int32_t> pair_first;
  Pointer<const float> row_weight;
  int64_t out_head;
  float softcap;
};
/// out[r] (+)= the sum over the row's pairs, experts ascending, of weight[pair] * partial[pair]. Grid: (d / 256, rows).
struct AddPairsArgs {
  Pointer<const float> partial;  // [pairs][d]
  Pairs pairs;
  Pointer<float> out;
  int64_t out_stride;
  int d, k;
  bool accumulate;
};

/// Grid: 1. Experts below zero and slots of weight 0 are left out.
struct SortPairsArgs {
  Pointer<const int32_t> experts;
  Pointer<const float> weights;
  int64_t expert_stride, weight_stride;
  int n, k, n_experts;
  float scale;
  Pairs pairs;
};

/// The pairs of a dense network: every row with its one expert, weighed by scale * sigmoid(x . gate). Grid: rows.
struct DensePairsArgs {
  Pointer<const float> x, gate;   // gate may be null
  int64_t x_stride;
  int n, d;
  float scale;
  Pairs pairs;
};

/// Hidden values of each pair: act(gate) * up. Grid: (d_ff / 32, active experts at most), or (tiles, d_ff / 64).
struct GateUpArgs {
  Matrix gate, up;
  Pointer<const float> gate_bias, up_bias;   // [experts][d_ff]
  Rows x;
  Pairs pairs;
  PairTiles tiles;
  int activation;
  Pointer<float> hidden;           // [pairs][d_ff] if the down weights are plain, else null
  Pointer<int8_t> hidden_codes;
  Pointer<float> hidden_scales;
};

/// out[row] (+)= weight * (down . hidden + bias), experts ascending. Grid: d / 2 for at most kTile rows, else d / 8.
struct DownArgs {
  Matrix down;
  Pointer<const float> bias;       // [experts][d]
  Rows hidden;
  Pairs pairs;
  Pointer<float> out;
  int64_t out_stride;
  int n;
  bool accumulate;
};

/// Grid: rows.
struct NormKernelArgs {
  Pointer<const float> x, weight, bias;
  Pointer<float> out;
  int64_t x_stride, out_stride;
  int d;
  float eps;
  bool centre;             // LayerNorm
};

/// Elementwise over rows of d. Grid: (d / 256, rows).
struct AddKernelArgs {
  Pointer<float> out;
  Pointer<const float> x;
  int64_t out_stride, x_stride;
  int d;
  float scale;
};
struct GateKernelArgs {
  Pointer<float> x;
  Pointer<const float> gate;
  int64_t x_stride, gate_stride;
  int d;
};
struct SplitKernelArgs {
  Pointer<const float> x;
  Pointer<float> first, second;
  int64_t x_stride, first_stride, second_stride;
  int d, d_head;           // of a result
};
/// n_tail floats of each head, from x[r][head * x_head + x_first] to out[r][head * out_head + out_first].
struct TailKernelArgs {
  Pointer<const float> x;
  Pointer<float> out;
  int64_t x_stride, out_stride, x_head, out_head;
  int x_first, out_first, n_tail, n_heads;
};
struct EmbedKernelArgs {
  Matrix table;
  Pointer<const int32_t> tokens;
  Pointer<float> out;
  int64_t out_stride;
  float scale;
};

/// 1 / RMS of the whole rows of q and k: inverse[r][2]. Grid: (2, rows).
struct RowScalesArgs {
  Pointer<const float> q, k;
  int64_t q_stride, k_stride;
  int d_q, d_k;
  float eps;
  Pointer<float> inverse;
};
/// Norm and rotation of each head of q, then of k, in place. Grid: (n_heads + n_kv_heads, rows).
struct RopeKernelArgs {
  Pointer<float> q, k;
  int64_t q_stride, k_stride;
  int n_heads, n_kv_heads, d_k;
  bool per_head;           // norm over each head
  Pointer<const float> inverse;    // else from RowScalesArgs, or null: none
  Pointer<const float> q_norm, k_norm;   // [d_k], or [heads * d_k] with `inverse`
  float eps;
  Pointer<const int32_t> positions;
  Pointer<const float> theta;      // [n_pairs] radians per position
  int n_pairs, step, apart;   // pair i rotates elements i * step and i * step + apart
  float factor;            // on sines and cosines
};

/// One layer's pages. See kv.h for what a page looks like.
struct Pages {
  Pointer<uint8_t> k, v;
  int n_kv_heads, d_k, d_v;
  int64_t k_page, v_page;  // bytes of one head's page
};
/// Grid: (key heads, rows).
struct StoreKernelArgs {
  Pages pages;
  Pointer<const float> k, v;
  int64_t k_stride, v_stride;
  Pointer<const int32_t> slots;
};

/// Neighbouring rows of one sequence that meet its keys together.
struct RowTile {
  int32_t row, n_rows, first_page;   // its page table begins at page_table[first_page]
};
/// Grid: (parts, key heads * head tiles, row tiles). One part: runs of keys are met in turn and joined; else part i is the tile's
/// run i, if it has one, and what it gives is left in `partial` for MergeKernelArgs.
struct AttendKernelArgs {
  Pages pages;
  Pointer<const float> q;
  Pointer<float> out;
  int64_t q_stride, out_stride;
  int n_heads, heads_a_tile, window;
  float scale, softcap;
  Pointer<const float> sinks;
  Pointer<const RowTile> tiles;
  Pointer<const int32_t> positions, page_table;
  int n_parts;
  Pointer<float> partial, state;  // [row][head][part][d_v], [row][head][part][2]: largest score, sum of weights
};
/// Grid: (n_heads, rows).
struct MergeKernelArgs {
  Pointer<float> out;
  int64_t out_stride;
  Pointer<const float> partial, state, sinks;
  int n_heads, d_v, n_parts;
};

/// Queries that meet the keys [first_key, last_key) together: `n_queries` from `first_query` on of the list rows x heads that
/// share keys, whose rows are rows[rows_at], rows[rows_at + 1], ...; none: there is nothing to do.
struct QueryTile {
  int32_t rows_at, first_query, n_queries;
  int32_t table_at;        // page p of theirs is page_table[table_at + p]
  int32_t first_key, last_key;
  int32_t goes_on;         // from what earlier tiles left in `partial`
};
/// Grid: (tiles, key heads). With parts each tile is one run of keys, and part i of a row is its run i, for MergeTilesArgs; else
/// the runs are joined, and the result is final or, in `partial` of one part, for tiles that go on.
struct TileAttendArgs {
  Pages pages;
  Pointer<const float> q;
  Pointer<float> out;
  int64_t q_stride, out_stride;
  int n_heads, window;
  float scale, softcap;
  Pointer<const float> sinks;
  Pointer<const QueryTile> tiles;
  Pointer<const int32_t> rows, positions, page_table;
  Pointer<const int32_t> places;  // of each row in `partial` and `state`; null where nothing is left there
  int n_parts;                    // 0: no parts
  int finishes;                   // out is written
  Pointer<float> partial, state;  // [place][head][part][d_v], [place][head][part][2]: largest score, sum of weights
};
/// Grid: (n_heads, places). The row of place p is rows[p].
struct MergeTilesArgs {
  Pointer<float> out;
  int64_t out_stride;
  Pointer<const float> partial, state, sinks;
  Pointer<const int32_t> rows, positions;
  int n_heads, d_v, n_parts, window;
};

/// The choice of experts from their logits. Grid: rows.
struct ChooseArgs {
  Pointer<float> logits, selection;   // [n][n_experts] each
  Pointer<const float> selection_bias, expert_scale;
  Pointer<int32_t> experts;
  Pointer<float> weights;
  int64_t expert_stride, weight_stride;
  int n_experts, k, score, order, n_groups, n_groups_used;
  bool renormalise;
  float scale, jitter;
  Pointer<const float> steering;     // [n][n_experts] or nullptr, as in ops/ops.h
  Pointer<const int32_t> n_chosen;   // [n] or nullptr
};

/// Rows [first, last) of one sequence and its recurrent state.
struct SequenceRun {
  Pointer<float> state;            // this layer's part
  int32_t first, last;
  int32_t fresh;           // begins the sequence: what the state holds is nothing
};
struct DeltaNetKernelArgs {
  Pointer<const float> qkv, z, rates;
  int64_t qkv_stride, z_stride, rates_stride, out_stride;
  Pointer<float> mixed, out;      // mixed: [rows][channels] after the convolution
  Pointer<const float> taps, dt, a, norm;
  Pointer<const SequenceRun> runs;
  Pointer<const int32_t> run_of_row;
  int n_heads, n_key_heads, d_k, d_v, d_conv, n_groups, channels;
  bool cycling_heads;
  float eps;
};

/// The best logits of parts of rows: [row][list][kTopBest] of each what stands for the value in the order of floats, as an
/// unsigned number (0: none), and the id, in any order; [row][list][3] the largest value, the sum of exp(value - it) over the whole part
/// and how many values are no finite numbers.
enum : int { kTopBest = 128, kTopListBytes = kTopBest * 8 + 12 };
struct TopLists {
  Pointer<uint32_t> orders;
  Pointer<int32_t> ids;
  Pointer<float> sums;
};
/// Grid: (slices of kTopSlice values, rows).
struct TopOfSliceArgs {
  Pointer<const float> logits;
  int64_t stride;
  int n, n_slices;
  TopLists lists;
};
/// Joins kTopLists lists at a time. More lists than that: the results are n_out lists; else they are what TopLogitsArgs says.
/// Grid: (groups of lists, rows).
struct MergeTopsArgs {
  TopLists lists, out;
  int n_lists, n_out;        // a row; n_out 0: the last merge, and the rest counts
  Pointer<int32_t> ids;
  Pointer<float> values, sums, asked;
  int64_t id_stride, value_stride, sum_stride, asked_stride;
  Pointer<const float> logits;
  int64_t logit_stride;
  Pointer<const int32_t> asked_ids;   // [row][n_asked]
  int n_asked;
};

}  // namespace conclave::gpu
