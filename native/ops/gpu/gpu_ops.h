// What the GPU's ops share: the device, the list of launches that is being made, scratch memory that grows to the largest
// call and stays, and the small arrays of a pass (positions, pages) on their way to the device. Each op is a free function of
// this context in the file of its name. Passes that differ only in what their arrays hold give the device equal lists.
#pragma once
#include <cstring>
#include <map>
#include <source_location>
#include <tuple>
#include <vector>

#include "base/debug_switches.h"
#include "ops/gpu/gpu_device.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu {

struct GpuContext;

/// Device memory that keeps its largest size so far; contents are lost when it grows.
class Scratch {
 public:
  explicit Scratch(GpuContext& context) : context_(context) {}
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* get(size_t n) {
    grow(n * sizeof(T));
    return static_cast<T*>(buffer_);
  }

 private:
  void grow(size_t bytes);

  GpuContext& context_;
  void* buffer_ = nullptr;
  size_t bytes_ = 0;
};

/// Host arrays on the device until the next pass begins. What is asked for in the same order lies at the same addresses pass
/// after pass: room is kept in powers of two, so that a page table may grow. The same contents from the same place in the code are
/// kept once: every layer asks for the same ones.
class Staging {
 public:
  explicit Staging(GpuDevice& device) : device_(device) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  /// Two places with equal contents get an array each: else their lists would depend on what the contents happen to be.
  template <class T>
  const T* put(std::span<const T> values, std::source_location place = std::source_location::current()) {
    return static_cast<const T*>(put_bytes(values.data(), values.size_bytes(), place));
  }
  void send();    // what was put since the last time, in one piece
  void clear();   // nothing that reads the arrays may be under way

 private:
  struct Entry {
    std::source_location place;
    size_t chunk, at, bytes;
  };
  struct Chunk {
    std::byte* device;
    std::vector<std::byte> host;
    size_t used, sent;
  };
  const void* put_bytes(const void* data, size_t bytes, std::source_location place);

  GpuDevice& device_;
  std::vector<Chunk> chunks_;
  size_t chunk_ = 0;                         // that is being filled
  std::multimap<uint64_t, Entry> entries_;   // by hash of the contents
};

/// The unused bytes between a struct's members are set to 0: lists are compared by their bytes. Not for arrays of structs: g++ 12 clears
/// used bytes of the first.
template <class Args>
void clear_padding(Args& args) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(&args);
#endif
#elif defined(_MSC_VER)
  __builtin_zero_non_value_bits(&args);
#endif
  (void)args;   // elsewhere a list that differs in such bytes only is taken for a new one
}

struct GpuContext {
  explicit GpuContext(std::unique_ptr<GpuDevice> on);

  const bool attends_in_tiles;   // CONCLAVE_ATTEND_TILES
  std::unique_ptr<GpuDevice> device;
  Staging staging;
  LaunchList list;         // not yet given to the device
  Scratch codes{*this}, scales{*this}, hidden_codes{*this}, hidden_scales{*this}, hidden{*this}, pair_row{*this}, pair_weight{*this}, pair_first{*this}, pair_active{*this};
  Scratch pair_place{*this}, pair_tiles{*this}, pair_values{*this};
  Scratch logits{*this}, selection{*this}, partial{*this}, state{*this}, mixed{*this}, inverse{*this}, top{*this};
  const int64_t tile_rows = debug_switch_int("CONCLAVE_TILE_ROWS", 1, 1 << 20);

  template <class Args>
  void launch(KernelId kernel, DType format, Grid grid, const Args& args) {
    Args own = args;
    clear_padding(own);
    list.launch(kernel, static_cast<int>(format), grid, &own, sizeof(own));
  }
  template <class Args>
  void launch(KernelId kernel, Grid grid, const Args& args) { launch(kernel, DType::kF32, grid, args); }
  /// Gives the device what was recorded, its arrays first.
  void flush();
};

inline int32_t blocks(int64_t n, int64_t each) { return static_cast<int32_t>((n + each - 1) / each); }
inline bool is_plain(DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; }

/// A weight's bytes on the device. Throws Error(kInternal) for one that was not prepared.
const uint8_t* device_bytes(const Weight& weight);
/// A parameter of floats; nullptr for none. Throws Error(kUnsupported) by name for another type.
const float* device_floats(const Weight* weight);
Matrix matrix_of(const Weight& weight);

/// What weights of each kind read of x: both forms if both kinds are there.
struct RowForms { bool plain = false, quantised = false; };
inline void need(RowForms& forms, const Weight& weight) { (is_plain(weight.type) ? forms.plain : forms.quantised) = true; }
/// Rows of x ([n][n_sets * set_stride], d values of each set), quantised in n_terms if need be. `rows` picks rows, on the device.
Rows prepare_rows(GpuContext& context, Tensor x, int d, int n_sets, int64_t set_stride, int n_terms, RowForms forms, const int32_t* rows, int64_t n);

void embed(GpuContext&, Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale);
void norm(GpuContext&, const NormArgs& args);
void add(GpuContext&, Tensor out, Tensor x, float scale);
void gate(GpuContext&, Tensor x, Tensor gate);
void split_heads(GpuContext&, const SplitHeadsArgs& args);
void matmul(GpuContext&, Tensor x, std::span<const MatmulOutput> outputs);
void logits(GpuContext&, Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap);
void head_matmul(GpuContext&, const HeadMatmulArgs& args);
void top_logits(GpuContext&, const TopLogitsArgs& args);
void qk_rope(GpuContext&, const QkRopeArgs& args);
void store_kv(GpuContext&, const StoreKvArgs& args);
void attend(GpuContext&, const AttendArgs& args);
void delta_net(GpuContext&, const DeltaNetArgs& args);
void route(GpuContext&, const RouteArgs& args);
void moe_ffn(GpuContext&, const MoeFfnArgs& args);
void dense_ffn(GpuContext&, const DenseFfnArgs& args);

}  // namespace conclave::gpu
