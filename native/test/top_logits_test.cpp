// The best of rows of logits on every level, and what is decided by them alone: the same tokens as the whole row decides, for any
// chain of the sampler; and that rows stay on a device.
#include <limits>

#include "ops_fixture.h"

using namespace conclave;
using namespace conclave::test;

namespace {

enum class LogitRow { kNormal, kPeaked, kFlat, kFewValues, kAscending, kZeros, kExtreme };
constexpr LogitRow kLogitRows[] = {LogitRow::kNormal, LogitRow::kPeaked, LogitRow::kFlat, LogitRow::kFewValues, LogitRow::kAscending, LogitRow::kZeros, LogitRow::kExtreme};

void fill_logits(float* row, int64_t n, LogitRow kind) {
  for (int64_t i = 0; i < n; ++i) {
    const float value = 3.f * normal();
    switch (kind) {
      case LogitRow::kNormal: row[i] = value; break;
      case LogitRow::kPeaked: row[i] = i == n / 3 ? 40.f : value; break;
      case LogitRow::kFlat: row[i] = -2.5f; break;
      case LogitRow::kFewValues: row[i] = std::nearbyint(value); break;
      case LogitRow::kAscending: row[i] = static_cast<float>(i) * 1e-3f; break;   // all of the best in the last slice
      case LogitRow::kZeros: row[i] = i % 3 == 0 ? 0.f : i % 3 == 1 ? -0.f : -1.f; break;   // both zeros are equal
      case LogitRow::kExtreme: row[i] = i % 5 == 0 ? 3e38f : value * 1e37f; break;
    }
  }
}

struct TopResult {
  OwnedTensor ids, values, sums, asked;
  TopResult(int64_t n, int64_t k, int64_t m) : ids(n, k, false), values(n, k, false), sums(n, 2, false), asked(n, m, false) { ids.view.type = DType::kI32; }
  TopLogitsArgs args(Tensor logits, const std::vector<int32_t>& asked_ids) const { return {ids.view, values.view, sums.view, asked.view, logits, asked_ids}; }
};

void check_top_logits(const Level& level, int64_t n_vocab, const std::vector<LogitRow>& rows) {
  const int64_t n = static_cast<int64_t>(rows.size()), k = std::min<int64_t>(kTopLogits, n_vocab), m = 3;
  OwnedTensor logits(n, n_vocab, false);
  std::vector<int32_t> asked;
  for (int64_t r = 0; r < n; ++r) {
    fill_logits(logits.view.f32(r), n_vocab, rows[static_cast<size_t>(r)]);
    asked.insert(asked.end(), {static_cast<int32_t>(n_vocab - 1), -1, static_cast<int32_t>(r % n_vocab)});
  }
  const TopResult result(n, k, m);
  level.ops->top_logits(result.args(logits.view, asked));
  for (int64_t r = 0; r < n; ++r) {
    const float* row = logits.view.f32(r);
    const std::string what = level.name + " top_logits, row of kind " + std::to_string(static_cast<int>(rows[static_cast<size_t>(r)])) + " of " + std::to_string(n_vocab);
    std::vector<int32_t> order(static_cast<size_t>(n_vocab));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return row[a] > row[b]; });
    for (int64_t i = 0; i < k; ++i) CHECK_MSG(result.ids.view.i32(r)[i] == order[static_cast<size_t>(i)] && result.values.view.f32(r)[i] == row[order[static_cast<size_t>(i)]], what + ": place " + std::to_string(i));
    double sum = 0;
    for (const int32_t id : order) sum += std::exp(static_cast<double>(row[id]) - static_cast<double>(row[order.front()]));
    CHECK_MSG(std::fabs(static_cast<double>(result.sums.view.f32(r)[0]) - sum) <= kTopSumError * sum && result.sums.view.f32(r)[1] == 0.f, what + ": the sum is " + std::to_string(result.sums.view.f32(r)[0]) + ", not " + std::to_string(sum));
    CHECK_MSG(result.asked.view.f32(r)[0] == row[n_vocab - 1] && result.asked.view.f32(r)[1] == -99.f && result.asked.view.f32(r)[2] == row[r % n_vocab], what + ": what was asked for");
    const TopResult alone(1, k, m);
    level.ops->top_logits(alone.args(logits.view.rows(r, 1), {asked.begin() + r * m, asked.begin() + (r + 1) * m}));
    CHECK_MSG(same_bits(alone.sums.view.f32(), result.sums.view.f32(r), 2) && same_bits(alone.values.view.f32(), result.values.view.f32(r), k) && same_bits(alone.ids.view.f32(), result.ids.view.f32(r), k), what + " differs alone");
  }
}

}  // namespace

TEST("top_logits: the best in order, ties to the lower id, sums, single values; a row alone has the same bits") {
  for (const Level& level : levels()) {
    for (const int64_t n_vocab : {1, 50, 128, 129, 4097}) check_top_logits(level, n_vocab, {std::begin(kLogitRows), std::end(kLogitRows)});
    check_top_logits(level, 50000, {LogitRow::kNormal, LogitRow::kFewValues});
    check_top_logits(level, 262145, {LogitRow::kNormal});   // more slices than one merge takes
  }
}

TEST("top_logits: logits that are no finite numbers are counted, and the ids stay in the vocabulary") {
  for (const Level& level : levels())
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
      for (const int64_t n_bad : {1, 4500}) {
        constexpr int64_t kVocab = 4500;
        OwnedTensor logits(1, kVocab);
        for (int64_t i = 0; i < n_bad; ++i) logits.view.f32()[kVocab - 1 - i] = bad;
        const TopResult result(1, kTopLogits, 0);
        level.ops->top_logits(result.args(logits.view, {}));
        CHECK_MSG(result.sums.view.f32()[1] == static_cast<float>(n_bad), level.name + ": " + std::to_string(result.sums.view.f32()[1]) + " of " + std::to_string(n_bad));
        for (int64_t i = 0; i < kTopLogits; ++i) CHECK(result.ids.view.i32()[i] >= 0 && result.ids.view.i32()[i] < kVocab);
      }
}

int main(int argc, char** argv) { return run_tests(argc, argv); }
