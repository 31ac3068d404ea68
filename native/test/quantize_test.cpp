// Writing block formats: what is written must read back close to the source (bounds from each format's step), exactly
// where the format can say it exactly, and never as anything but finite numbers, however odd the row.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/error.h"
#include "convert/quantize_plan.h"
#include "formats/quantize.h"
#include "test/check.h"

using namespace conclave;

namespace {

std::vector<float> written_and_read(DType type, const std::vector<float>& values) {
  const auto n = static_cast<int64_t>(values.size());
  std::vector<std::byte> bytes(row_bytes(type, n) + 1, std::byte{0xa5});
  quantize_row(type, values.data(), bytes.data(), n);
  CHECK_MSG(bytes.back() == std::byte{0xa5}, "wrote beyond its row");
  std::vector<float> back(values.size());
  dequantize_row(type, bytes.data(), back.data(), n);
  return back;
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double miss = 0, sum = 0;
  for (size_t i = 0; i < a.size(); ++i) miss += std::pow(double{a[i]} - b[i], 2), sum += std::pow(double{a[i]}, 2);
  return std::sqrt(miss / sum);
}

std::vector<float> normal_values(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.f, 0.02f);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

struct Bound {
  DType type;
  double error;   // rms over rms for normal weights
};

// Measured 0.0054, 0.0175, 0.0348, 0.0709, 0.0746, 0.0825, 0.1124. Without the searches (scales read off the extremes)
// Q4_K misses by 0.0785 before its scales are even rounded, Q4_0 by 0.0867.
constexpr Bound kBounds[] = {
    {DType::kQ8_0, 0.0057}, {DType::kQ6_K, 0.0185}, {DType::kQ5_K, 0.0365}, {DType::kQ4_K, 0.0745}, {DType::kIQ4_NL, 0.078}, {DType::kQ4_0, 0.0855}, {DType::kMXFP4, 0.118},
};

constexpr DType kAll[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kIQ4_NL, DType::kMXFP4, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

SourceTensor tensor(const char* name, std::vector<int64_t> dims, DType type = DType::kF16) { return {.name = name, .type = type, .dims = std::move(dims), .parts = {}}; }

}  // namespace

TEST("normal weights come back within each format's bound") {
  const std::vector<float> values = normal_values(256 * 64, 1);
  for (const Bound& bound : kBounds) {
    const double error = relative_error(values, written_and_read(bound.type, values));
    CHECK_MSG(error < bound.error, std::string(dtype_traits(bound.type)->name) + " misses by " + std::to_string(error));
  }
}

TEST("weights with an offset use the minimum, so K types lose nothing to it") {
  std::vector<float> values = normal_values(256 * 16, 2);
  for (float& value : values) value -= 0.05f;
  CHECK(relative_error(values, written_and_read(DType::kQ4_K, values)) < 0.03);
  CHECK(relative_error(values, written_and_read(DType::kQ5_K, values)) < 0.015);
}

TEST("values that a format holds exactly come back exactly") {
  std::vector<float> values(256);
  for (size_t i = 0; i < values.size(); ++i) values[i] = 0.25f * static_cast<float>(static_cast<int>(i * 7 % 16) - 8);
  values[0] = values[32] = -2.f;
  CHECK(written_and_read(DType::kQ4_0, values) == values);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(static_cast<int>(i * 37 % 255) - 127);
  for (size_t i = 0; i < values.size(); i += 32) values[i] = 127;
  CHECK(written_and_read(DType::kQ8_0, values) == values);
  constexpr float kFp4[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (size_t i = 0; i < values.size(); ++i) values[i] = kFp4[i % 8] * (i % 3 == 0 ? -1.f : 1.f) / 16;
  for (size_t i = 0; i < values.size(); ++i) values[i] += 0.f;   // no negative zeros
  CHECK(written_and_read(DType::kMXFP4, values) == values);
}

TEST("rows of zeros, of one value, of one outlier, of the smallest and largest numbers stay finite and near") {
  std::vector<std::vector<float>> rows;
  for (const float fill : {0.f, 1.f, -1.f, 65504.f, -65504.f, 1e-38f, 6e-8f, -1e-6f}) rows.emplace_back(256, fill);
  rows.emplace_back(256, 0.f).at(17) = 1000.f;
  rows.emplace_back(256, 0.001f).at(255) = -1000.f;
  rows.push_back(normal_values(256, 3));
  for (float& value : rows.back()) value *= 1e-30f;
  for (const DType type : kAll) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const std::vector<float> back = written_and_read(type, rows[r]);
      float most = 0;
      for (const float value : rows[r]) most = std::max(most, std::abs(value));
      for (size_t i = 0; i < back.size(); ++i) {
        CHECK_MSG(std::isfinite(back[i]), std::string(dtype_traits(type)->name) + " row " + std::to_string(r));
        // Below 1e-5 a 16-bit scale has few bits left and may be none at all.
        const float allowed = most < 1e-5f ? most : 0.26f * most;
        CHECK_MSG(std::abs(back[i] - rows[r][i]) <= allowed, std::string(dtype_traits(type)->name) + " row " + std::to_string(r) + " value " + std::to_string(back[i]) + " for " + std::to_string(rows[r][i]));
      }
    }
  }
}

