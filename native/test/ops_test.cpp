// Every op on every level that this machine has, against double-precision references. Bounds: `kArithmetic` where the
// reference reads the same numbers as the kernel (float sums of some thousand terms), `kActivations` where it reads the
// unquantised activations: int8 with the largest of 32 at 127 costs about 0.5 % of a random row's length.
#include <limits>

#include "attend_fixture.h"
#include "ops_perf.h"

#include "base/error.h"
#include "ops/gpu/pick_attention.h"
#include "ops/gpu/pick_config.h"

using namespace conclave;
using namespace conclave::test;

namespace {

constexpr double kArithmetic = 2e-5, kActivations = 9e-3, kTwoTerms = 1e-4, kFixedPoint = 5e-4;

// ---- matmul ------------------------------------------------------------------------------------------------------

struct MatmulCase { int64_t n, d_in, d_out; const char* why; };
const MatmulCase kMatmulCases[] = {
    {1, 256, 64, "one row, one block, one strip"},
    {3, 512, 16, "a panel"},
    {8, 768, 70, "a full tile, rows that do not fill a panel"},
    {9, 256, 5, "fewer rows than a panel, a tile and one"},
    {257, 512, 40, "more rows than a token block"},
    {2, 1280, 1, "one output"},
};

void check_matmul(const Level& level, DType type, const MatmulCase& shape) {
  OwnedWeight weight = random_weight(type, 1, shape.d_out, shape.d_in);
  OwnedTensor x(shape.n, shape.d_in), out(shape.n, shape.d_out, false);
  OwnedWeight bias = random_weight(DType::kF32, 1, 1, shape.d_out);
  const MatmulOutput output{out.view, &weight.view, &bias.view, 0.5f, false};
  level.ops->matmul(x.view, {&output, 1});
  const bool quantises = !level.exact && !is_plain(type);
  const std::vector<double> biases = weight_row(bias.view, 0);
  Distance arithmetic, activations;
  for (int64_t o = 0; o < shape.d_out; ++o) {
    const std::vector<double> row = weight_row(weight.view, o);
    for (int64_t t = 0; t < shape.n; t += t < 10 ? 1 : 7) {
      const std::vector<double> xs = row_of(x.view, t);
      const double b = biases[static_cast<size_t>(o)];
      activations.add(out.view.f32(t)[o], (dot(row, xs) + b) * 0.5);
      arithmetic.add(out.view.f32(t)[o], (dot(row, quantises ? in_two_terms(xs) : xs) + b) * 0.5);
    }
  }
  const std::string what = level.name + " " + type_name(type) + ", " + shape.why;
  check_distance(arithmetic, kArithmetic, what);
  // A single output is one sample of the error, not its average.
  if (shape.d_out > 1) check_distance(activations, quantises ? kTwoTerms : kArithmetic, what + " against unquantised activations");
}

TEST("matmul: every format and level, on odd shapes") {
  for (const Level& level : levels())
    for (const FormatCase& format : formats())
      for (const MatmulCase& shape : kMatmulCases) check_matmul(level, format.type, shape);
}

const MatmulCase kManyRows[] = {
    {33, 256, 136, "the first number of rows for matrix fragments, and a second tile of eight outputs"},
    {65, 512, 24, "a tile of rows and one, fewer outputs than a tile"},
    {129, 256, 3, "more tiles of rows, three outputs"},
};

TEST("matmul: many rows in every format, as matrix fragments multiply them") {
  for (const Level& level : levels()) {
    if (!level.gpu) continue;
    for (const FormatCase& format : formats())
      for (const MatmulCase& shape : kManyRows) check_matmul(level, format.type, shape);
    check_matmul(level, DType::kF16, {40, 67, 20, "rows of halves that begin between words"});
    check_matmul(level, DType::kBF16, {40, 40, 20, "rows that do not fill a step"});
    check_matmul(level, DType::kQ5_1, {40, 96, 20, "an odd number of blocks"});

    OwnedWeight weight = random_weight(DType::kQ4_K, 1, 40, 512);
    OwnedTensor x(kSameBitsRows + 1, 512), out(kSameBitsRows + 1, 40, false), few(kSameBitsRows, 40, false);
    MatmulOutput output{out.view, &weight.view, nullptr, 1.f, false};
    level.ops->matmul(x.view, {&output, 1});
    output.out = few.view;
    level.ops->matmul(x.view.rows(0, kSameBitsRows), {&output, 1});
    CHECK_MSG(!same_bits(few.values.data(), out.values.data(), 40), level.name + ": the same kernel multiplied one row more");
  }
}

TEST("matmul: when matrix fragments are worth it") {
  using gpu::pick_product;
  for (int64_t n = 1; n <= gpu::kMostExactRows; ++n) CHECK(!pick_product(n, static_cast<double>(n), 33).tiles);
  CHECK(!pick_product(32, 32, 33).tiles && pick_product(33, 33, 33).tiles);
  CHECK(!pick_product(256, 256 * 2 / 160.0, 33).tiles && pick_product(256, 256 * 8 / 128.0, 33).tiles);
}

// ---- feed-forwards -----------------------------------------------------------------------------------------------

struct FfnCase { int64_t n, d, d_ff, n_experts, k; DType gate, down; Activation activation; bool biases; const char* why; };
const FfnCase kFfnCases[] = {
    {1, 256, 256, 4, 2, DType::kQ4_K, DType::kQ6_K, Activation::kSilu, false, "one row, the usual mix of types"},
    {5, 512, 256, 60, 4, DType::kQ4_0, DType::kQ8_0, Activation::kSilu, false, "most experts without a row"},
    {257, 256, 512, 3, 2, DType::kQ5_K, DType::kQ5_K, Activation::kGeluTanh, false, "more rows for an expert than a token block"},
    {9, 288, 96, 8, 3, DType::kMXFP4, DType::kMXFP4, Activation::kClampedSwiglu, true, "widths that do not fill a chunk, biases"},
    {4, 256, 160, 4, 1, DType::kQ4_K, DType::kF16, Activation::kSilu, false, "quantised into plain"},
    {3, 40, 64, 4, 2, DType::kBF16, DType::kIQ4_NL, Activation::kSilu, false, "plain into quantised, an odd width"},
    {33, 64, 24, 5, 5, DType::kF32, DType::kF32, Activation::kSilu, true, "every expert for every row"},
};

double activate(Activation activation, double g, double u) {
  const auto logistic = [](double x) { return 1 / (1 + std::exp(-x)); };
  if (activation == Activation::kSilu) return g * logistic(g) * u;
  if (activation == Activation::kGeluTanh) return 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g))) * u;
  g = std::min(g, 7.0);
  u = std::clamp(u, -7.0, 7.0);
  return (u + 1) * g * logistic(1.702 * g);
}

