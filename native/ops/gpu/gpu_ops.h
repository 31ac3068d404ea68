// What the GPU's ops share: the device, scratch memory that grows to the largest call and stays, and the small arrays of a
// pass (positions, pages) on their way to the device. Each op is a free function of this context in the file of its name.
#pragma once
#include <cstring>
#include <map>
#include <tuple>
#include <vector>

#include "ops/gpu/gpu_device.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu {

/// Device memory that keeps its largest size so far; contents are lost when it grows.
class Scratch {
 public:
  explicit Scratch(GpuDevice& device) : device_(device) {}
  ~Scratch() { device_.free(buffer_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* get(size_t n) {
    grow(n * sizeof(T));
    return static_cast<T*>(buffer_);
  }

 private:
  void grow(size_t bytes);

  GpuDevice& device_;
  void* buffer_ = nullptr;
  size_t bytes_ = 0;
};

/// Host arrays on the device until the next pass begins. The same contents travel once: every layer asks for the same ones.
class Staging {
 public:
  explicit Staging(GpuDevice& device) : device_(device) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  template <class T>
  const T* put(std::span<const T> values) { return static_cast<const T*>(put_bytes(values.data(), values.size_bytes())); }
  void clear();   // nothing that reads the arrays may be under way

 private:
  struct Entry {
    std::vector<std::byte> bytes;
    const void* device;
  };
  struct Chunk {
    std::byte* memory;
    size_t bytes, used;
  };
  const void* put_bytes(const void* data, size_t bytes);

  GpuDevice& device_;
  std::vector<Chunk> chunks_;
  std::multimap<uint64_t, Entry> entries_;   // by hash of the contents
};

struct GpuContext {
  explicit GpuContext(std::unique_ptr<GpuDevice> on);

  std::unique_ptr<GpuDevice> device;
  Staging staging;
  Scratch codes, scales, hidden_codes, hidden_scales, hidden, pair_row, pair_weight, pair_first, pair_active, logits, selection, partial, state, mixed, inverse;

  template <class Args>
  void launch(KernelId kernel, DType format, Grid grid, const Args& args) { device->launch(kernel, static_cast<int>(format), grid, &args, sizeof(args)); }
  template <class Args>
  void launch(KernelId kernel, Grid grid, const Args& args) { launch(kernel, DType::kF32, grid, args); }
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
void qk_rope(GpuContext&, const QkRopeArgs& args);
void store_kv(GpuContext&, const StoreKvArgs& args);
void attend(GpuContext&, const AttendArgs& args);
void delta_net(GpuContext&, const DeltaNetArgs& args);
void route(GpuContext&, const RouteArgs& args);
void moe_ffn(GpuContext&, const MoeFfnArgs& args);
void dense_ffn(GpuContext&, const DenseFfnArgs& args);

}  // namespace conclave::gpu
