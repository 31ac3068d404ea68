// The router: logits by one product, the choice by one kernel.
#include <cassert>
#include <string>

#include "base/error.h"
#include "ops/gpu/gpu_ops.h"

namespace conclave::gpu {

void route(GpuContext& context, const RouteArgs& args) {
  const int64_t n = args.x.n_rows, n_experts = args.router->d_out;
  if (n == 0) return;
  assert(args.n_experts_used >= 1 && args.n_experts_used <= n_experts && args.experts.d_row == args.n_experts_used);
  constexpr int kMostGroups = 64;   // ChooseExperts, route.h
  if (args.spec.n_groups > kMostGroups) throw Error(ErrorCode::kUnsupported, std::to_string(args.spec.n_groups) + " groups of experts are more than the graphics card's " + std::to_string(kMostGroups));
  const size_t size = static_cast<size_t>(n * n_experts);
  const Tensor all{context.logits.get<float>(size), DType::kF32, n, n_experts, n_experts};
  const MatmulOutput output{all, args.router, args.bias, args.spec.logit_scale, false};
  matmul(context, args.x, {&output, 1});
  const RouterSpec& spec = args.spec;
  context.launch(KernelId::kChoose, {static_cast<int32_t>(n), 1, 1},
                 ChooseArgs{all.f32(), context.selection.get<float>(size), device_floats(args.selection_bias), device_floats(args.expert_scale), args.experts.i32(), args.weights.f32(),
                            args.experts.stride, args.weights.stride, static_cast<int>(n_experts), args.n_experts_used, static_cast<int>(spec.score), static_cast<int>(spec.order),
                            spec.n_groups, spec.n_groups_used, spec.renormalise, spec.scale, spec.jitter,
                            args.steering.empty() ? nullptr : context.staging.put(args.steering), args.n_chosen.empty() ? nullptr : context.staging.put(args.n_chosen)});
}

}  // namespace conclave::gpu