struct FfnFixture {
  OwnedWeight gate, up, down, gate_bias, up_bias, down_bias;
  bool biases;
  explicit FfnFixture(const FfnCase& c)
      : gate(random_weight(c.gate, c.n_experts, c.d_ff, c.d)), up(random_weight(c.gate, c.n_experts, c.d_ff, c.d)), down(random_weight(c.down, c.n_experts, c.d, c.d_ff)),
        gate_bias(random_weight(DType::kF32, c.n_experts, 1, c.d_ff)), up_bias(random_weight(DType::kF32, c.n_experts, 1, c.d_ff)), down_bias(random_weight(DType::kF32, c.n_experts, 1, c.d)), biases(c.biases) {}
  FfnWeights view() const {
    return {&gate.view, &up.view, &down.view, biases ? &gate_bias.view : nullptr, biases ? &up_bias.view : nullptr, biases ? &down_bias.view : nullptr};
  }
  std::vector<double> apply(int64_t expert, const std::vector<double>& x, Activation activation) const {
    const auto bias_of = [&](const OwnedWeight& b) { return biases ? weight_row(b.view, 0, expert) : std::vector<double>(static_cast<size_t>(b.view.d_in), 0.0); };
    const std::vector<double> bg = bias_of(gate_bias), bu = bias_of(up_bias);
    std::vector<double> hidden(bg.size()), out = bias_of(down_bias);
    for (size_t i = 0; i < hidden.size(); ++i) {
      const int64_t row = static_cast<int64_t>(i);
      hidden[i] = activate(activation, dot(weight_row(gate.view, row, expert), x) + bg[i], dot(weight_row(up.view, row, expert), x) + bu[i]);
    }
    for (size_t i = 0; i < out.size(); ++i) out[i] += dot(weight_row(down.view, static_cast<int64_t>(i), expert), hidden);
    return out;
  }
};

void check_moe(const Level& level, const FfnCase& c) {
  const FfnFixture ffn(c);
  OwnedTensor x(c.n, c.d), out(c.n, c.d), weights(c.n, c.k);
  std::vector<int32_t> ids(static_cast<size_t>(c.n * c.k));
  for (int64_t r = 0; r < c.n; ++r)
    for (int64_t j = 0; j < c.k; ++j) ids[static_cast<size_t>(r * c.k + j)] = static_cast<int32_t>((r * 7 % 3 + j) % c.n_experts);
  const Tensor experts{ids.data(), DType::kI32, c.n, c.k, c.k};
  const OwnedTensor before = [&] { OwnedTensor copy(c.n, c.d); for (int64_t r = 0; r < c.n; ++r) std::memcpy(copy.view.f32(r), out.view.f32(r), static_cast<size_t>(c.d) * 4); return copy; }();
  MoeFfnArgs args{out.view, x.view, experts, weights.view, ffn.view(), c.activation, 1.5f, true};
  level.ops->moe_ffn(args);

  Distance distance;
  for (int64_t r = 0; r < c.n; r += c.n > 40 ? 32 : 1) {
    std::vector<double> expected = row_of(before.view, r);
    for (int64_t j = 0; j < c.k; ++j) {
      const std::vector<double> y = ffn.apply(ids[static_cast<size_t>(r * c.k + j)], row_of(x.view, r), c.activation);
      for (size_t i = 0; i < y.size(); ++i) expected[i] += 1.5 * static_cast<double>(weights.view.f32(r)[j]) * y[i];
    }
    for (int64_t i = 0; i < c.d; ++i) distance.add(out.view.f32(r)[i], expected[static_cast<size_t>(i)]);
  }
  const bool plain = is_plain(c.gate) && is_plain(c.down);
  // Two quantisations follow one another, and products of gate and up add their errors.
  check_distance(distance, level.exact || plain ? kArithmetic : 3 * kActivations, level.name + " moe_ffn, " + c.why);

  // Speculative verification leans on this: a row alone gives the bits it gives in a batch.
  if (level.exact || (level.gpu && c.n > kSameBitsRows)) return;
  OwnedTensor alone(1, c.d);
  for (int64_t r = 0; r < c.n; r += c.n > 40 ? 51 : 1) {
    std::memcpy(alone.view.f32(), before.view.f32(r), static_cast<size_t>(c.d) * 4);
    level.ops->moe_ffn({alone.view, x.view.rows(r, 1), experts.rows(r, 1), weights.view.rows(r, 1), ffn.view(), c.activation, 1.5f, true});
    CHECK_MSG(same_bits(alone.view.f32(), out.view.f32(r), c.d), level.name + " moe_ffn, " + c.why + ": row " + std::to_string(r) + " differs alone");
  }
}

