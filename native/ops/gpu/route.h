// The choice of experts from their logits, a warp for each row and any number of experts. The rules are those of
// ops/cpu/route.cpp; ties go to the lower id.
#pragma once
#include "ops/gpu/device.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT float kNever = -3.4028235e38f;   // below any logit, and still a number
CONCLAVE_CONSTANT float kSmallestSum = 6.103515625e-5f;   // the least normal half: the reference's floor for the renormalising sum

/// The best of a warp's candidates, the same in every lane.
CONCLAVE_DEVICE void best_of_warp(CONCLAVE_THREAD float& value, CONCLAVE_THREAD int& index) {
  CONCLAVE_UNROLL
  for (int mask = kLanes / 2; mask > 0; mask /= 2) {
    const float other = lane_xor(value, mask);
    const int other_index = lane_xor(index, mask);
    if (other > value || (other == value && other_index < index)) {
      value = other;
      index = other_index;
    }
  }
}

/// The index of the largest of n, each lane looking at its own.
CONCLAVE_DEVICE int best_index(Global<const float> x, int n, int lane, CONCLAVE_THREAD float& best) {
  int index = 0x7fffffff;
  best = kNever;
  for (int i = lane; i < n; i += kLanes)
    if (x[i] > best) {
      best = x[i];
      index = i;
    }
  best_of_warp(best, index);
  return index < n ? index : 0;
}

CONCLAVE_DEVICE void softmax_row(Global<float> x, int n, int lane) {
  float largest = kNever, sum = 0.f;
  for (int i = lane; i < n; i += kLanes) largest = fmaxf(largest, x[i]);
  largest = warp_max(largest);
  for (int i = lane; i < n; i += kLanes) {
    x[i] = expf(x[i] - largest);
    sum += x[i];
  }
  sum = warp_sum(sum);
  for (int i = lane; i < n; i += kLanes) x[i] = x[i] / sum;
}

