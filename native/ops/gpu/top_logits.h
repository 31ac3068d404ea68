// The best of rows of logits: each block takes the best of a slice of a row, then one block the best of those. The k-th best is
// found by halving the order of floats bit by bit and counting, which costs the same whatever the values are, and needs no atomics
// on what many threads would meet at. Values and ids are ordered strictly, so the result is the same on every device; sums are
// taken in a fixed order.
#pragma once
#include "ops/gpu/device.h"
#include "ops/gpu/kernel_args.h"

namespace conclave::gpu::CONCLAVE_DIALECT {

CONCLAVE_CONSTANT int kTopThreads = 256;
CONCLAVE_CONSTANT int kTopSlice = 4096;   // values of a block: 37 blocks for a row of 150,000
CONCLAVE_CONSTANT int kTopLists = 64;     // of one merge: 64 * 4096 values are a vocabulary of 262,144

/// What orders floats as an unsigned number, never 0; both zeros are one.
CONCLAVE_DEVICE uint32_t order_of(uint32_t bits) {
  if (bits == 0x80000000u) bits = 0u;
  const uint32_t order = bits >> 31 ? ~bits : bits | 0x80000000u;
  return order > 0u ? order : 1u;
}
CONCLAVE_CONSTANT uint32_t kLeastOrder = 0x007fffffu, kMostOrder = 0xff800000u;   // of the infinities; NaNs lie beyond
CONCLAVE_DEVICE float value_of(uint32_t order) { return float_of(order >> 31 ? order ^ 0x80000000u : ~order); }

/// What one thread has of a block's values.
template <int kEach>
struct TopHeld {
  uint32_t order[kEach];
  int32_t id[kEach];
};

/// Where the best end: those above `least`, and of those equal to it the ids up to last_id.
struct TopCut {
  uint32_t least;
  int32_t last_id;
};

template <int kEach>
CONCLAVE_DEVICE int count_from(CONCLAVE_THREAD const TopHeld<kEach>& held, uint32_t least, int index, Shared<float> room) {
  int n = 0;
  CONCLAVE_UNROLL
  for (int i = 0; i < kEach; ++i) n += held.order[i] >= least ? 1 : 0;
  return static_cast<int>(block_sum<kTopThreads>(static_cast<float>(n), index, room));
}

/// Of the kTopBest best of a block, or of all if there are fewer; the same in every thread.
template <int kEach>
CONCLAVE_DEVICE TopCut cut_of_best(CONCLAVE_THREAD const TopHeld<kEach>& held, int index, Shared<float> room) {
  uint32_t least = 0u;   // the largest, as far as its bits are known, that kTopBest values reach
  for (int bit = 31; bit >= 0; --bit) {
    const uint32_t trial = least | 1u << bit;
    const int n = count_from(held, trial, index, room);
    if (n >= kTopBest) least = trial;
    if (n == kTopBest) return TopCut{least, 0x7fffffff};
  }
  if (least == 0u) return TopCut{1u, 0x7fffffff};
  const int wanted = kTopBest - count_from(held, least + 1u, index, room);   // of several equals the lowest ids
  int32_t last_id = 0;
  for (int bit = 30; bit >= 0; --bit) {
    const int32_t trial = last_id | 1 << bit;
    int n = 0;
    CONCLAVE_UNROLL
    for (int i = 0; i < kEach; ++i) n += held.order[i] == least && held.id[i] < trial ? 1 : 0;
    if (block_sum<kTopThreads>(static_cast<float>(n), index, room) < static_cast<float>(wanted)) last_id = trial;
  }
  return TopCut{least, last_id};
}

/// Writes the kTopBest best in any order, then what says that there is none. `counter` is 0, and every thread has seen that.
template <int kEach, class Orders, class Ids>
CONCLAVE_DEVICE void take_best(CONCLAVE_THREAD const TopHeld<kEach>& held, TopCut cut, int index, Shared<int32_t> counter, Orders orders, Ids ids) {
  CONCLAVE_UNROLL
  for (int i = 0; i < kEach; ++i) {
    if (held.order[i] < cut.least || (held.order[i] == cut.least && held.id[i] > cut.last_id)) continue;
    const int at = atomic_add(counter, 1);
    if (at >= kTopBest) continue;   // never
    orders[at] = held.order[i];
    ids[at] = held.id[i];
  }
  block_barrier();
  for (int at = *counter + index; at < kTopBest; at += kTopThreads) {
    orders[at] = 0u;
    ids[at] = 0;
  }
}

struct TopOfSlice {
  using Args = TopOfSliceArgs;
  static CONCLAVE_CONSTANT int kThreads = kTopThreads;
  static CONCLAVE_CONSTANT int kSharedBytes = kThreads / kLanes * 4 + 16;
  static CONCLAVE_CONSTANT int kEach = kTopSlice / kThreads;

  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<float> room = as<float>(shared);
    const Shared<int32_t> counter = as<int32_t>(shared + kThreads / kLanes * 4);
    if (p.index == 0) *counter = 0;
    const Global<const uint32_t> row = as<const uint32_t>(Global<const float>(args.logits) + p.y * args.stride);
    TopHeld<kEach> held;
    uint32_t largest = 1u;
    CONCLAVE_UNROLL
    for (int i = 0; i < kEach; ++i) {
      held.id[i] = p.x * kTopSlice + i * kThreads + p.index;
      held.order[i] = held.id[i] < args.n ? order_of(row[held.id[i]]) : 0u;
      largest = held.order[i] > largest ? held.order[i] : largest;
    }
    const float best = largest_of_block(value_of(largest), p.index, room);
    float sum = 0.f, n_bad = 0.f;
    CONCLAVE_UNROLL
    for (int i = 0; i < kEach; ++i) {
      if (held.order[i] == 0u) continue;
      n_bad += held.order[i] > kLeastOrder && held.order[i] < kMostOrder ? 0.f : 1.f;
      sum += expf(value_of(held.order[i]) - best);
    }
    sum = block_sum<kThreads>(sum, p.index, room);
    n_bad = block_sum<kThreads>(n_bad, p.index, room);
    const int64_t list = int64_t{p.y} * args.n_slices + p.x;
    if (p.index == 0) {
      const Global<float> sums = Global<float>(args.lists.sums) + list * 3;
      sums[0] = best;
      sums[1] = sum;
      sums[2] = n_bad;
    }
    const TopCut cut = cut_of_best(held, p.index, room);
    take_best(held, cut, p.index, counter, Global<uint32_t>(args.lists.orders) + list * kTopBest, Global<int32_t>(args.lists.ids) + list * kTopBest);
  }