TEST("moe_ffn: types, shapes and activations, and a row alone has the same bits as in a batch") {
  for (const Level& level : levels())
    for (const FfnCase& c : kFfnCases) check_moe(level, c);
}

/// Experts with 0, 1, 17 and 70 rows, and for each row one of three more.
void check_moe_tiles(const Level& level, DType gate, DType down, int64_t d, int64_t d_ff, Activation activation, bool biases, bool accumulate) {
  constexpr int64_t kRows = 88, kSlots = 2;
  const FfnFixture ffn({kRows, d, d_ff, 7, kSlots, gate, down, activation, biases, ""});
  OwnedTensor x(kRows, d), out(kRows, d), weights(kRows, kSlots);
  std::vector<int32_t> ids;
  for (int64_t r = 0; r < kRows; ++r) {
    const int32_t first = r % 5 == 2 && r > 2 ? 2 : r == 1 ? 1 : 3, second = 4 + static_cast<int32_t>(r % 3);
    ids.insert(ids.end(), {r % 2 == 0 ? first : second, r % 2 == 0 ? second : first});
  }
  weights.view.f32(9)[0] = 0.f;
  std::vector<std::vector<double>> expected;
  for (int64_t r = 0; r < kRows; ++r) expected.push_back(accumulate ? row_of(out.view, r) : std::vector<double>(static_cast<size_t>(d), 0.0));
  level.ops->moe_ffn({out.view, x.view, {ids.data(), DType::kI32, kRows, kSlots, kSlots}, weights.view, ffn.view(), activation, 0.5f, accumulate});
  Distance distance;
  for (int64_t r = 0; r < kRows; r += r < 10 ? 1 : 11) {
    std::vector<double>& row = expected[static_cast<size_t>(r)];
    for (int64_t j = 0; j < kSlots; ++j) {
      const std::vector<double> y = ffn.apply(ids[static_cast<size_t>(r * kSlots + j)], row_of(x.view, r), activation);
      for (size_t i = 0; i < row.size(); ++i) row[i] += 0.5 * static_cast<double>(weights.view.f32(r)[j]) * y[i];
    }
    for (size_t i = 0; i < row.size(); ++i) distance.add(out.view.f32(r)[i], row[i]);
  }
  check_distance(distance, level.exact || (is_plain(gate) && is_plain(down)) ? kArithmetic : 3 * kActivations,
                 level.name + " moe_ffn in tiles, " + type_name(gate) + " into " + type_name(down));
}

TEST("moe_ffn: experts with 0, 1, 17 and 70 rows, as matrix fragments multiply them") {
  for (const Level& level : levels()) {
    if (!level.gpu) continue;
    check_moe_tiles(level, DType::kQ4_K, DType::kQ6_K, 256, 256, Activation::kSilu, false, true);
    check_moe_tiles(level, DType::kMXFP4, DType::kMXFP4, 96, 160, Activation::kClampedSwiglu, true, false);
    check_moe_tiles(level, DType::kQ8_0, DType::kF16, 64, 40, Activation::kSilu, false, false);
    check_moe_tiles(level, DType::kBF16, DType::kQ4_0, 40, 32, Activation::kGeluTanh, true, true);
    check_moe_tiles(level, DType::kF16, DType::kBF16, 40, 24, Activation::kSilu, true, true);
    check_moe_tiles(level, DType::kF32, DType::kQ5_1, 64, 64, Activation::kSilu, false, true);
  }
}

/// Rows whose slots weigh nothing: some of them, the same expert again (a steered row that takes fewer), or all.
void check_moe_zeros(const Level& level, int64_t n, DType type, bool accumulate) {
  constexpr int64_t kSlots = 3, kWidth = 256;   // more strips than threads
  const FfnFixture ffn({n, kWidth, 64, 4, kSlots, type, type, Activation::kSilu, true, ""});
  OwnedTensor x(n, kWidth), out(n, kWidth), weights(n, kSlots, false);
  std::vector<int32_t> ids;
  std::vector<std::vector<double>> expected;
  for (int64_t r = 0; r < n; ++r) {
    const float first = r == n - 1 ? 0.f : 0.5f + static_cast<float>(r), second = r % 2 == 0 ? 0.f : first / 2;
    const float own[] = {first, second, 0.f};
    std::copy_n(own, kSlots, weights.view.f32(r));
    ids.insert(ids.end(), {1, 3, 1});
    std::vector<double>& row = expected.emplace_back(accumulate ? row_of(out.view, r) : std::vector<double>(kWidth, 0.0));
    for (size_t j = 0; j < 2; ++j) {
      const std::vector<double> y = ffn.apply(ids[j], row_of(x.view, r), Activation::kSilu);
      for (size_t i = 0; i < y.size(); ++i) row[i] += static_cast<double>(own[j]) * y[i];
    }
  }
  level.ops->moe_ffn({out.view, x.view, {ids.data(), DType::kI32, n, kSlots, kSlots}, weights.view, ffn.view(), Activation::kSilu, 1.f, accumulate});
  Distance distance;
  for (int64_t r = 0; r < n; ++r)
    for (int64_t i = 0; i < kWidth; ++i) distance.add(out.view.f32(r)[i], expected[static_cast<size_t>(r)][static_cast<size_t>(i)]);
  check_distance(distance, level.exact || is_plain(type) ? kArithmetic : 3 * kActivations, level.name + " moe_ffn, slots of weight 0 in " + std::to_string(n) + " rows of " + type_name(type));
}

TEST("moe_ffn: slots of weight 0 count for nothing, be they a row's only ones or an expert that it has already") {
  for (const Level& level : levels())
    for (const int64_t n : {1, 4, 9, 35})
      for (const DType type : {DType::kF32, DType::kQ8_0})
        for (const bool accumulate : {false, true}) check_moe_zeros(level, n, type, accumulate);
}

