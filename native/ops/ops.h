// The one interface the forward pass sees. An op is the coarsest step that is still one sentence of mathematics; how
// it is fused, threaded or quantised inside is the backend's business. Arguments are handles; all shapes are checked
// by the caller once at bind time and asserted here. Calls between begin() and submit() may run asynchronously; results
// are readable after wait(). Row counts of 0 are legal everywhere and do nothing.
//
// Weights must be prepared before a backend with memory of its own can read them; the CPU's reads them where the file has
// them. Two CPU tables exist: `exact` multiplies in float with the weights as the file says (the reference that everything is
// checked against); `fast` quantises activations to int8 and uses the widest SIMD at hand.
#pragma once
#include <climits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/spec.h"
#include "ops/tensor.h"
#include "ops/top_logits.h"

namespace conclave {

enum class Precision { kFast, kExact };

enum class Device { kCpu, kCuda, kMetal, kAuto };   // kAuto: a card if there is one, else the processor
/// "cpu", "cuda", "metal", "auto"; nullopt for anything else.
std::optional<Device> device_of(std::string_view name);

struct OpsOptions {
  int n_threads = 0;                       // 0: physical cores
  Precision precision = Precision::kFast;
  Device device = Device::kCpu;
};

/// One weight of a group that reads the same input rows. out = (x . Wt + bias) * scale, added to `out` if `accumulate`.
struct MatmulOutput {
  Tensor out;              // [n][d_out] f32
  const Weight* weight;    // [d_out][d_in]
  const Weight* bias;      // [d_out] or nullptr
  float scale = 1.f;
  bool accumulate = false;
};

struct NormArgs {
  Tensor out, x;           // [n][d] f32; may be the same
  const Weight* weight;    // [d] or nullptr (1)
  const Weight* bias;      // [d] or nullptr; LayerNorm only
  NormKind kind;
  float eps;
};

/// RMS-norms q and k as `norm` says, then rotates them by their positions (RoPE, Su et al. 2021; YaRN, Peng et al. 2023).
struct QkRopeArgs {
  Tensor q;                // [n][n_heads * d_k] f32, in place
  Tensor k;                // [n][n_kv_heads * d_k] f32, in place
  int n_heads, n_kv_heads, d_k;
  QkNorm norm;
  const Weight* q_norm;    // [d_k] or [n_heads * d_k]
  const Weight* k_norm;
  float eps;
  RopeSpec rope;
  const Weight* freq_factors;            // [n_dims / 2] or nullptr: theta_i is divided by it
  std::span<const int32_t> positions;    // [n]
};

/// The keys and values of one layer for every page of the pool.
/// Layout: [page][n_kv_heads][kPageTokens][d] for k and for v, each of `type`; slot = page * kPageTokens + offset.
inline constexpr int kPageTokens = 32;
struct KvLayer {
  void* k = nullptr;
  void* v = nullptr;
  DType type = DType::kF16;   // kF32, kF16, kBF16, kQ8_0
  int n_kv_heads = 0, d_k = 0, d_v = 0;
  int64_t n_pages = 0;
  size_t state_offset = 0;    // where this layer's part of a sequence's recurrent state begins
};

struct StoreKvArgs {
  KvLayer layer;
  Tensor k, v;                           // [n][n_kv_heads * d] f32
  std::span<const int32_t> slots;        // [n]
};

/// The pages of one sequence in order; token at position p lies in pages[p / kPageTokens] at offset p % kPageTokens.
struct SequencePages {
  std::span<const int32_t> pages;
  void* state = nullptr;      // its recurrent state after the positions before its first row of a batch, if the model keeps one
};

/// Pages [first_page, last_page) that the tables of several sequences have in common, all behind each of `rows`: a backend may
/// meet them once for all of these rows, and must give each row the bits that it would have had alone (Juravsky et al. 2024,
/// "Hydragen"; exact, as softmax states over parts of the keys join to that over all). Made by forward/shared_runs.h.
struct SharedRun {
  int32_t first_page, last_page;
  int32_t depth;                         // how many other runs these rows have, which end where this one begins
  std::vector<int32_t> rows;             // ascending; all rows of two sequences or more
};

/// A sequence with more rows than that in a batch (a piece of a prompt) shares nothing: it meets its keys as a block of its own.
inline constexpr int kMostSharingRows = 32;

/// From what on a backend gains by that: pages in a run, sequences that share it.
struct SharingGate {
  int min_pages = INT_MAX, min_sequences = 2;
};

/// out = softmax(scale * q.k (softcapped), plus the head's sink) . v over keys at positions <= the row's own (within the window).
struct AttendArgs {
  Tensor out;              // [n][n_heads * d_v] f32
  Tensor q;                // [n][n_heads * d_k] f32
  KvLayer layer;
  int n_heads;
  float scale, softcap;
  int window;              // 0: none
  const Weight* sinks;     // [n_heads] or nullptr
  std::span<const int32_t> row_sequence;    // [n] index into sequences
  std::span<const int32_t> row_position;    // [n]
  std::span<const SequencePages> sequences;
  std::span<const SharedRun> shared = {};   // by depth; a row's runs follow each other from its first page on
};

/// Per head h: out[r][h] = weight[h] . x[r][h], then n_tail columns of x[r][h] as they are (the rotated part of latent attention).
struct HeadMatmulArgs {
  Tensor out;              // [n][n_heads * (d_out + n_tail)] f32
  Tensor x;                // [n][n_heads * d_head] f32, d_head >= d_in + n_tail; or [n][d_head], the same for all heads
  const Weight* weight;    // [n_heads][d_out][d_in]
  int n_tail;
  bool shared;             // x is the same for all heads
};

/// Of each head of `x`, [n][n_heads * 2 * d]: the first half to `first`, the second to `second`, both [n][n_heads * d].
struct SplitHeadsArgs {
  Tensor x, first, second;
  int n_heads;
};

/// Gated DeltaNet (Yang et al. 2025): a causal convolution per channel and SiLU; queries and keys to unit length; per value
/// head a memory S of d_k x d_v that decays by exp(a softplus(alpha + dt)) and learns v for k at the rate sigmoid(beta);
/// out = RMS-norm(S'q / sqrt(d_k)) * norm * SiLU(z). Rows of a sequence are neighbours in order of position; a row at
/// position 0 begins from nothing, others from the sequence's state, which afterwards is that of its last row.
struct DeltaNetArgs {
  Tensor out;              // [n][n_heads * d_v] f32
  Tensor qkv;              // [n][2 * n_key_heads * d_k + n_heads * d_v] f32
  Tensor z;                // [n][n_heads * d_v] f32
  Tensor beta_alpha;       // [n][2 * n_heads] f32: `n_groups` times the betas, then the alphas of n_heads / n_groups heads
  int n_heads, n_key_heads, d_k, d_v, d_conv, n_groups;
  bool cycling_heads;      // value head j uses key head j mod n_key_heads; else j / (n_heads / n_key_heads)
  const Weight *conv, *dt, *a, *norm;
  float eps;
  size_t state_offset;     // into each sequence's state; laid out as LayerSpec::state_bytes says
  std::span<const int32_t> row_sequence;    // [n]
  std::span<const int32_t> row_position;    // [n]
  std::span<const SequencePages> sequences;
};

/// Router: picks k experts per row and their weights, best first; ties go to the lower expert id.
struct RouteArgs {
  Tensor experts;          // [n][k] i32 out
  Tensor weights;          // [n][k] f32 out, as applied
  Tensor x;                // [n][d] f32
  const Weight* router;    // [n_experts][d]
  const Weight* bias;      // [n_experts] or nullptr, added to the logits
  const Weight* selection_bias;  // [n_experts] or nullptr, added to scores only for choosing (DeepSeek-V3)
  const Weight* expert_scale;    // [n_experts] or nullptr, multiplies the final weights (Gemma 4)
  RouterSpec spec;
  int n_experts_used;
  // Of steered rows; both empty where no row is.
  std::span<const float> steering = {};   // [n][n_experts] on the host, added to the logits; -infinity: the expert is never chosen
  std::span<const int32_t> n_chosen = {}; // [n] on the host, 1..k: the row's other slots repeat its first expert with weight 0
};

/// A gated feed-forward: act(x.gate) * (x.up) . down; biases nullptr where the family has none.
struct FfnWeights {
  const Weight* gate;      // [E][d_ff][d]
  const Weight* up;        // [E][d_ff][d]
  const Weight* down;      // [E][d][d_ff]
  const Weight* gate_bias; // [E][d_ff]
  const Weight* up_bias;
  const Weight* down_bias; // [E][d]
};

struct DenseFfnArgs {
  Tensor out, x;           // [n][d] f32
  FfnWeights ffn;          // E = 1
  Activation activation;
  float scale;
  bool accumulate;         // add to `out` instead of overwriting
  const Weight* output_gate;  // [1][d] or nullptr: the result is multiplied by sigmoid(x . output_gate)
};

/// out[r] (+)= scale * sum_j weights[r][j] * ffn_{experts[r][j]}(x[r]); each distinct expert is read once per call, and slots
/// of weight 0 not at all.
struct MoeFfnArgs {
  Tensor out, x;           // [n][d] f32
  Tensor experts, weights; // [n][k]
  FfnWeights ffn;
  Activation activation;
  float scale;
  bool accumulate;
};

/// `bytes` of a device's memory, on their way to the host's.
struct Download {
  void* to;
  const void* from;
  size_t bytes;
};

/// Bytes of a device's own memory.
struct DeviceMemory {
  size_t free_bytes = 0, total_bytes = 0;
  bool unified = false;   // part of the host's own memory
};

class Ops {
 public:
  virtual ~Ops() = default;
  virtual const char* name() const = 0;        // "cpu-avx512vnni", "cpu-exact", "cuda", ...
  virtual std::optional<DeviceMemory> memory() const { return std::nullopt; }   // nullopt: computes where the host's data lies
  virtual SharingGate sharing_gate() const { return {}; }                       // by default nothing is shared

