// The arguments of the kernels: plain structs, passed by value, the same on both sides. Pointers are the device's. Strides
// count elements, and rows of floats are `stride` apart.
#pragma once
#include <cstdint>

namespace conclave::gpu {

/// To the device's memory.
template <class T>
using Pointer = T*;

// The enums of model/spec.h that reach a kernel, as numbers (checked in gpu_ops.cpp).
enum : int { kSilu = 0, kGeluTanh = 1, kClampedSwiglu = 2 };
enum : int { kScoreSoftmax = 0, kScoreSigmoid = 1 };
enum : int { kBeforeTopK = 0, kAfterTopK = 1, kSparseMixer = 2 };

/// Rows of activations as weights read them: floats for plain weights, signed bytes for quantised ones. x = the sum of n_terms.
struct Rows {
  const float* f;          // [rows][f_stride], sets f_set apart
  int64_t f_stride, f_set;
  const int8_t* codes;     // [rows][sets][n_terms][d]
  const float* scales;     // [rows][sets][n_terms][d / 32]
  int n_terms, n_sets;
};

/// A matrix [experts][d_out][d_in] in blocks, expert_bytes apart.
struct Matrix {
  const uint8_t* data;
  int64_t row_bytes, expert_bytes;
  int d_in, d_out;
};

/// Floats to Rows::codes. Grid: (d / 128, rows, sets).
struct QuantizeArgs {
  const float* x;
  int64_t stride, set_stride;
  const int32_t* rows;     // row r of the result is row rows[r] of x; null: r
  int8_t* codes;
  float* scales;
  int d, n_terms, n_sets;
};

/// out[r][head * out_head + o] = softcap((w[head][o] . x[r] + bias[o]) * scale). Grid: (d_out / 16, n / 16, heads).
struct ProductArgs {
  Matrix weight;
  Rows x;
  const int32_t* rows;     // plain weights: row r reads row rows[r] of x; null: r
  int n;
  float* out;
  int64_t out_stride, out_head;
  const float* bias;
  float scale, softcap;
  bool accumulate;
};

/// (row, slot) pairs sorted by expert. first[e] .. first[e + 1] are expert e's; active lists the experts that have any, ascending.
struct Pairs {
  int32_t *row, *first, *active, *n_active;
  float* weight;
};

/// Grid: 1. Experts below zero and slots of weight 0 are left out.
struct SortPairsArgs {
  const int32_t* experts;
  const float* weights;
  int64_t expert_stride, weight_stride;
  int n, k, n_experts;
  float scale;
  Pairs pairs;
};

/// The pairs of a dense network: every row with its one expert, weighed by scale * sigmoid(x . gate). Grid: rows.
struct DensePairsArgs {
  const float *x, *gate;   // gate may be null
  int64_t x_stride;
  int n, d;
  float scale;
  Pairs pairs;
};

/// Hidden values of each pair: act(gate) * up. Grid: (d_ff / 32, active experts at most).
struct GateUpArgs {
  Matrix gate, up;
  const float *gate_bias, *up_bias;   // [experts][d_ff]
  Rows x;
  Pairs pairs;
  int activation;
  float* hidden;           // [pairs][d_ff] if the down weights are plain, else null
  int8_t* hidden_codes;
  float* hidden_scales;
};

/// out[row] (+)= weight * (down . hidden + bias), experts ascending. Grid: d / 4 for at most kTile rows, else d / 16.
struct DownArgs {
  Matrix down;
  const float* bias;       // [experts][d]
  Rows hidden;
  Pairs pairs;
  float* out;
  int64_t out_stride;
  int n;
  bool accumulate;
};

/// Grid: rows.
struct NormKernelArgs {
  const float *x, *weight, *bias;
  float* out;
  int64_t x_stride, out_stride;
  int d;
  float eps;
  bool centre;             // LayerNorm
};

/// Elementwise over rows of d. Grid: (d / 256, rows).
struct AddKernelArgs {
  float* out;
  const float* x;
  int64_t out_stride, x_stride;
  int d;
  float scale;
};
struct GateKernelArgs {
  float* x;
  const float* gate;
  int64_t x_stride, gate_stride;
  int d;
};
struct SplitKernelArgs {
  const float* x;
  float *first, *second;
  int64_t x_stride, first_stride, second_stride;
  int d, d_head;           // of a result
};
/// n_tail floats of each head, from x[r][head * x_head + x_first] to out[r][head * out_head + out_first].
struct TailKernelArgs {
  const float* x;
  float* out;
  int64_t x_stride, out_stride, x_head, out_head;
  int x_first, out_first, n_tail, n_heads;
};
struct EmbedKernelArgs {
  Matrix table;
  const int32_t* tokens;
  float* out;
  int64_t out_stride;
  float scale;
};

/// 1 / RMS of the whole rows of q and k: inverse[r][2]. Grid: (2, rows).
struct RowScalesArgs {
  const float *q, *k;
  int64_t q_stride, k_stride;
  int d_q, d_k;
  float eps;
  float* inverse;
};
/// Norm and rotation of each head of q, then of k, in place. Grid: (n_heads + n_kv_heads, rows).
struct RopeKernelArgs {
  float *q, *k;
  int64_t q_stride, k_stride;
  int n_heads, n_kv_heads, d_k;
  bool per_head;           // norm over each head
  const float* inverse;    // else from RowScalesArgs, or null: none
  const float *q_norm, *k_norm;   // [d_k], or [heads * d_k] with `inverse`
  float eps;
  const int32_t* positions;
  const float* theta;      // [n_pairs] radians per position
  int n_pairs, step, apart;   // pair i rotates elements i * step and i * step + apart
  float factor;            // on sines and cosines
};

/// One layer's pages. See kv.h for what a page looks like.
struct Pages {
  uint8_t *k, *v;
  int n_kv_heads, d_k, d_v;
  int64_t k_page, v_page;  // bytes of one head's page
};
/// Grid: (key heads, rows).
struct StoreKernelArgs {
  Pages pages;
  const float *k, *v;
  int64_t k_stride, v_stride;
  const int32_t* slots;
};

/// Neighbouring rows of one sequence that meet its keys together.
struct RowTile {
  int32_t row, n_rows, first_page;   // its page table begins at page_table[first_page]
};
/// Grid: (parts, key heads * head tiles, row tiles). One part: runs of keys are met in turn and joined; else part i is the tile's
/// run i, if it has one, and what it gives is left in `partial` for MergeKernelArgs.
struct AttendKernelArgs {
  Pages pages;
  const float* q;
  float* out;
  int64_t q_stride, out_stride;
  int n_heads, heads_a_tile, window;
  float scale, softcap;
  const float* sinks;
  const RowTile* tiles;
  const int32_t *positions, *page_table;
  int n_parts;
  float *partial, *state;  // [row][head][part][d_v], [row][head][part][2]: largest score, sum of weights
};
/// Grid: (n_heads, rows).
struct MergeKernelArgs {
  float* out;
  int64_t out_stride;
  const float *partial, *state, *sinks;
  int n_heads, d_v, n_parts;
};

/// The choice of experts from their logits. Grid: rows.
struct ChooseArgs {
  float *logits, *selection;   // [n][n_experts] each
  const float *selection_bias, *expert_scale;
  int32_t* experts;
  float* weights;
  int64_t expert_stride, weight_stride;
  int n_experts, k, score, order, n_groups, n_groups_used;
  bool renormalise;
  float scale, jitter;
  const float* steering;     // [n][n_experts] or nullptr, as in ops/ops.h
  const int32_t* n_chosen;   // [n] or nullptr
};

/// Rows [first, last) of one sequence and its recurrent state.
struct SequenceRun {
  float* state;            // this layer's part
  int32_t first, last;
  int32_t fresh;           // begins the sequence: what the state holds is nothing
};
struct DeltaNetKernelArgs {
  const float *qkv, *z, *rates;
  int64_t qkv_stride, z_stride, rates_stride, out_stride;
  float *mixed, *out;      // mixed: [rows][channels] after the convolution
  const float *taps, *dt, *a, *norm;
  const SequenceRun* runs;
  const int32_t* run_of_row;
  int n_heads, n_key_heads, d_k, d_v, d_conv, n_groups, channels;
  bool cycling_heads;
  float eps;
};

}  // namespace conclave::gpu
