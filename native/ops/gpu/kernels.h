// The table of kernels: a device asks for one by id and, where there is one for each number format, by that; the launcher
// that it brings is called with the kernel's type. The one place where formats become template arguments.
#pragma once
#include "ops/gpu/attend.h"
#include "ops/gpu/delta_net.h"
#include "ops/gpu/ffn.h"
#include "ops/gpu/kernel_id.h"
#include "ops/gpu/rope.h"
#include "ops/gpu/route.h"
#include "ops/gpu/rows.h"

namespace conclave::gpu {

/// Calls launch.template run<Kernel<Format>>() for the format with GGUF's number `format`; false: there is none.
template <template <class> class Kernel, class Launch>
bool with_format(int format, Launch& launch) {
  switch (format) {
    case 0: return launch.template run<Kernel<F32>>();
    case 1: return launch.template run<Kernel<F16>>();
    case 2: return launch.template run<Kernel<Q4_0>>();
    case 3: return launch.template run<Kernel<Q4_1>>();
    case 6: return launch.template run<Kernel<Q5_0>>();
    case 7: return launch.template run<Kernel<Q5_1>>();
    case 8: return launch.template run<Kernel<Q8_0>>();
    case 10: return launch.template run<Kernel<Q2_K>>();
    case 11: return launch.template run<Kernel<Q3_K>>();
    case 12: return launch.template run<Kernel<Q4_K>>();
    case 13: return launch.template run<Kernel<Q5_K>>();
    case 14: return launch.template run<Kernel<Q6_K>>();
    case 20: return launch.template run<Kernel<IQ4_NL>>();
    case 23: return launch.template run<Kernel<IQ4_XS>>();
    case 30: return launch.template run<Kernel<BF16>>();
    case 39: return launch.template run<Kernel<MXFP4>>();
    default: return false;
  }
}

/// The same for the formats of keys and values.
template <template <class> class Kernel, class Launch>
bool with_kv_format(int format, Launch& launch) {
  switch (format) {
    case 0: return launch.template run<Kernel<KvF32>>();
    case 1: return launch.template run<Kernel<KvF16>>();
    case 8: return launch.template run<Kernel<KvQ8_0>>();
    case 30: return launch.template run<Kernel<KvBF16>>();
    default: return false;
  }
}

template <class Launch>
bool dispatch(KernelId id, int format, Launch& launch) {
  switch (id) {
    case KernelId::kQuantize: return launch.template run<Quantize>();
    case KernelId::kProduct: return with_format<Product>(format, launch);
    case KernelId::kSortPairs: return launch.template run<SortPairs>();
    case KernelId::kDensePairs: return launch.template run<DensePairs>();
    case KernelId::kGateUp: return with_format<GateUp>(format, launch);
    case KernelId::kDownFew: return with_format<DownFew>(format, launch);
    case KernelId::kDownMany: return with_format<DownMany>(format, launch);
    case KernelId::kNorm: return launch.template run<NormRows>();
    case KernelId::kAdd: return launch.template run<AddRows>();
    case KernelId::kGate: return launch.template run<GateRows>();
    case KernelId::kSplit: return launch.template run<SplitRows>();
    case KernelId::kTails: return launch.template run<CopyTails>();
    case KernelId::kEmbed: return with_format<EmbedRows>(format, launch);
    case KernelId::kRowScales: return launch.template run<RowScales>();
    case KernelId::kRope: return launch.template run<NormAndRotate>();
    case KernelId::kStoreKv: return with_kv_format<StoreKv>(format, launch);
    case KernelId::kAttend: return with_kv_format<Attend>(format, launch);
    case KernelId::kMergeRuns: return launch.template run<MergeRuns>();
    case KernelId::kChoose: return launch.template run<ChooseExperts>();
    case KernelId::kConvolve: return launch.template run<ConvolveRows>();
    case KernelId::kKeepInputs: return launch.template run<KeepInputs>();
    case KernelId::kDeltaSteps: return launch.template run<DeltaSteps>();
  }
  return false;
}

}  // namespace conclave::gpu