  virtual void* alloc(size_t bytes) = 0;       // 64-byte aligned; throws Error(kOutOfMemory)
  virtual void free(void* buffer) = 0;
  virtual void upload(void* dst, const void* src, size_t bytes) = 0;
  virtual void download(void* dst, const void* src, size_t bytes) = 0;
  /// The same for several at once: one wait for all.
  virtual void download_all(std::span<const Download> downloads) {
    for (const auto& [to, from, bytes] : downloads) download(to, from, bytes);
  }
  virtual void copy(void* dst, const void* src, size_t bytes) = 0;   // within the device (page copies)
  /// Beside the passes: `dst` holds the bytes for what is called after await() of the number that this returns (or of a later one).
  /// Begins when what was called before is done; `src` must stay as it is until then.
  virtual uint64_t upload_beside(void* dst, const void* src, size_t bytes) {
    upload(dst, src, bytes);
    return 0;
  }
  virtual void await(uint64_t) {}
  virtual void begin() = 0;
  virtual void submit() = 0;
  virtual void wait() = 0;

  /// A backend may lay a weight out anew here (sets weight.device); called once per weight after binding.
  virtual void prepare(Weight& weight) = 0;

  virtual void embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) = 0;
  virtual void norm(const NormArgs& args) = 0;
  virtual void add(Tensor out, Tensor x, float scale) = 0;           // out += scale * x
  virtual void matmul(Tensor x, std::span<const MatmulOutput> outputs) = 0;
  /// Rows of x named by `rows` -> logits [rows.size()][n_vocab], times scale, then softcap (0: none).
  virtual void logits(Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) = 0;
  virtual void top_logits(const TopLogitsArgs& args) = 0;
  virtual void qk_rope(const QkRopeArgs& args) = 0;
  virtual void store_kv(const StoreKvArgs& args) = 0;
  virtual void attend(const AttendArgs& args) = 0;
  virtual void head_matmul(const HeadMatmulArgs& args) = 0;
  virtual void split_heads(const SplitHeadsArgs& args) = 0;
  virtual void gate(Tensor x, Tensor gate) = 0;                      // x *= sigmoid(gate)
  virtual void delta_net(const DeltaNetArgs& args) = 0;
  virtual void route(const RouteArgs& args) = 0;
  virtual void moe_ffn(const MoeFfnArgs& args) = 0;
  virtual void dense_ffn(const DenseFfnArgs& args) = 0;
};

/// Throws Error(kUnsupported) with the reason where the device cannot be used.
std::unique_ptr<Ops> make_ops(const OpsOptions& options);
std::unique_ptr<Ops> make_cpu_ops(const OpsOptions& options);   // ops/cpu

/// Bytes of KV for one token of one layer (k and v).
size_t kv_token_bytes(DType type, int n_kv_heads, int d_k, int d_v);

}  // namespace conclave
