// Radians per position of each rotated pair, in double precision: the one place where a model's scaling of positions is
// computed, for every backend.
#pragma once
#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "model/spec.h"

namespace conclave {

/// The pair at which a rotation turns `turns` times over the original context.
inline double yarn_pair(const RopeSpec& rope, double turns) {
  return rope.n_dims * std::log(rope.original_context / (turns * 2 * std::numbers::pi)) / (2 * std::log(static_cast<double>(rope.base)));
}

/// [n_dims / 2]; `divisors` has as many or none. Linear interpolation, YaRN (Peng et al. 2023), or divisors from the file.
inline std::vector<float> rope_frequencies(const RopeSpec& rope, std::span<const float> divisors) {
  const int n_pairs = rope.n_dims / 2;
  std::vector<float> out(static_cast<size_t>(n_pairs));
  double low = 0, high = 0;
  if (rope.scaling == RopeScaling::kYarn) {
    low = yarn_pair(rope, static_cast<double>(rope.beta_fast));
    high = yarn_pair(rope, static_cast<double>(rope.beta_slow));
    if (rope.whole_ramp) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0);
    high = std::min(high, rope.n_dims - 1.0);
  }
  for (int i = 0; i < n_pairs; ++i) {
    double theta = std::pow(static_cast<double>(rope.base), -2.0 * i / rope.n_dims);
    if (!divisors.empty()) theta /= static_cast<double>(divisors[static_cast<size_t>(i)]);
    if (rope.scaling == RopeScaling::kLinear) theta /= static_cast<double>(rope.factor);
    if (rope.scaling == RopeScaling::kYarn) {   // fast pairs keep their angle, slow ones are interpolated
      const double ramp = std::clamp((i - low) / std::max(high - low, 0.001), 0.0, 1.0);
      const double keep = (1 - ramp) * static_cast<double>(rope.ext_factor);
      theta = theta / static_cast<double>(rope.factor) * (1 - keep) + theta * keep;
    }
    out[static_cast<size_t>(i)] = static_cast<float>(theta);
  }
  return out;
}

}  // namespace conclave
