// `ops_test --perf [type]`: the feed-forward of each format at one row (bytes per second, to hold against a plain
// streaming read) and at 512 rows (multiply-adds per second), with one thread and with all. Weights together are larger
// than any cache, and each call reads other experts. `ops_test --perf attend`: attention behind 8192 tokens.
#pragma once
#include <chrono>

#include "ops_fixture.h"

namespace conclave::test {

/// Like random_weight, but large: one expert's bytes repeated.
inline OwnedWeight repeated_weight(DType type, int64_t n_experts, int64_t d_out, int64_t d_in) {
  const OwnedWeight one = random_weight(type, 1, 64, d_in);
  OwnedWeight out;
  out.view = {nullptr, type, d_in, d_out, n_experts, "perf", nullptr};
  const size_t n = out.view.bytes(), piece = one.view.bytes();
  out.bytes.resize(n);
  for (size_t at = 0; at < n; at += piece) std::memcpy(out.bytes.data() + at, one.view.data, std::min(piece, n - at));
  out.view.data = out.bytes.data();
  return out;
}

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Median time of `fn(i)`.
template <class F>
double median_seconds(int n, F&& fn) {
  std::vector<double> times;
  for (int i = 0; i < n + 1; ++i) {
    const double start = seconds();
    fn(i);
    if (i > 0) times.push_back(seconds() - start);
  }
  std::nth_element(times.begin(), times.begin() + n / 2, times.end());
  return times[static_cast<size_t>(n / 2)];
}

/// A streaming read of the same bytes by the same threads: the denominator.
inline double read_gb_per_s(const OwnedWeight& weight, int n_threads) {
  ThreadPool pool(n_threads);
  std::atomic<uint64_t> sink{0};
  constexpr size_t kPiece = 1 << 20;
  const int64_t pieces = static_cast<int64_t>(weight.bytes.size() / kPiece);
  const double time = median_seconds(5, [&](int) {
    pool.parallel_for(pieces, [&](int64_t i, int) {
      uint64_t sums[8] = {};
      const std::byte* p = weight.bytes.data() + static_cast<size_t>(i) * kPiece;
      for (size_t at = 0; at < kPiece; at += 64) {
        uint64_t words[8];
        std::memcpy(words, p + at, 64);
        for (int j = 0; j < 8; ++j) sums[j] += words[j];
      }
      sink += sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
    });
  });
  return static_cast<double>(pieces) * kPiece / time / 1e9;
}

inline void perf_type(DType type, const std::vector<int>& thread_counts) {
  constexpr int64_t kModel = 2048, kWidth = 1024, kUsed = 8, kRows = 512;
  const int64_t n_experts = 64;
  const OwnedWeight gate = repeated_weight(type, n_experts, kWidth, kModel), up = repeated_weight(type, n_experts, kWidth, kModel), down = repeated_weight(type, n_experts, kModel, kWidth);
  const double expert_bytes = static_cast<double>(gate.view.expert_bytes() + up.view.expert_bytes() + down.view.expert_bytes());
  OwnedTensor x(kRows, kModel), out(kRows, kModel, false), weights(kRows, kUsed);
  std::vector<int32_t> experts(static_cast<size_t>(kRows * kUsed));
  for (const int n_threads : thread_counts) {
    const auto ops = make_cpu_ops({n_threads, Precision::kFast});
    const auto call = [&](int64_t n_rows, int first) {
      for (int64_t i = 0; i < n_rows * kUsed; ++i) experts[static_cast<size_t>(i)] = static_cast<int32_t>((first * kUsed + i) % n_experts);
      const Tensor chosen{experts.data(), DType::kI32, n_rows, kUsed, kUsed};
      ops->moe_ffn({out.view.rows(0, n_rows), x.view.rows(0, n_rows), chosen, weights.view.rows(0, n_rows), {&gate.view, &up.view, &down.view, nullptr, nullptr, nullptr}, Activation::kSilu, 1.f, false});
    };
    const double one = median_seconds(41, [&](int i) { call(1, i); });
    const double many = median_seconds(3, [&](int) { call(kRows, 0); });
    const double macs = static_cast<double>(kRows * kUsed * 3 * kModel * kWidth);
    const double read = read_gb_per_s(gate, n_threads), rate = expert_bytes * kUsed / one / 1e9;
    std::printf("moe_ffn %-7s %d threads: one row %6.2f GB/s (%3.0f %% of a plain read's %5.2f), %lld rows %6.1f GMAC/s\n", type_name(type), n_threads, rate, 100 * rate / read, read,
                static_cast<long long>(kRows), macs / many / 1e9);
    std::fflush(stdout);
  }
}

struct AttendShape { const char* name; int n_heads, n_kv_heads, d; };

/// Attention of `n_rows` behind 8192 tokens, over the layers of a model so that no cache holds them; the best of several.
inline void perf_attend(const AttendShape& shape, DType type, int n_rows, int n_threads) {
  constexpr int kPast = 8192, kLayers = 8;
  const auto ops = make_cpu_ops({n_threads, Precision::kFast});
  const int n_tokens = kPast + n_rows, n_pages = (n_tokens + kPageTokens - 1) / kPageTokens;
  const size_t half = static_cast<size_t>(n_pages) * kPageTokens * kv_token_bytes(type, shape.n_kv_heads, shape.d, 0);
  const AlignedBuffer memory(2 * kLayers * half);
  OwnedTensor keys(n_tokens, shape.n_kv_heads * shape.d), q(n_rows, shape.n_heads * shape.d), out(n_rows, shape.n_heads * shape.d, false);
  std::vector<int32_t> pages(static_cast<size_t>(n_pages)), slots(static_cast<size_t>(n_tokens)), positions(static_cast<size_t>(n_rows)), sequence(positions.size(), 0);
  for (int i = 0; i < n_pages; ++i) pages[static_cast<size_t>(i)] = i;
  for (int i = 0; i < n_tokens; ++i) slots[static_cast<size_t>(i)] = i;
  for (int i = 0; i < n_rows; ++i) positions[static_cast<size_t>(i)] = kPast + i;
  const std::vector<SequencePages> sequences = {{pages}};
  std::vector<KvLayer> layers;
  for (int i = 0; i < kLayers; ++i) {
    std::byte* const k = memory.data() + static_cast<size_t>(2 * i) * half;
    layers.push_back({k, k + half, type, shape.n_kv_heads, shape.d, shape.d, n_pages});
    ops->store_kv({layers.back(), keys.view, keys.view, slots});
  }
  double best = 1e9;
  for (int i = 0; i < (n_rows == 1 ? 25 : 2) * kLayers; ++i) {
    const double start = seconds();
    ops->attend({out.view, q.view, layers[static_cast<size_t>(i % kLayers)], shape.n_heads, 0.09f, 0.f, 0, nullptr, sequence, positions, sequences});
    best = std::min(best, seconds() - start);
  }
  const double macs = 2.0 * shape.n_heads * shape.d * n_rows * (kPast + 0.5 * n_rows);
  std::printf("attend %-9s %-5s %3d rows, %d threads: %6.2f ms, %6.2f GB/s, %6.1f GMAC/s\n", shape.name, type_name(type), n_rows, n_threads, best * 1e3, 2e-9 * static_cast<double>(half) / best, macs / best * 1e-9);
  std::fflush(stdout);
}

inline void perf_attend_all() {
  for (const AttendShape& shape : {AttendShape{"olmoe", 16, 16, 128}, {"qwen3moe", 32, 4, 128}, {"mixtral", 32, 8, 128}})
    for (const DType type : {DType::kF16, DType::kQ8_0})
      for (const int n_rows : {1, 256})
        for (const int n_threads : {1, 2}) perf_attend(shape, type, n_rows, n_threads);
}

inline int run_perf(const char* only) {
  if (only && std::strcmp(only, "attend") == 0) {
    perf_attend_all();
    return 0;
  }
  for (const FormatCase& format : formats())
    if (!only || std::strcmp(only, type_name(format.type)) == 0) perf_type(format.type, {1, 2});
  return 0;
}

}  // namespace conclave::test