TEST("moe_ffn: one row after the other, as the measure of what grouping saves") {
  setenv("CONCLAVE_GROUP_EXPERTS", "0", 1);
  const Level level{"portable, ungrouped", make_cpu_ops_with({2, Precision::kFast}, kernels_portable()), false};
  unsetenv("CONCLAVE_GROUP_EXPERTS");
  for (const FfnCase& c : kFfnCases) check_moe(level, c);
}

void check_dense(const Level& level, const FfnCase& c) {
  const FfnFixture ffn(c);
  OwnedTensor x(c.n, c.d), out(c.n, c.d);
  OwnedWeight output_gate = random_weight(DType::kF32, 1, 1, c.d);
  level.ops->dense_ffn({out.view, x.view, ffn.view(), c.activation, 0.25f, false, &output_gate.view});
  Distance distance;
  for (int64_t r = 0; r < c.n; r += c.n > 10 ? 9 : 1) {
    const std::vector<double> xs = row_of(x.view, r), y = ffn.apply(0, xs, c.activation);
    const double gate = 0.25 / (1 + std::exp(-dot(weight_row(output_gate.view, 0), xs)));
    for (int64_t i = 0; i < c.d; ++i) distance.add(out.view.f32(r)[i], gate * y[static_cast<size_t>(i)]);
  }
  check_distance(distance, level.exact ? kArithmetic : 3 * kActivations, level.name + " dense_ffn, " + c.why);
}

TEST("dense_ffn: scale, output gate, overwriting") {
  for (const Level& level : levels()) {
    check_dense(level, {3, 256, 512, 1, 1, DType::kQ8_0, DType::kQ8_0, Activation::kSilu, false, "few rows"});
    check_dense(level, {70, 256, 128, 1, 1, DType::kQ5_K, DType::kQ8_0, Activation::kSilu, true, "many rows, biases"});
  }
}

TEST("matmul: a row alone has the same bits as in a batch, in every format") {
  for (const Level& level : levels())
    for (const FormatCase& format : formats()) {
      OwnedWeight weight = random_weight(format.type, 1, 40, 512);
      OwnedTensor x(19, 512), out(19, 40, false), alone(2, 40, false);
      MatmulOutput output{out.view, &weight.view, nullptr, 1.f, false};
      level.ops->matmul(x.view, {&output, 1});
      for (int64_t r = 0; r < 18; ++r)
        for (int64_t n = 1; n <= 2; ++n) {
          output.out = alone.view.rows(0, n);
          level.ops->matmul(x.view.rows(r, n), {&output, 1});
          CHECK_MSG(same_bits(alone.view.f32(), out.view.f32(r), 40), level.name + " " + type_name(format.type) + ": row " + std::to_string(r) + " differs");
        }
    }
}

// ---- attention ---------------------------------------------------------------------------------------------------

struct AttendCase : AttentionShape { int n_past, n_new; const char* why; };
const AttendCase kAttendCases[] = {
    {{4, 4, 64, 64, DType::kF16, 0, false, 0}, 0, 1, "the first token"},
    {{4, 4, 64, 64, DType::kF32, 0, false, 0}, 0, 40, "a prompt from nothing"},
    {{8, 2, 32, 64, DType::kF16, 0, false, 0}, 1100, 1, "several runs, one row"},
    {{8, 2, 32, 64, DType::kBF16, 0, false, 0}, 500, 37, "rows on both sides of a run's end"},
    {{16, 1, 64, 32, DType::kF16, 0, true, 0}, 70, 3, "more heads to a key than a tile, sinks"},
    {{6, 2, 96, 96, DType::kQ8_0, 0, false, 0}, 130, 5, "quantised keys and values, three heads to a key"},
    {{4, 2, 64, 64, DType::kF16, 100, true, 0}, 700, 20, "a window that leaves whole runs out"},
    {{2, 1, 48, 40, DType::kF16, 0, false, 30.f}, 33, 9, "softcap, a value width that is no multiple of 16"},
    {{2, 2, 16, 24, DType::kF32, 1, false, 0}, 64, 4, "a window of one"},
    {{4, 2, 128, 128, DType::kF16, 0, false, 0}, 611, 257, "a long prompt behind others"},
    {{3, 1, 64, 40, DType::kBF16, 0, true, 0}, 31, 129, "a prompt with sinks, three heads to a key, a value width that is no multiple of 16"},
    {{2, 2, 32, 32, DType::kQ8_0, 0, false, 20.f}, 5, 128, "a prompt of quantised keys, softcap"},
    {{2, 1, 64, 64, DType::kF16, 50, false, 0}, 300, 140, "a prompt behind a window"},
    {{16, 1, 576, 512, DType::kF16, 0, false, 0}, 40, 131, "a prompt with latent keys"},
    {{2, 2, 192, 128, DType::kF16, 0, false, 0}, 270, 34, "a prompt with keys wider than values"},
    {{4, 1, 192, 128, DType::kBF16, 0, false, 0}, 530, 6, "a few rows of the same"},
    {{2, 1, 256, 256, DType::kF16, 0, true, 0}, 60, 40, "a prompt of wide heads"},
    {{2, 1, 80, 80, DType::kF16, 0, false, 0}, 250, 9, "a width that is no multiple of 32"},
    {{1, 1, 40, 24, DType::kBF16, 20, false, 0}, 90, 70, "a prompt whose window is shorter than a page"},
    {{2, 1, 15, 16, DType::kF32, 0, false, 0}, 3, 130, "a prompt of an odd width"},
};

