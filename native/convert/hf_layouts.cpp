// See hf_layouts.h. Every layout is a function from a place in the result to a place in the source, in values; shapes are
// checked against config.json first, so that no place lies outside. Reading one value at a time is slow but no bottleneck
// where quantising follows.
#include "convert/hf_layouts.h"

#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "convert/hf_derived.h"
#include "formats/quantize.h"

namespace conclave {
namespace {

using Place = std::function<int64_t(int64_t row, int64_t column)>;
using Shape = std::vector<int64_t>;

std::string spelt(const Shape& shape) {
  std::string out;
  for (const int64_t n : shape) out += (out.empty() ? "" : " x ") + std::to_string(n);
  return out;
}

void expect(const SafeTensor& tensor, const Shape& shape) {
  if (tensor.shape != shape) throw Error(ErrorCode::kBadFile, "tensor '" + printable(tensor.name) + "' is " + spelt(tensor.shape) + " where config.json asks for " + spelt(shape));
}

SourceTensor gathered(const SafeTensor& tensor, const std::string& name, Shape dims, Place place, float (*change)(float) = nullptr) {
  const DType type = tensor.type->type;
  const std::byte* data = tensor.bytes.data();
  const size_t bytes = row_bytes(type, 1);
  const int64_t width = dims.at(0);
  return {.name = name, .type = type, .dims = std::move(dims), .parts = {}, .make_row = [=](int64_t row, float* out) {
            for (int64_t column = 0; column < width; ++column) {
              dequantize_row(type, data + static_cast<size_t>(place(row, column)) * bytes, out + column, 1);
              if (change != nullptr) out[column] = change(out[column]);
            }
          }};
}

/// OCP Microscaling formats v1.0: FP4 (E2M1) values, the even one of each pair in the low half of its byte, times 2^(scale - 127).
SourceTensor unpacked(const SafeTensor& blocks, const SafeTensor& scales, const std::string& name, Shape dims, std::function<int64_t(int64_t)> source_row) {
  static constexpr float kFp4[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
  const std::byte *packed = blocks.bytes.data(), *powers = scales.bytes.data();
  const int64_t n_blocks = dims.at(0) / 32;
  return {.name = name, .type = DType::kBF16, .dims = std::move(dims), .parts = {}, .make_row = [=](int64_t row, float* out) {
            for (int64_t block = 0, at = source_row(row) * n_blocks; block < n_blocks; ++block, ++at) {
              const float scale = std::ldexp(1.f, static_cast<int>(powers[at]) - 127);
              for (int64_t i = 0; i < 16; ++i) {
                const auto byte = static_cast<unsigned>(packed[at * 16 + i]);
                *out++ = kFp4[byte & 15] * scale;
                *out++ = kFp4[byte >> 4] * scale;
              }
            }
          }};
}

const SafeTensor& scales_of(const SafeTensor& blocks, const Safetensors& all) {
  const std::string name = blocks.name.substr(0, blocks.name.size() - std::string_view("blocks").size()) + "scales";
  const SafeTensor* scales = all.find(name);
  if (scales == nullptr) throw Error(ErrorCode::kBadFile, "the folder lacks '" + printable(name) + "'");
  if (blocks.type_name != "U8" || scales->type_name != "U8") throw Error(ErrorCode::kBadFile, "tensor '" + printable(blocks.name) + "' or its scales are not of type U8");
  return *scales;
}

/// The heads of linear attention, as config.json counts them.
struct LinearHeads {
  int64_t n_k, n_v, d_k, d_v, per_key;
  bool cycling;
  LinearHeads(const Json& config, bool cycling_heads)
      : n_k(hf_number(config, "linear_num_key_heads")), n_v(hf_number(config, "linear_num_value_heads")), d_k(hf_number(config, "linear_key_head_dim")), d_v(hf_number(config, "linear_value_head_dim")),
        per_key(n_v / n_k), cycling(cycling_heads) {
    if (n_v % n_k != 0) throw Error(ErrorCode::kBadFile, "config.json gives " + std::to_string(n_v) + " value heads, which " + std::to_string(n_k) + " key heads do not divide");
  }
  int64_t n_qk() const { return 2 * n_k * d_k; }
  /// Where dimension `i` of the value heads (each `width` wide) lies in the folder's order, which groups them by key head.
  int64_t value(int64_t i, int64_t width) const {
    if (!cycling) return i;
    const int64_t head = i / width;
    return (head % n_k * per_key + head / n_k) * width + i % width;
  }
  int64_t mixed(int64_t i) const { return i < n_qk() ? i : n_qk() + value(i - n_qk(), d_v); }
};

std::vector<SourceTensor> gather_linear(const SafeTensor& tensor, const HfTensor& rule, const std::string& block, const Json& config, const LinearHeads& heads) {
  const int64_t d = hf_number(config, "hidden_size"), values = heads.n_v * heads.d_v, mixed = heads.n_qk() + values;
  const std::string name = block + rule.target;
  switch (rule.layout) {
    case HfLayout::kQkvz: {
      const int64_t group_v = heads.per_key * heads.d_v, group = 2 * heads.d_k + 2 * group_v, q = heads.n_k * heads.d_k;
      expect(tensor, {heads.n_qk() + 2 * values, d});
      const auto qkv = [=, d_k = heads.d_k](int64_t row, int64_t column) {
        if (row < 2 * q) return (row % q / d_k * group + row / q * d_k + row % d_k) * d + column;
        const int64_t v = row - 2 * q;
        return (v / group_v * group + 2 * d_k + v % group_v) * d + column;
      };
      const auto z = [=, d_k = heads.d_k](int64_t row, int64_t column) { return (row / group_v * group + 2 * d_k + group_v + row % group_v) * d + column; };
      return {gathered(tensor, name, {d, mixed}, qkv), gathered(tensor, block + rule.second, {d, values}, z)};
    }
    case HfLayout::kQkv: expect(tensor, {mixed, d}); return {gathered(tensor, name, {d, mixed}, [=](int64_t row, int64_t column) { return heads.mixed(row) * d + column; })};
    case HfLayout::kValueRows: expect(tensor, {values, d}); return {gathered(tensor, name, {d, values}, [=](int64_t row, int64_t column) { return heads.value(row, heads.d_v) * d + column; })};
    case HfLayout::kValueColumns: expect(tensor, {d, values}); return {gathered(tensor, name, {values, d}, [=](int64_t row, int64_t column) { return row * values + heads.value(column, heads.d_v); })};
    case HfLayout::kScalarRows: expect(tensor, {heads.n_v, d}); return {gathered(tensor, name, {d, heads.n_v}, [=](int64_t row, int64_t column) { return heads.value(row, 1) * d + column; })};
    case HfLayout::kConvolution: {
      const int64_t width = hf_number(config, "linear_conv_kernel_dim");
      expect(tensor, {mixed, 1, width});
      return {gathered(tensor, name, {width, mixed}, [=](int64_t row, int64_t column) { return heads.mixed(row) * width + column; })};
    }
    default:   // kScalars and kDecay
      expect(tensor, {heads.n_v});
      return {gathered(tensor, name, {heads.n_v}, [=](int64_t, int64_t column) { return heads.value(column, 1); }, rule.layout == HfLayout::kDecay ? +[](float x) { return -std::exp(x); } : nullptr)};
  }
}

std::vector<SourceTensor> gather_experts(const SafeTensor& tensor, const HfTensor& rule, const std::string& block, const Json& config, const Safetensors& all) {
  const int64_t n = hf_number(config, "num_local_experts"), d = hf_number(config, "hidden_size"), ff = hf_number(config, "intermediate_size");
  const std::string first = block + rule.target, second = rule.second != nullptr ? block + rule.second : std::string();
  const auto both = [&](auto make) { return std::vector<SourceTensor>{make(first, 0), make(second, 1)}; };
  switch (rule.layout) {
    case HfLayout::kTurnedGateUp:
      expect(tensor, {n, d, 2 * ff});
      return both([&](const std::string& name, int64_t half) { return gathered(tensor, name, {d, ff, n}, [=](int64_t row, int64_t column) { return (row / ff * d + column) * 2 * ff + 2 * (row % ff) + half; }); });
    case HfLayout::kTurned: expect(tensor, {n, ff, d}); return {gathered(tensor, first, {ff, d, n}, [=](int64_t row, int64_t column) { return (row / d * ff + column) * d + row % d; })};
    case HfLayout::kTurnedBias:
      expect(tensor, {n, 2 * ff});
      return both([&](const std::string& name, int64_t half) { return gathered(tensor, name, {ff, n}, [=](int64_t row, int64_t column) { return row * 2 * ff + 2 * column + half; }); });
    default: break;   // MXFP4
  }
  const bool down = rule.layout == HfLayout::kMx;
  const int64_t in = down ? ff : d, out = down ? d : 2 * ff;
  const SafeTensor& scales = scales_of(tensor, all);
  if (in % 32 != 0) throw Error(ErrorCode::kBadFile, "tensor '" + printable(tensor.name) + "' packs rows of " + std::to_string(in) + " values, which is no whole number of blocks of 32");
  expect(tensor, {n, out, in / 32, 16});
  expect(scales, {n, out, in / 32});
  if (down) return {unpacked(tensor, scales, first, {in, out, n}, [](int64_t row) { return row; })};
  return both([&](const std::string& name, int64_t half) { return unpacked(tensor, scales, name, {d, ff, n}, [half](int64_t row) { return 2 * row + half; }); });
}

}  // namespace

std::vector<SourceTensor> gather_layout(const SafeTensor& tensor, const HfTensor& rule, const std::string& block, const Json& config, bool cycling_heads, const Safetensors& all) {
  const std::string name = block + rule.target;
  switch (rule.layout) {
    case HfLayout::kPlusOne: {
      if (tensor.shape.size() != 1 || tensor.shape[0] < 1) expect(tensor, {hf_number(config, "hidden_size")});
      return {gathered(tensor, name, tensor.shape, [](int64_t, int64_t column) { return column; }, [](float x) { return x + 1; })};
    }
    case HfLayout::kUnfold: {
      const int64_t heads = hf_number(config, "num_attention_heads"), nope = hf_number(config, "qk_nope_head_dim"), d_v = hf_number(config, "v_head_dim"), latent = hf_number(config, "kv_lora_rank");
      expect(tensor, {heads * (nope + d_v), latent});
      return {gathered(tensor, name, {nope, latent, heads}, [=](int64_t row, int64_t column) { return (row / latent * (nope + d_v) + column) * latent + row % latent; }),
              gathered(tensor, block + rule.second, {latent, d_v, heads}, [=](int64_t row, int64_t column) { return (row / d_v * (nope + d_v) + nope + row % d_v) * latent + column; })};
    }
    case HfLayout::kTurnedGateUp: case HfLayout::kTurned: case HfLayout::kTurnedBias: case HfLayout::kMxGateUp: case HfLayout::kMx: return gather_experts(tensor, rule, block, config, all);
    default: return gather_linear(tensor, rule, block, config, LinearHeads(config, cycling_heads));
  }
}

}  // namespace conclave
