// Handles that cross the ops interface. A Tensor is a view of activations in a device buffer; a Weight is a
// parameter that the backend may have laid out in its own way. Neither owns memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include "formats/block_types.h"

namespace conclave {

/// [n_rows][d_row] with `stride` elements from row to row; the last dimension is contiguous.
struct Tensor {
  void* data = nullptr;
  DType type = DType::kF32;
  int64_t n_rows = 0, d_row = 0, stride = 0;

  float* f32(int64_t row = 0) const { return static_cast<float*>(data) + row * stride; }
  int32_t* i32(int64_t row = 0) const { return static_cast<int32_t*>(data) + row * stride; }
  Tensor rows(int64_t first, int64_t count) const {
    Tensor view = *this;
    view.data = static_cast<std::byte*>(data) + first * stride * 4;   // views are only taken of 4-byte types
    view.n_rows = count;
    return view;
  }
  explicit operator bool() const { return data != nullptr; }
};

/// A parameter [n_experts][d_out][d_in] in blocks of `type`; vectors have d_out = 1, matrices n_experts = 1.
struct Weight {
  const std::byte* data = nullptr;   // as in the file
  DType type = DType::kF32;
  int64_t d_in = 0, d_out = 1, n_experts = 1;
  const char* name = "";
  void* device = nullptr;            // the backend's own form, if it made one
  size_t expert_stride = 0;          // bytes from expert to expert when `data` is a view of a fused tensor; 0: expert_bytes()

  explicit operator bool() const { return data != nullptr || device != nullptr; }
  size_t row_bytes() const { return conclave::row_bytes(type, d_in); }
  size_t expert_bytes() const { return row_bytes() * static_cast<size_t>(d_out); }
  size_t bytes() const { return expert_bytes() * static_cast<size_t>(n_experts); }
  const std::byte* row(int64_t out, int64_t expert = 0) const {
    const size_t stride = expert_stride != 0 ? expert_stride : expert_bytes();
    return data + stride * static_cast<size_t>(expert) + row_bytes() * static_cast<size_t>(out);
  }
};

}  // namespace conclave