TEST("a block depends on its own values alone") {
  const std::vector<float> values = normal_values(512, 4);
  for (const DType type : kAll) {
    const std::vector<float> whole = written_and_read(type, values), second = written_and_read(type, {values.begin() + 256, values.end()});
    CHECK(std::equal(second.begin(), second.end(), whole.begin() + 256));
  }
}

TEST("types that cannot be written are refused by name") {
  CHECK(!is_quantizable(DType::kQ2_K));
  const std::vector<float> values(256);
  std::byte out[256];
  try {
    quantize_row(DType::kQ2_K, values.data(), out, 256);
    CHECK_MSG(false, "nothing was thrown");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("Q2_K") != std::string::npos);
  }
}

TEST("norms, biases and routers stay F32 and rows that blocks do not divide get shorter blocks or none") {
  const QuantizeRequest q4{.type = DType::kQ4_K};
  CHECK(stored_type(tensor("blk.0.attn_norm.weight", {256}), q4) == DType::kF32);
  CHECK(stored_type(tensor("blk.0.ffn_gate_inp.weight", {256, 8}), q4) == DType::kF32);
  CHECK(stored_type(tensor("blk.0.ffn_gate_exps.bias", {256, 8}), q4) == DType::kF32);
  CHECK(stored_type(tensor("blk.0.attn_q.weight", {256, 256}), q4) == DType::kQ4_K);
  CHECK(stored_type(tensor("output.weight", {256, 1000}), q4) == DType::kQ6_K);
  CHECK(stored_type(tensor("blk.0.ffn_down_exps.weight", {1408, 256, 8}), q4) == DType::kIQ4_NL);
  CHECK(stored_type(tensor("output.weight", {1408, 1000}), q4) == DType::kQ8_0);
  CHECK(stored_type(tensor("blk.0.ffn_down_exps.weight", {100, 256, 8}), q4) == DType::kF16);
}

TEST("experts only: everything else keeps the source's floats") {
  const QuantizeRequest request{.type = DType::kMXFP4, .experts_only = true};
  CHECK(stored_type(tensor("blk.0.ffn_up_exps.weight", {256, 64, 8}), request) == DType::kMXFP4);
  CHECK(stored_type(tensor("blk.0.attn_q.weight", {256, 256}, DType::kBF16), request) == DType::kBF16);
  CHECK(stored_type(tensor("blk.0.attn_norm.weight", {256}, DType::kBF16), request) == DType::kF32);
}

int main(int argc, char** argv) { return conclave::test::run_tests(argc, argv); }