/// One sequence of n_past + n_new tokens, the last of which are the rows.
struct AttendFixture {
  std::vector<int32_t> pages, slots, positions, sequence;
  KeyPool pool;
  AttendFixture(const Level& level, const AttendCase& c) : pages(falling_pages(c)), slots(slots_of(c, pages)), pool(level, c, static_cast<int>(pages.size()) + 1, slots) {
    for (int p = c.n_past; p < c.n_past + c.n_new; ++p) positions.push_back(p);
    sequence.assign(positions.size(), 1);
  }

 private:
  static std::vector<int32_t> falling_pages(const AttendCase& c) {   // page 0 is unused
    std::vector<int32_t> pages;
    for (int left = (c.n_past + c.n_new + kPageTokens - 1) / kPageTokens; left > 0; --left) pages.push_back(left);
    return pages;
  }
  static std::vector<int32_t> slots_of(const AttendCase& c, const std::vector<int32_t>& pages) {
    std::vector<int32_t> slots;
    for (int p = 0; p < c.n_past + c.n_new; ++p) slots.push_back(slot_at(pages, p));
    return slots;
  }
};

void check_attend(const Level& level, const AttendCase& c) {
  const AttendFixture f(level, c);
  OwnedTensor q(c.n_new, c.n_heads * c.d_k), out(c.n_new, c.n_heads * c.d_v, false);
  OwnedWeight sinks = random_weight(DType::kF32, 1, 1, c.n_heads);
  const std::vector<SequencePages> sequences = {{}, {f.pages}};
  const float scale = 1.f / std::sqrt(static_cast<float>(c.d_k));
  AttendArgs args{out.view, q.view, f.pool.layer, c.n_heads, scale, c.softcap, c.window, c.sinks ? &sinks.view : nullptr, f.sequence, f.positions, sequences};
  level.ops->attend(args);
  Distance distance;
  const std::vector<double> sink_values = weight_row(sinks.view, 0);
  for (int r = 0; r < c.n_new; ++r) {
    const std::vector<double> expected = attended_row(c, f.pool, f.pages, q.view.f32(r), f.positions[static_cast<size_t>(r)], scale, sink_values);
    for (size_t i = 0; i < expected.size(); ++i) distance.add(out.view.f32(r)[i], expected[i]);
  }
  // Q8_0 rounds keys and values to 1/127 of the largest of 32; the other types are shared with the reference. Prompts are
  // computed in fixed point, by cards in halves.
  const bool prompt = level.gpu ? c.n_new > kMostSharingRows && gpu::pick_attention(c.type, c.d_k, c.d_v, true).prompt != gpu::PromptTiles::kNone : !level.exact && c.n_new >= 128 && c.d_k % 2 == 0;
  check_distance(distance, c.type == DType::kQ8_0 ? 2e-2 : prompt ? kFixedPoint : kArithmetic, level.name + " attend, " + c.why);
  if (prompt) return;

  OwnedTensor alone(1, c.n_heads * c.d_v, false);
  for (int r = 0; r < c.n_new; ++r) {
    const size_t row = static_cast<size_t>(r);
    args.out = alone.view;
    args.q = q.view.rows(r, 1);
    args.row_sequence = {f.sequence.data() + row, 1};
    args.row_position = {f.positions.data() + row, 1};
    level.ops->attend(args);
    CHECK_MSG(same_bits(alone.view.f32(), out.view.f32(r), c.n_heads * c.d_v), level.name + " attend, " + c.why + ": row " + std::to_string(r) + " differs alone");
  }
}

TEST("attend: a prompt beside rows that generate does not change their bits") {
  const AttendCase c{{4, 2, 64, 64, DType::kF16, 0, false, 0}, 90, 128, "a prompt among others"};
  for (const Level& level : levels()) {
    const AttendFixture f(level, c);
    OwnedTensor q(134, c.n_heads * c.d_k), out(134, c.n_heads * c.d_v, false), alone(134, c.n_heads * c.d_v, false);
    const std::vector<SequencePages> sequences = {{f.pages}, {f.pages}, {f.pages}};
    std::vector<int32_t> sequence(134, 1), position(134);
    for (int r = 0; r < 134; ++r) position[static_cast<size_t>(r)] = r < 3 || r >= 131 ? 100 + r % 7 : c.n_past + r - 3;
    for (const size_t r : {0, 1, 2}) sequence[r] = 0;
    for (const size_t r : {131, 132, 133}) sequence[r] = 2;
    AttendArgs args{out.view, q.view, f.pool.layer, c.n_heads, 0.125f, 0.f, 0, nullptr, sequence, position, sequences};
    level.ops->attend(args);
    for (const auto& [first, n] : {std::pair<int64_t, int64_t>{0, 3}, {3, 128}, {131, 3}}) {
      args.out = alone.view.rows(first, n);
      args.q = q.view.rows(first, n);
      args.row_sequence = std::span(sequence).subspan(static_cast<size_t>(first), static_cast<size_t>(n));
      args.row_position = std::span(position).subspan(static_cast<size_t>(first), static_cast<size_t>(n));
      level.ops->attend(args);
    }
    for (int64_t r = 0; r < 134; ++r) CHECK_MSG(same_bits(alone.view.f32(r), out.view.f32(r), c.n_heads * c.d_v), level.name + " attend: row " + std::to_string(r) + " differs beside a prompt");
  }
}

TEST("attend: types, groups, windows, sinks and softcap; unseen memory stays out; alone as among few") {
  for (const Level& level : levels())
    for (const AttendCase& c : kAttendCases) {
      const bool large = int64_t{c.n_heads} * c.d_k * c.n_new * (c.n_past + c.n_new) > 20'000'000;
      if (!level.thin || !large) check_attend(level, c);
    }
}

// ---- routing -----------------------------------------------------------------------------------------------------

