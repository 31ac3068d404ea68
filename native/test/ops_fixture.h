// What the op tests are made of: random weights of every block format, random activations, and double-precision
// references written straight from the definitions in ops.h.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "check.h"
#include "formats/half.h"
#include "mirrored_ops.h"
#include "ops/cpu/cpu_ops.h"
#include "ops/cuda/cuda_ops.h"
#include "ops/gpu_host/host_device.h"
#include "ops/metal/metal_ops.h"

namespace conclave::test {

/// Where a format keeps its 16-bit float scales, so that random blocks get sane ones.
struct FormatCase { DType type; std::vector<int> half_at; };
inline const std::vector<FormatCase>& formats() {
  static const std::vector<FormatCase> all = {
      {DType::kF32, {}}, {DType::kF16, {}}, {DType::kBF16, {}}, {DType::kQ4_0, {0}}, {DType::kQ4_1, {0, 2}}, {DType::kQ5_0, {0}}, {DType::kQ5_1, {0, 2}},
      {DType::kQ8_0, {0}}, {DType::kQ2_K, {80, 82}}, {DType::kQ3_K, {108}}, {DType::kQ4_K, {0, 2}}, {DType::kQ5_K, {0, 2}}, {DType::kQ6_K, {208}},
      {DType::kIQ4_NL, {0}}, {DType::kIQ4_XS, {0}}, {DType::kMXFP4, {}}};
  return all;
}
inline const char* type_name(DType type) { return dtype_traits(type)->name; }
inline bool is_plain(DType type) { return dtype_traits(type)->block_elements == 1; }

/// A weight that owns its bytes, at an odd address: files promise blocks no alignment inside fused or sliced tensors.
struct OwnedWeight {
  std::vector<std::byte> bytes;
  Weight view;
};

inline std::mt19937& random_engine() { static std::mt19937 engine(7); return engine; }
inline float normal() { static std::normal_distribution<float> d; return d(random_engine()); }

inline OwnedWeight random_weight(DType type, int64_t n_experts, int64_t d_out, int64_t d_in) {
  OwnedWeight out;
  out.view = {nullptr, type, d_in, d_out, n_experts, "test", nullptr};
  const size_t n = out.view.bytes();
  const size_t skew = is_plain(type) ? 0 : 1;
  out.bytes.resize(n + skew);
  std::byte* p = out.bytes.data() + skew;
  out.view.data = p;
  const DTypeTraits& traits = *dtype_traits(type);
  if (is_plain(type)) {
    for (size_t i = 0; i < n; i += traits.block_bytes) {
      const float value = normal() * 0.1f;
      const uint16_t half = type == DType::kF16 ? f32_to_f16(value) : f32_to_bf16(value);
      if (type == DType::kF32) std::memcpy(p + i, &value, 4);
      else std::memcpy(p + i, &half, 2);
    }
    return out;
  }
  for (size_t i = 0; i < n; ++i) p[i] = static_cast<std::byte>(random_engine()() & 255);
  const auto& all = formats();
  const FormatCase& format = *std::find_if(all.begin(), all.end(), [&](const FormatCase& f) { return f.type == type; });
  for (size_t block = 0; block < n; block += traits.block_bytes) {
    for (const int at : format.half_at) {
      const uint16_t half = f32_to_f16(0.001f + 0.0002f * std::fabs(normal()));
      std::memcpy(p + block + at, &half, 2);
    }
    if (type == DType::kMXFP4) p[block] = static_cast<std::byte>(118 + random_engine()() % 6);
  }
  return out;
}

/// [n][d] of floats in `stride` = d + 16 so that rows are not adjacent.
struct OwnedTensor {
  std::vector<float> values;
  Tensor view;
  OwnedTensor(int64_t n, int64_t d, bool random = true) : values(static_cast<size_t>(n * (d + 16) + 16), -99.f) {
    view = {values.data(), DType::kF32, n, d, d + 16};
    if (random)
      for (int64_t r = 0; r < n; ++r)
        for (int64_t i = 0; i < d; ++i) view.f32(r)[i] = normal();
  }
  OwnedTensor(OwnedTensor&&) = default;
};

inline std::vector<double> weight_row(const Weight& weight, int64_t row, int64_t expert = 0) {
  std::vector<float> values(static_cast<size_t>(weight.d_in));
  dequantize_row(weight.type, weight.row(row, expert), values.data(), weight.d_in);
  return {values.begin(), values.end()};
}

/// The rule of the fast path's activations: blocks of 32, the largest magnitude at 127, ties to even.
inline std::vector<double> as_quantised(const std::vector<double>& x) {
  std::vector<double> out(x.size());
  for (size_t b = 0; b < x.size(); b += 32) {
    float largest = 0;
    for (size_t i = b; i < b + 32; ++i) largest = std::max(largest, std::fabs(static_cast<float>(x[i])));
    const float inverse = largest > 0 ? 127.f / largest : 0.f;
    for (size_t i = b; i < b + 32; ++i) out[i] = std::nearbyint(static_cast<float>(x[i]) * inverse) * static_cast<double>(largest / 127.f);
  }
  return out;
}

/// What the products of `matmul` read: the codes, and the codes of what they leave out.
inline std::vector<double> in_two_terms(const std::vector<double>& x) {
  std::vector<double> first = as_quantised(x), rest(x.size());
  for (size_t i = 0; i < x.size(); ++i) rest[i] = x[i] - first[i];
  rest = as_quantised(rest);
  for (size_t i = 0; i < x.size(); ++i) first[i] += rest[i];
  return first;
}

inline std::vector<double> row_of(const Tensor& x, int64_t row) { return {x.f32(row), x.f32(row) + x.d_row}; }

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// ||out - reference|| / ||reference|| over everything added.
struct Distance {
  double error = 0, size = 0;
  void add(double out, double reference) {
    error += (out - reference) * (out - reference);
    size += reference * reference;
    if (!std::isfinite(out)) error = INFINITY;
  }
  double relative() const { return size > 0 ? std::sqrt(error / size) : std::sqrt(error); }
};

inline void check_distance(const Distance& distance, double bound, const std::string& what) {
  CHECK_MSG(distance.relative() <= bound, what + ": relative error " + std::to_string(distance.relative()) + " is above " + std::to_string(bound));
}

/// Every table of ops that can run here: exact, each SIMD level, and the GPU's kernels compiled for the host in both languages' words.
struct Level {
  std::string name;
  std::unique_ptr<Ops> ops;
  bool exact;
  bool gpu = false;   // whose kernels for more rows than kSameBitsRows add up in another order
  bool thin = false;   // leaves the largest cases to the level beside it
};
inline constexpr int64_t kSameBitsRows = 32;
inline std::vector<Level>& levels() {
  static std::vector<Level> all = [] {
    std::vector<Level> out;
    out.push_back({"exact", make_cpu_ops({2, Precision::kExact}), true});
    for (const char* name : {"portable", "avx2", "avx512"})
      if (const Kernels* kernels = find_kernels(name)) out.push_back({name, make_cpu_ops_with({2, Precision::kFast}, *kernels), false});
#if !defined(__SANITIZE_THREAD__)   // which loses its way when a kernel changes stacks
    out.push_back({"cuda-on-host", std::make_unique<MirroredOps>(gpu::make_gpu_ops(gpu_host::make_host_device("cuda-on-host"))), false, true});
    out.push_back({"metal-on-host", std::make_unique<MirroredOps>(gpu::make_gpu_ops(gpu_host::make_metal_host_device("metal-on-host"))), false, true, true});
#endif
    for (const auto& [name, variable, make] : {std::tuple{"cuda", "CONCLAVE_TEST_CUDA", &make_cuda_ops}, std::tuple{"metal", "CONCLAVE_TEST_METAL", &make_metal_ops}}) {
      if (!std::getenv(variable)) continue;
      std::string why;
      std::unique_ptr<Ops> ops = make(why);
      CHECK_MSG(ops != nullptr, std::string(variable) + " asks for the graphics card, but " + why);
      out.push_back({name, std::make_unique<MirroredOps>(std::move(ops)), false, true});
    }
    return out;
  }();
  return all;
}

inline bool same_bits(const float* a, const float* b, int64_t n) { return std::memcmp(a, b, static_cast<size_t>(n) * sizeof(float)) == 0; }

}  // namespace conclave::test