 private:
  static CONCLAVE_DEVICE float largest_of_block(float value, int index, Shared<float> room) {
    value = warp_max(value);
    if (index % kLanes == 0) room[index / kLanes] = value;
    block_barrier();
    CONCLAVE_UNROLL
    for (int i = 0; i < kThreads / kLanes; ++i) value = fmaxf(value, room[i]);
    block_barrier();
    return value;
  }
};

struct MergeTops {
  using Args = MergeTopsArgs;
  static CONCLAVE_CONSTANT int kThreads = kTopThreads;
  static CONCLAVE_CONSTANT int kRoomBytes = kThreads / kLanes * 4 + 16;
  static CONCLAVE_CONSTANT int kSharedBytes = kRoomBytes + kTopBest * 8;
  static CONCLAVE_CONSTANT int kEach = kTopLists * kTopBest / kThreads;

  static CONCLAVE_DEVICE void run(CONCLAVE_ARGS const Args& args, Place p, Shared<unsigned char> shared) {
    const Shared<float> room = as<float>(shared);
    const Shared<int32_t> counter = as<int32_t>(shared + kThreads / kLanes * 4);
    if (p.index == 0) *counter = 0;
    const int left = args.n_lists - p.x * kTopLists, n_lists = left < kTopLists ? left : kTopLists;
    const int64_t first = int64_t{p.y} * args.n_lists + p.x * kTopLists;
    const Global<const uint32_t> orders = Global<const uint32_t>(args.lists.orders) + first * kTopBest;
    const Global<const int32_t> ids = Global<const int32_t>(args.lists.ids) + first * kTopBest;
    TopHeld<kEach> held;
    CONCLAVE_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const int at = i * kThreads + p.index;
      const bool is_there = at < n_lists * kTopBest;
      held.order[i] = is_there ? orders[at] : 0u;
      held.id[i] = is_there ? ids[at] : 0;
    }
    const TopCut cut = cut_of_best(held, p.index, room);
    const int64_t list = int64_t{p.y} * args.n_out + p.x;
    const Global<float> sums = args.n_out > 0 ? Global<float>(args.out.sums) + list * 3 : Global<float>(args.sums) + p.y * args.sum_stride;
    if (p.index < kLanes) join_sums(Global<const float>(args.lists.sums) + first * 3, n_lists, p.index, args.n_out > 0, sums);
    if (args.n_out > 0) {
      take_best(held, cut, p.index, counter, Global<uint32_t>(args.out.orders) + list * kTopBest, Global<int32_t>(args.out.ids) + list * kTopBest);
      return;
    }
    const Shared<uint32_t> best_orders = as<uint32_t>(shared + kRoomBytes);
    const Shared<int32_t> best_ids = as<int32_t>(shared + kRoomBytes + kTopBest * 4);
    take_best(held, cut, p.index, counter, best_orders, best_ids);
    block_barrier();
    put_in_order(args, p, best_orders, best_ids);
    const Global<const float> logits = Global<const float>(args.logits) + p.y * args.logit_stride;
    const Global<const int32_t> asked_ids = Global<const int32_t>(args.asked_ids) + int64_t{p.y} * args.n_asked;
    for (int i = p.index; i < args.n_asked; i += kThreads)
      if (asked_ids[i] >= 0) Global<float>(args.asked)[p.y * args.asked_stride + i] = logits[asked_ids[i]];
  }

 private:
  /// A place is how many come before: 128 looks for each are sooner done than the barriers of a sort.
  static CONCLAVE_DEVICE void put_in_order(CONCLAVE_ARGS const Args& args, Place p, Shared<uint32_t> orders, Shared<int32_t> ids) {
    if (p.index >= kTopBest) return;
    const uint32_t order = orders[p.index];
    const int32_t id = ids[p.index];
    if (order == 0u) return;
    int place = 0;
    for (int i = 0; i < kTopBest; ++i) place += orders[i] > order || (orders[i] == order && ids[i] < id) ? 1 : 0;
    Global<int32_t>(args.ids)[p.y * args.id_stride + place] = id;
    Global<float>(args.values)[p.y * args.value_stride + place] = value_of(order);
  }

  /// By one warp, two lists a lane.
  static CONCLAVE_DEVICE void join_sums(Global<const float> sums, int n_lists, int lane, bool with_largest, Global<float> out) {
    float best[2], sum[2], n_bad = 0.f;
    CONCLAVE_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int list = lane + i * kLanes;
      best[i] = list < n_lists ? sums[list * 3] : float_of(0xff800000u);
      sum[i] = list < n_lists ? sums[list * 3 + 1] : 0.f;
      n_bad += list < n_lists ? sums[list * 3 + 2] : 0.f;
    }
    const float largest = warp_max(fmaxf(best[0], best[1]));
    const float total = warp_sum(sum[0] * expf(best[0] - largest) + sum[1] * expf(best[1] - largest));
    n_bad = warp_sum(n_bad);
    if (lane > 0) return;
    if (with_largest) out[0] = largest;
    out[with_largest ? 1 : 0] = total;
    out[with_largest ? 2 : 1] = n_bad;
  }
};

}  // namespace conclave::gpu::CONCLAVE_DIALECT