struct RouteCase { std::vector<float> logits; RouterSpec spec; int k; std::vector<float> selection_bias; std::vector<int32_t> experts; std::vector<double> weights; const char* why; std::vector<float> expert_scale = {}; std::vector<float> steering = {}; int n_chosen = 0; };

RouterSpec router(RouterScore score, RouterOrder order, bool renormalise, float scale) {
  RouterSpec spec;
  spec.score = score;
  spec.order = order;
  spec.renormalise = renormalise;
  spec.scale = scale;
  return spec;
}

std::vector<RouteCase> route_cases() {
  const double e = std::exp(1.0), all = 1 + e + e * e + e * e * e;
  RouterSpec groups = router(RouterScore::kSigmoid, RouterOrder::kBeforeTopK, false, 1.f);
  groups.n_groups = 2;
  groups.n_groups_used = 1;
  RouterSpec mixer = router(RouterScore::kSoftmax, RouterOrder::kSparseMixer, false, 1.f);
  mixer.jitter = 0.01f;
  const auto logistic = [](double x) { return 1 / (1 + std::exp(-x)); };
  const float never = -std::numeric_limits<float>::infinity();
  return {
      {{0, 3, 1, 2}, router(RouterScore::kSoftmax, RouterOrder::kBeforeTopK, false, 1.f), 2, {}, {1, 3}, {e * e * e / all, e * e / all}, "OLMoE: softmax over all, kept as it is"},
      {{0, 3, 1, 2}, router(RouterScore::kSoftmax, RouterOrder::kBeforeTopK, true, 2.f), 2, {}, {1, 3}, {2 * e / (e + 1), 2 / (e + 1)}, "Mixtral: renormalised, scaled"},
      {{0, 3, 1, 2}, router(RouterScore::kSoftmax, RouterOrder::kAfterTopK, false, 1.f), 2, {}, {1, 3}, {e / (e + 1), 1 / (e + 1)}, "gpt-oss: softmax over the chosen"},
      {{0, 0, 0, 0}, router(RouterScore::kSoftmax, RouterOrder::kBeforeTopK, false, 1.f), 3, {}, {0, 1, 2}, {0.25, 0.25, 0.25}, "ties go to the lower id"},
      {{0, 3, 1, 2}, router(RouterScore::kSigmoid, RouterOrder::kBeforeTopK, false, 1.f), 2, {5, 0, 5, 0}, {2, 0}, {logistic(1), logistic(0)}, "DeepSeek-V3: the bias only chooses"},
      {{3, 0, 2, 2}, groups, 1, {0, 0, 0, 0}, {2}, {logistic(2)}, "the group with the best two, not the best one"},
      {{-100, -100, -100, -100}, router(RouterScore::kSigmoid, RouterOrder::kBeforeTopK, true, 1.f), 1, {}, {0}, {logistic(-100) / 6.103515625e-5}, "the renormalising sum has a floor"},
      {{1, 1.01f, -5, 0.995f}, mixer, 2, {}, {1, 0}, {1 / (1 + std::exp(-0.01) + std::exp(-0.015)), 1 / (1 + std::exp(-0.005))}, "SparseMixer: softmax over the near ones left"},
      {{0, 3, 1, 2}, router(RouterScore::kSoftmax, RouterOrder::kBeforeTopK, true, 1.f), 2, {}, {1, 3}, {5 * e / (e + 1), 7 / (e + 1)}, "Gemma 4: the chosen experts' own scales come last", {1, 5, 1, 7}},
      {{0, 3, 1, 2}, router(RouterScore::kSoftmax, RouterOrder::kBeforeTopK, false, 1.f), 2, {}, {3, 2}, {e * e / (1 + e + e * e), e / (1 + e + e * e)}, "muted: a softmax over the others", {}, {0, never, 0, 0}},
      {{0, 3, 1, 2}, router(RouterScore::kSigmoid, RouterOrder::kBeforeTopK, false, 1.f), 2, {0, 5, 0, 0}, {3, 2}, {logistic(2), logistic(1)}, "muted: its selection bias does not bring it back", {}, {0, never, 0, 0}},
      {{0, 3, 1, 2}, router(RouterScore::kSoftmax, RouterOrder::kAfterTopK, false, 1.f), 2, {}, {0, 1}, {e / (e + 1), 1 / (e + 1)}, "boosted: as if its logit were larger", {}, {4, 0, 0, 0}},
      {{0, 3, 1, 2}, router(RouterScore::kSoftmax, RouterOrder::kBeforeTopK, true, 1.f), 3, {}, {1, 3, 1}, {e / (e + 1), 1 / (e + 1), 0}, "fewer experts: the rest repeat the first with weight 0", {}, {0, 0, 0, 0}, 2},
      {{1, 1.01f, -5, 0.995f}, mixer, 2, {}, {0, 3}, {1 / (1 + std::exp(-0.005)), 1}, "SparseMixer: a muted expert is not among the near ones", {}, {0, never, 0, 0}},
  };
}

