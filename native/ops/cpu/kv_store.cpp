// Writing keys and values into their pages, and the plain reading of them.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "formats/half.h"
#include "formats/quant_blocks.h"
#include "ops/cpu/cpu_ops.h"
#include "ops/cpu/kv_page.h"

namespace conclave {
namespace {

/// Each value in a plain type, `stride` bytes apart.
void put(std::byte* at, size_t stride, DType type, const float* values, int n) {
  const auto store = [&](auto convert) {
    for (int i = 0; i < n; ++i) {
      const auto bits = convert(values[i]);
      std::memcpy(at + static_cast<size_t>(i) * stride, &bits, sizeof(bits));
    }
  };
  if (type == DType::kF32) store([](float value) { return value; });
  else if (type == DType::kF16) store([](float value) { return f32_to_f16(value); });
  else store([](float value) { return f32_to_bf16(value); });
}

float get(const std::byte* at, DType type) {
  if (type == DType::kF32) {
    float value;
    std::memcpy(&value, at, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return type == DType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

size_t element_bytes(DType type) { return type == DType::kF32 ? 4 : 2; }

/// Q8_0 of 32 values: the scale as half, codes rounded against the scale as stored.
uint16_t quantize_block(const float* x, int8_t* codes) {
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const uint16_t scale = f32_to_f16(largest / 127.f);
  const float stored = f16_to_f32(scale), inverse = stored > 0.f && std::isfinite(stored) ? 1.f / stored : 0.f;
  for (int i = 0; i < kBlock; ++i) codes[i] = static_cast<int8_t>(std::clamp(std::nearbyint(x[i] * inverse), -127.f, 127.f));
  return scale;
}

}  // namespace

void store_key(std::byte* page, DType type, int offset, const float* key, int d) {
  if (type != DType::kQ8_0) {
    const size_t bytes = element_bytes(type);
    put(page + static_cast<size_t>(offset) * bytes, kPageTokens * bytes, type, key, d);
    return;
  }
  std::byte* codes = page + static_cast<size_t>(d / kBlock) * kPageTokens * 2;
  for (int b = 0; b < d / kBlock; ++b) {
    int8_t block[kBlock];
    const uint16_t scale = quantize_block(key + b * kBlock, block);
    std::memcpy(page + static_cast<size_t>(b * kPageTokens + offset) * 2, &scale, 2);
    for (int i = 0; i < kBlock; ++i) codes[static_cast<size_t>(b * kBlock + i) * kPageTokens + static_cast<size_t>(offset)] = static_cast<std::byte>(block[i]);
  }
}

void store_value(std::byte* page, DType type, int offset, const float* value, int d) {
  std::byte* row = page + row_bytes(type, d) * static_cast<size_t>(offset);
  if (type != DType::kQ8_0) {
    put(row, element_bytes(type), type, value, d);
    return;
  }
  for (int b = 0; b < d / kBlock; ++b) {
    BlockQ8_0 block;
    block.d = quantize_block(value + b * kBlock, block.qs);
    std::memcpy(row + static_cast<size_t>(b) * sizeof(block), &block, sizeof(block));
  }
}

void load_key(const std::byte* page, DType type, int offset, float* key, int d) {
  if (type != DType::kQ8_0) {
    const size_t bytes = element_bytes(type);
    for (int i = 0; i < d; ++i) key[i] = get(page + static_cast<size_t>(i * kPageTokens + offset) * bytes, type);
    return;
  }
  const std::byte* codes = page + static_cast<size_t>(d / kBlock) * kPageTokens * 2;
  for (int i = 0; i < d; ++i) {
    const float scale = get(page + static_cast<size_t>(i / kBlock * kPageTokens + offset) * 2, DType::kF16);
    key[i] = scale * static_cast<float>(static_cast<int8_t>(codes[static_cast<size_t>(i) * kPageTokens + static_cast<size_t>(offset)]));
  }
}

void load_value(const std::byte* page, DType type, int offset, float* value, int d) {
  dequantize_row(type, page + row_bytes(type, d) * static_cast<size_t>(offset), value, d);
}

void store_kv(CpuContext& context, const StoreKvArgs& args) {
  const int64_t n = static_cast<int64_t>(args.slots.size());
  const KvLayer& layer = args.layer;
  assert(args.k.n_rows == n && args.v.n_rows == n);
  constexpr int64_t kRowsAPiece = 4;
  context.pool.parallel_for((n + kRowsAPiece - 1) / kRowsAPiece, [&](int64_t piece, int) {
    for (int64_t row = piece * kRowsAPiece; row < n && row < (piece + 1) * kRowsAPiece; ++row) {
      const int32_t slot = args.slots[static_cast<size_t>(row)];
      assert(slot >= 0 && slot / kPageTokens < layer.n_pages);
      for (int head = 0; head < layer.n_kv_heads; ++head) {
        // The pool's memory is ours to write; kv_page_at serves readers too, hence the casts.
        std::byte* k = const_cast<std::byte*>(kv_page_at(layer.k, layer.type, layer.n_kv_heads, layer.d_k, slot / kPageTokens, head));
        std::byte* v = const_cast<std::byte*>(kv_page_at(layer.v, layer.type, layer.n_kv_heads, layer.d_v, slot / kPageTokens, head));
        store_key(k, layer.type, slot % kPageTokens, args.k.f32(row) + head * layer.d_k, layer.d_k);
        store_value(v, layer.type, slot % kPageTokens, args.v.f32(row) + head * layer.d_v, layer.d_v);
      }
    }
  });
}

}  // namespace conclave