struct ChooseExperts {
  using Args = ChooseArgs;
  static CONCLAVE_CONSTANT int kThreads = kLanes;
  static CONCLAVE_CONSTANT int kMostGroups = 64;
  static CONCLAVE_CONSTANT int kSharedBytes = kMostGroups * 4;

  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const int n = args.n_experts, lane = p.index;
    const Global<float> logits = Global<float>(args.logits) + int64_t{p.x} * n, selection = Global<float>(args.selection) + int64_t{p.x} * n;
    const Global<int32_t> experts = Global<int32_t>(args.experts) + p.x * args.expert_stride;
    const Global<float> weights = Global<float>(args.weights) + p.x * args.weight_stride;
    const int k = args.n_chosen ? Global<const int32_t>(args.n_chosen)[p.x] : args.k;
    const Global<const float> steering = Global<const float>(args.steering) + (args.steering ? int64_t{p.x} * n : 0);
    if (args.steering) {
      for (int e = lane; e < n; e += kLanes) logits[e] = fmaxf(kNever, logits[e] + steering[e]);
      warp_barrier();
    }
    if (args.order == kSparseMixer) {
      mix_sparsely(args, k, logits, selection, experts, weights, lane);
    } else {
      if (args.order == kBeforeTopK) score_all(args, logits, lane);
      const Global<const float> bias = args.selection_bias;
      for (int e = lane; e < n; e += kLanes) selection[e] = args.steering && steering[e] < kNever ? kNever : logits[e] + (bias ? bias[e] : 0.f);   // a muted one's score of 0 could win by its bias
      warp_barrier();
      if (args.n_groups > 1 && args.n_groups_used < args.n_groups) limit_groups(args, selection, as<float>(shared), lane);
      for (int j = 0; j < k; ++j) {
        float best;
        const int e = best_index(selection, n, lane, best);
        if (e % kLanes == lane) selection[e] = kNever;   // the lane that looks at it
        if (lane == 0) {
          experts[j] = e;
          weights[j] = logits[e];
        }
      }
    }
    if (lane == 0) {
      weigh(args, k, experts, weights);
      for (int j = k; j < args.k; ++j) {
        experts[j] = experts[0];
        weights[j] = 0.f;
      }
    }
  }

 private:
  static CONCLAVE_DEVICE void score_all(CONCLAVE_ARGS const Args& args, Global<float> logits, int lane) {
    if (args.score == kScoreSoftmax) softmax_row(logits, args.n_experts, lane);
    else
      for (int e = lane; e < args.n_experts; e += kLanes) logits[e] = logistic(logits[e]);
    warp_barrier();   // the first lane reads the chosen ones' scores
  }

  /// Experts outside the best groups are ruled out. A group scores by its best expert, or with a selection bias by the sum of its best two.
  static CONCLAVE_DEVICE void limit_groups(CONCLAVE_ARGS const Args& args, Global<float> selection, Shared<float> scores, int lane) {
    const int in_group = args.n_experts / args.n_groups;
    for (int g = lane; g < args.n_groups; g += kLanes) {
      float best = kNever, second = kNever;
      for (int i = 0; i < in_group; ++i) {
        const float value = selection[g * in_group + i];
        if (value > best) {
          second = best;
          best = value;
        } else {
          second = fmaxf(second, value);
        }
      }
      scores[g] = args.selection_bias && in_group > 1 ? best + second : best;
    }
    warp_barrier();
    // A group stays if fewer than n_groups_used are better.
    for (int g = lane; g < args.n_groups; g += kLanes) {
      int n_better = 0;
      for (int other = 0; other < args.n_groups; ++other) n_better += scores[other] > scores[g] || (scores[other] == scores[g] && other < g) ? 1 : 0;
      if (n_better < args.n_groups_used) continue;
      for (int i = 0; i < in_group; ++i) selection[g * in_group + i] = kNever;
    }
    warp_barrier();
  }

  /// Phi-3.5-MoE: each pick is weighed by a softmax over the logits near the best one left. `left` is the selection.
  static CONCLAVE_DEVICE void mix_sparsely(CONCLAVE_ARGS const Args& args, int k, Global<const float> logits, Global<float> left, Global<int32_t> experts, Global<float> weights, int lane) {
    for (int e = lane; e < args.n_experts; e += kLanes) left[e] = logits[e];
    for (int j = 0; j < k; ++j) {
      float largest, sum = 0.f;
      const int best = best_index(left, args.n_experts, lane, largest);
      for (int e = lane; e < args.n_experts; e += kLanes) {
        const float distance = (largest - logits[e]) / fmaxf(fabsf(logits[e]), largest);
        if (left[e] != kNever && !(distance > 2.f * args.jitter)) sum += expf(left[e] - largest);
      }
      sum = warp_sum(sum);
      if (best % kLanes == lane) left[best] = kNever;
      if (lane == 0) {
        experts[j] = best;
        weights[j] = 1.f / sum;
      }
    }
  }

  static CONCLAVE_DEVICE void weigh(CONCLAVE_ARGS const Args& args, int k, Global<const int32_t> experts, Global<float> weights) {
    if (args.order == kAfterTopK && args.score == kScoreSoftmax) {
      float sum = 0.f;
      const float largest = weights[0];
      for (int j = 0; j < k; ++j) {
        weights[j] = expf(weights[j] - largest);
        sum += weights[j];
      }
      for (int j = 0; j < k; ++j) weights[j] = weights[j] / sum;
    } else if (args.order == kAfterTopK) {
      for (int j = 0; j < k; ++j) weights[j] = logistic(weights[j]);
    }
    if (args.renormalise) {
      float sum = 0.f;
      for (int j = 0; j < k; ++j) sum += weights[j];
      sum = fmaxf(sum, kSmallestSum);
      for (int j = 0; j < k; ++j) weights[j] = weights[j] / sum;
    }
    const Global<const float> scale = args.expert_scale;
    for (int j = 0; j < k; ++j) weights[j] = weights[j] * (scale ? args.scale * scale[experts[j]] : args.scale);
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