TEST("route: each family's rule, on logits chosen by hand") {
  for (const Level& level : levels())
    for (const RouteCase& c : route_cases()) {
      const int64_t n_experts = static_cast<int64_t>(c.logits.size());
      // Router = the logits in one column, x = that column's unit vector.
      OwnedWeight weight = random_weight(DType::kF32, 1, n_experts, 64);
      for (int64_t i = 0; i < n_experts; ++i) std::memcpy(weight.bytes.data() + static_cast<size_t>(i) * 256, &c.logits[static_cast<size_t>(i)], 4);
      OwnedTensor x(2, 64), weights(2, c.k, false);
      for (int64_t r = 0; r < 2; ++r)
        for (int64_t i = 0; i < 64; ++i) x.view.f32(r)[i] = i == 0 ? 1.f : 0.f;
      std::vector<int32_t> ids(static_cast<size_t>(2 * c.k));
      const auto per_expert = [&](const std::vector<float>& values) { return Weight{reinterpret_cast<const std::byte*>(values.data()), DType::kF32, n_experts, 1, 1, "per expert", nullptr}; };
      const Weight bias = per_expert(c.selection_bias), scale = per_expert(c.expert_scale);
      std::vector<float> steering(c.steering);
      steering.insert(steering.end(), c.steering.begin(), c.steering.end());   // both rows
      const std::vector<int32_t> n_chosen(c.n_chosen > 0 ? 2 : 0, c.n_chosen);
      level.ops->route({.experts = {ids.data(), DType::kI32, 2, c.k, c.k}, .weights = weights.view, .x = x.view, .router = &weight.view, .bias = nullptr,
                        .selection_bias = c.selection_bias.empty() ? nullptr : &bias, .expert_scale = c.expert_scale.empty() ? nullptr : &scale, .spec = c.spec, .n_experts_used = c.k,
                        .steering = steering, .n_chosen = n_chosen});
      for (int64_t r = 0; r < 2; ++r)
        for (int j = 0; j < c.k; ++j) {
          CHECK_MSG(ids[static_cast<size_t>(r * c.k + j)] == c.experts[static_cast<size_t>(j)], level.name + std::string(" ") + c.why + ": wrong expert");
          CHECK_MSG(std::fabs(static_cast<double>(weights.view.f32(r)[j]) - c.weights[static_cast<size_t>(j)]) <= 2e-6 * c.weights[static_cast<size_t>(j)] + 1e-12, level.name + std::string(" ") + c.why + ": wrong weight");
        }
    }
}

// ---- norms, positions, small ops ---------------------------------------------------------------------------------

TEST("norm: RMS and Layer, with and without weights, in place, odd widths") {
  for (const Level& level : levels())
    for (const NormKind kind : {NormKind::kRms, NormKind::kLayer})
      for (const int64_t d : {1, 37, 2048}) {
        OwnedTensor x(3, d);
        OwnedWeight weight = random_weight(DType::kF32, 1, 1, d), bias = random_weight(DType::kF32, 1, 1, d);
        std::vector<std::vector<double>> before;
        for (int64_t r = 0; r < 3; ++r) before.push_back(row_of(x.view, r));
        const bool layer = kind == NormKind::kLayer;
        level.ops->norm({x.view, x.view, &weight.view, layer ? &bias.view : nullptr, kind, 1e-5f});
        const std::vector<double> w = weight_row(weight.view, 0), b = weight_row(bias.view, 0);
        Distance distance;
        for (int64_t r = 0; r < 3; ++r) {
          const std::vector<double>& row = before[static_cast<size_t>(r)];
          double mean = 0, squares = 0;
          if (layer) for (const double v : row) mean += v / static_cast<double>(d);
          for (const double v : row) squares += (v - mean) * (v - mean) / static_cast<double>(d);
          for (size_t i = 0; i < row.size(); ++i) distance.add(x.view.f32(r)[i], (row[i] - mean) / std::sqrt(squares + 1e-5) * w[i] + (layer ? b[i] : 0.0));
        }
        check_distance(distance, kArithmetic, level.name + " norm");
      }
}

TEST("qk_rope: norms, both pairings, partial rotation, YaRN, factors") {
  for (const Level& level : levels())
    for (const RopeStyle style : {RopeStyle::kHalves, RopeStyle::kPairs})
      for (const RopeScaling scaling : {RopeScaling::kNone, RopeScaling::kLinear, RopeScaling::kYarn, RopeScaling::kLlama3Factors})
        for (const QkNorm norm : {QkNorm::kNone, QkNorm::kPerHead, QkNorm::kWholeProjection}) {
          constexpr int kHeads = 3, kD = 48, kRotated = 32;
          OwnedTensor q(2, kHeads * kD), k(2, kD);
          const std::vector<std::vector<double>> before = {row_of(q.view, 0), row_of(q.view, 1)};
          OwnedWeight q_norm = random_weight(DType::kF32, 1, 1, norm == QkNorm::kWholeProjection ? kHeads * kD : kD), k_norm = random_weight(DType::kF32, 1, 1, kD), factors = random_weight(DType::kF32, 1, 1, kRotated / 2);
          for (int i = 0; i < kRotated / 2; ++i) {
            const float factor = i < 4 ? 1.f : 8.f;
            std::memcpy(factors.bytes.data() + 4 * i, &factor, 4);
          }
          RopeSpec rope;
          rope.style = style;
          rope.n_dims = kRotated;
          rope.scaling = scaling;
          rope.factor = 4.f;
          rope.original_context = 1024;
          rope.attn_factor = scaling == RopeScaling::kYarn ? 1.2f : 1.f;
          const std::vector<int32_t> positions = {5, 300};
          const bool divided = scaling == RopeScaling::kLlama3Factors;
          level.ops->qk_rope({q.view, k.view, kHeads, 1, kD, norm, &q_norm.view, &k_norm.view, 1e-6f, rope, divided ? &factors.view : nullptr, positions});
          Distance distance;
          for (size_t r = 0; r < 2; ++r) {
            std::vector<double> x = before[r];
            const size_t span = norm == QkNorm::kWholeProjection ? x.size() : kD;
            if (norm != QkNorm::kNone)
              for (size_t first = 0; first < x.size(); first += span) {
                double squares = 0;
                for (size_t i = 0; i < span; ++i) squares += x[first + i] * x[first + i] / static_cast<double>(span);
                for (size_t i = 0; i < span; ++i) x[first + i] *= weight_row(q_norm.view, 0)[i] / std::sqrt(squares + 1e-6);
              }
            for (int head = 0; head < kHeads; ++head)
              for (int i = 0; i < kRotated / 2; ++i) {
                double theta = std::pow(10000.0, -2.0 * i / kRotated);
                if (divided && i >= 4) theta /= 8;
                if (scaling == RopeScaling::kLinear) theta /= 4;
                if (scaling == RopeScaling::kYarn) {
                  const auto pair_of = [](double turns) { return kRotated * std::log(1024 / (turns * 2 * M_PI)) / (2 * std::log(10000.0)); };
                  const double low = std::floor(pair_of(32)), high = std::ceil(pair_of(1)), ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
                  theta = theta / 4 * ramp + theta * (1 - ramp);
                }
                const double angle = theta * positions[r], scale = static_cast<double>(rope.attn_factor);
                const size_t a = static_cast<size_t>(head * kD + (style == RopeStyle::kPairs ? 2 * i : i)), b = a + (style == RopeStyle::kPairs ? 1 : kRotated / 2);
                const double u = x[a], v = x[b];
                x[a] = (u * std::cos(angle) - v * std::sin(angle)) * scale;
                x[b] = (u * std::sin(angle) + v * std::cos(angle)) * scale;
              }
            for (size_t i = 0; i < x.size(); ++i) distance.add(q.view.f32(static_cast<int64_t>(r))[i], x[i]);
          }
          check_distance(distance, 5e-5, level.name + " qk_rope");   // angles up to 300 are held in float: 300 * 2^-24
        }
}

