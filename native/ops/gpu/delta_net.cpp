// Launches of Gated DeltaNet; see delta_net.h.
#include <cassert>
#include <string>

#include "base/error.h"
#include "ops/gpu/gpu_ops.h"

namespace conclave::gpu {

void delta_net(GpuContext& context, const DeltaNetArgs& args) {
  const int64_t n = args.qkv.n_rows;
  if (n == 0) return;
  constexpr int kMostWidth = 256;   // DeltaSteps, delta_net.h
  if (args.d_k > kMostWidth || args.d_v > kMostWidth) {
    throw Error(ErrorCode::kUnsupported, "linear attention with keys of " + std::to_string(args.d_k) + " and values of " + std::to_string(args.d_v) + " numbers is wider than the graphics card's " + std::to_string(kMostWidth));
  }
  std::vector<SequenceRun> runs;
  std::vector<int32_t> run_of_row(static_cast<size_t>(n));
  for (int32_t row = 0; row < n;) {
    const int32_t sequence = args.row_sequence[static_cast<size_t>(row)];
    auto* state = static_cast<std::byte*>(args.sequences[static_cast<size_t>(sequence)].state);
    assert(state != nullptr);
    SequenceRun run{reinterpret_cast<float*>(state + args.state_offset), row, row, args.row_position[static_cast<size_t>(row)] == 0};
    for (; run.last < n && args.row_sequence[static_cast<size_t>(run.last)] == sequence; ++run.last) run_of_row[static_cast<size_t>(run.last)] = static_cast<int32_t>(runs.size());
    row = run.last;
    runs.push_back(run);
  }
  const int channels = static_cast<int>(args.qkv.d_row);
  const DeltaNetKernelArgs kernel{args.qkv.f32(), args.z.f32(), args.beta_alpha.f32(), args.qkv.stride, args.z.stride, args.beta_alpha.stride, args.out.stride,
                                  context.mixed.get<float>(static_cast<size_t>(n) * static_cast<size_t>(channels)), args.out.f32(), device_floats(args.conv), device_floats(args.dt), device_floats(args.a), device_floats(args.norm),
                                  context.staging.put(std::span<const SequenceRun>(runs)), context.staging.put(std::span<const int32_t>(run_of_row)),
                                  args.n_heads, args.n_key_heads, args.d_k, args.d_v, args.d_conv, args.n_groups, channels, args.cycling_heads, args.eps};
  const int32_t n_runs = static_cast<int32_t>(runs.size()), across = blocks(channels, 256);
  context.launch(KernelId::kConvolve, {across, static_cast<int32_t>(n), 1}, kernel);
  context.launch(KernelId::kKeepInputs, {across, n_runs, 1}, kernel);
  context.launch(KernelId::kDeltaSteps, {args.n_heads, n_runs, 1}, kernel);
}

}  // namespace conclave::gpu
