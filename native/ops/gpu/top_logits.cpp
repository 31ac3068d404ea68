// Launches of the kernels for the best logits; see top_logits.h.
#include <cassert>

#include "ops/gpu/gpu_ops.h"

namespace conclave::gpu {
namespace {

constexpr int64_t kSlice = 4096, kLists = 64;   // kTopSlice and kTopLists, top_logits.h
static_assert(kTopBest == kTopLogits);

/// Cuts room for lists from `memory`.
TopLists take_lists(std::byte*& memory, int64_t n) {
  const TopLists lists{reinterpret_cast<uint32_t*>(memory), reinterpret_cast<int32_t*>(memory) + n * kTopBest, reinterpret_cast<float*>(memory) + 2 * n * kTopBest};
  memory += n * kTopListBytes;
  return lists;
}

}  // namespace

void top_logits(GpuContext& context, const TopLogitsArgs& args) {
  const int64_t n = args.logits.n_rows, n_vocab = args.logits.d_row;
  if (n == 0) return;
  assert(args.ids.d_row == std::min<int64_t>(kTopLogits, n_vocab) && args.values.d_row == args.ids.d_row && args.sums.d_row == 2 && static_cast<int64_t>(args.asked_ids.size()) == n * args.asked.d_row);
  int64_t n_all = 0;
  for (int64_t n_lists = blocks(n_vocab, kSlice);; n_lists = blocks(n_lists, kLists)) {
    n_all += n_lists;
    if (n_lists == 1) break;
  }
  std::byte* memory = context.top.get<std::byte>(static_cast<size_t>(n * n_all * kTopListBytes));
  int32_t n_lists = blocks(n_vocab, kSlice);
  TopLists lists = take_lists(memory, n * n_lists);
  context.launch(KernelId::kTopOfSlice, {n_lists, static_cast<int32_t>(n), 1}, TopOfSliceArgs{args.logits.f32(), args.logits.stride, static_cast<int>(n_vocab), n_lists, lists});
  for (bool is_last = false; !is_last;) {
    const int32_t n_groups = blocks(n_lists, kLists);
    is_last = n_groups == 1;
    MergeTopsArgs merge{};
    merge.lists = lists;
    merge.n_lists = n_lists;
    if (is_last) {
      merge.ids = args.ids.i32();
      merge.values = args.values.f32();
      merge.sums = args.sums.f32();
      merge.asked = args.asked.f32();
      merge.id_stride = args.ids.stride;
      merge.value_stride = args.values.stride;
      merge.sum_stride = args.sums.stride;
      merge.asked_stride = args.asked.stride;
      merge.logits = args.logits.f32();
      merge.logit_stride = args.logits.stride;
      merge.asked_ids = context.staging.put(args.asked_ids);
      merge.n_asked = static_cast<int>(args.asked.d_row);
    } else {
      merge.out = take_lists(memory, n * n_groups);
      merge.n_out = n_groups;
    }
    context.launch(KernelId::kMergeTops, {n_groups, static_cast<int32_t>(n), 1}, merge);
    lists = merge.out;
    n_lists = n_groups;
  }
}

}  // namespace conclave::gpu