TEST("embed, add and logits: values, scale, softcap, chosen rows") {
  for (const Level& level : levels()) {
    OwnedWeight table = random_weight(DType::kQ6_K, 1, 50, 256);
    OwnedTensor x(3, 256), out(2, 50, false);
    const std::vector<int32_t> tokens = {49, 0, 7}, rows = {2, 0};
    level.ops->embed(x.view, table.view, tokens, 2.f);
    Distance embedded, summed, scored;
    for (int64_t r = 0; r < 3; ++r)
      for (int64_t i = 0; i < 256; ++i) embedded.add(x.view.f32(r)[i], 2 * weight_row(table.view, tokens[static_cast<size_t>(r)])[static_cast<size_t>(i)]);
    check_distance(embedded, kArithmetic, level.name + " embed");
    OwnedTensor y(3, 256);
    const std::vector<double> before = row_of(y.view, 1), added = row_of(x.view, 1);
    level.ops->add(y.view, x.view, 0.22f);
    for (size_t i = 0; i < 256; ++i) summed.add(y.view.f32(1)[i], before[i] + static_cast<double>(0.22f) * added[i]);
    check_distance(summed, kArithmetic, level.name + " add");
    level.ops->logits(out.view, y.view, rows, table.view, nullptr, 0.05f, 3.f);
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t i = 0; i < 50; ++i) scored.add(out.view.f32(r)[i], 3 * std::tanh(static_cast<double>(0.05f) * dot(weight_row(table.view, i), row_of(y.view, rows[static_cast<size_t>(r)])) / 3));
    check_distance(scored, level.exact ? kArithmetic : 2 * kActivations, level.name + " logits");
  }
}

TEST("no rows: every op does nothing") {
  for (const Level& level : levels()) {
    const FfnCase c{1, 256, 256, 2, 1, DType::kQ4_K, DType::kQ4_K, Activation::kSilu, false, ""};
    const FfnFixture ffn(c);
    OwnedTensor none(0, 256), few(0, 1);
    const Tensor ids{nullptr, DType::kI32, 0, 1, 1};
    const MatmulOutput output{none.view, &ffn.gate.view, nullptr, 1.f, false};
    level.ops->embed(none.view, ffn.gate.view, {}, 1.f);
    level.ops->norm({none.view, none.view, nullptr, nullptr, NormKind::kRms, 1e-5f});
    level.ops->add(none.view, none.view, 1.f);
    level.ops->matmul(none.view, {&output, 1});
    level.ops->logits(none.view, none.view, {}, ffn.gate.view, nullptr, 1.f, 0.f);
    level.ops->top_logits({none.view, none.view, none.view, none.view, none.view, {}});
    level.ops->qk_rope({none.view, none.view, 4, 4, 64, QkNorm::kNone, nullptr, nullptr, 1e-5f, RopeSpec{.n_dims = 64}, nullptr, {}});
    KvLayer layer{nullptr, nullptr, DType::kF16, 4, 64, 64, 0};
    level.ops->store_kv({layer, none.view, none.view, {}});
    level.ops->attend({none.view, none.view, layer, 4, 1.f, 0.f, 0, nullptr, {}, {}, {}});
    level.ops->route({ids, few.view, none.view, &ffn.gate.view, nullptr, nullptr, nullptr, RouterSpec{}, 1});
    level.ops->moe_ffn({none.view, none.view, ids, few.view, ffn.view(), Activation::kSilu, 1.f, false});
    level.ops->dense_ffn({none.view, none.view, ffn.view(), Activation::kSilu, 1.f, false, nullptr});
  }
}

TEST("prepare: a type without kernels is refused by the tensor's name") {
  Weight weight{nullptr, DType::kIQ2_XS, 256, 1, 1, "blk.3.ffn_up_exps.weight", nullptr};
  for (const Level& level : levels()) {
    bool refused = false;
    try {
      level.ops->prepare(weight);
    } catch (const Error& error) {
      refused = error.code() == ErrorCode::kUnsupported && std::strstr(error.what(), "blk.3.ffn_up_exps.weight") != nullptr;
    }
    CHECK(refused);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--perf") == 0) return run_perf(argc > 2 ? argv[2] : nullptr);
  return run_tests(argc, argv);
}
