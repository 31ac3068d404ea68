// The searches behind quantize_row: best scale, or scale and offset, of a short run of values for a given range of codes.
// Private to formats/. Weights say how much an error in each value matters.
#pragma once
#include <algorithm>
#include <cmath>

namespace conclave {

/// Nearest whole number as a float, ties to even: adding 1.5 * 2^23 pushes the fraction out of the float. |x| < 2^22.
/// Unlike lrintf it can be vectorised.
inline float nearest(float x) { return (x + 12582912.f) - 12582912.f; }

inline float clamped_code(float x, float low, float high) { return std::min(std::max(nearest(x), low), high); }

/// Large values matter more: what multiplies them decides the sum. rms + |x| is the usual compromise without calibration.
template <int N>
void importance(const float* x, float* weight) {
  float sum = 0;
  for (int i = 0; i < N; ++i) sum += x[i] * x[i];
  const float rms = std::sqrt(sum / N);
  for (int i = 0; i < N; ++i) weight[i] = rms + std::abs(x[i]);
}

/// Weighted sums over a run for one assignment of codes q: of q, q^2 and q x.
struct CodeSums {
  float q = 0, qq = 0, qx = 0;
};

/// Eight running sums each, so that the loop is eight lanes wide without reordering float additions behind our back.
template <int N, class Code>
CodeSums code_sums(const float* x, const float* weight, Code&& code) {
  static_assert(N % 8 == 0);
  float q_lanes[8] = {}, qq_lanes[8] = {}, qx_lanes[8] = {};
  for (int i = 0; i < N; i += 8) {
    for (int j = 0; j < 8; ++j) {
      const float q = code(x[i + j]), wq = weight[i + j] * q;
      q_lanes[j] += wq;
      qq_lanes[j] += wq * q;
      qx_lanes[j] += wq * x[i + j];
    }
  }
  CodeSums sums;
  for (int j = 0; j < 8; ++j) sums.q += q_lanes[j], sums.qq += qq_lanes[j], sums.qx += qx_lanes[j];
  return sums;
}

/// Weighted squared error of x ~ value(x) over a run.
template <int N, class Value>
float run_error(const float* x, const float* weight, Value&& value) {
  float lanes[8] = {};
  for (int i = 0; i < N; i += 8) {
    for (int j = 0; j < 8; ++j) {
      const float miss = value(x[i + j]) - x[i + j];
      lanes[j] += weight[i + j] * miss * miss;
    }
  }
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

/// The value of largest magnitude, with its sign.
template <int N>
float extreme(const float* x) {
  float best = 0;
  for (int i = 0; i < N; ++i) {
    if (std::abs(x[i]) > std::abs(best)) best = x[i];
  }
  return best;
}

/// Scale of x ~ scale q with q in [low, -low - 1]; low < 0. The extreme value gets the longer, negative end, or nearly.
template <int N>
float fit_scale(const float* x, const float* weight, float low) {
  const float most = extreme<N>(x);
  if (std::abs(most) < 1e-30f) return 0;
  float best_scale = most / low, best_score = -1;
  for (int step = -9; step <= 9; ++step) {
    const float inverse = (low - 0.1f * static_cast<float>(step)) / most;
    const CodeSums sums = code_sums<N>(x, weight, [=](float v) { return clamped_code(v * inverse, low, -low - 1); });
    // With the best scale for these codes the error is sum(w x^2) - score.
    const float score = sums.qq > 0 ? sums.qx * sums.qx / sums.qq : 0;
    if (score > best_score) best_score = score, best_scale = sums.qq > 0 ? sums.qx / sums.qq : 0;
  }
  return best_scale;
}

/// x ~ scale q - min with q in [0, high]; both >= 0.
struct ScaleOffset {
  float scale, min;
};

template <int N>
ScaleOffset fit_scale_and_min(const float* x, const float* weight, float high) {
  const float low = std::min(0.f, *std::min_element(x, x + N)), top = *std::max_element(x, x + N);
  if (!(top - low > 1e-30f)) return {0, -low};
  double sum_w = 0, sum_wx = 0, sum_wxx = 0;
  for (int i = 0; i < N; ++i) sum_w += weight[i], sum_wx += weight[i] * x[i], sum_wxx += double{weight[i]} * x[i] * x[i];
  ScaleOffset best{(top - low) / high, -low};
  double best_error = INFINITY;
  for (int step = -10; step <= 10; ++step) {
    const float inverse = (high + 0.1f * static_cast<float>(step)) / (top - low);
    const CodeSums sums = code_sums<N>(x, weight, [=](float v) { return clamped_code((v - low) * inverse, 0, high); });
    const double determinant = sum_w * sums.qq - double{sums.q} * sums.q;
    if (!(determinant > 0)) continue;
    double scale = (sum_w * sums.qx - sum_wx * sums.q) / determinant, offset = (sums.qq * sum_wx - double{sums.q} * sums.qx) / determinant;
    if (offset > 0) scale = double{sums.qx} / sums.qq, offset = 0;
    const double error = sum_wxx + scale * scale * sums.qq + offset * offset * sum_w + 2 * (scale * offset * sums.q - scale * sums.qx - offset * sum_wx);
    if (error < best_error && scale > 0) best_error = error, best = {static_cast<float>(scale), static_cast<float>(-offset)};
  }
  return best;
}

}  // namespace conclave
