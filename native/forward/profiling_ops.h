// A backend that times another one: per stage the calls, the time, and the bytes that the stage cannot avoid moving
// (weights once per call, keys and values once per sequence or run that sequences share, activations in and out). Off, it only passes calls on.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ops/forwarding_ops.h"

namespace conclave {

struct StageProfile {
  std::string name;      // the op, and the tensors where several kinds share an op
  int64_t calls = 0;
  double seconds = 0;
  double bytes = 0;
};

class ProfilingOps final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;

  void start();                           // forgets what was measured
  std::vector<StageProfile> stop();       // slowest first

  void embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) override;
  void norm(const NormArgs& args) override;
  void add(Tensor out, Tensor x, float scale) override;
  void matmul(Tensor x, std::span<const MatmulOutput> outputs) override;
  void logits(Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) override;
  void top_logits(const TopLogitsArgs& args) override;
  void qk_rope(const QkRopeArgs& args) override;
  void store_kv(const StoreKvArgs& args) override;
  void attend(const AttendArgs& args) override;
  void head_matmul(const HeadMatmulArgs& args) override;
  void split_heads(const SplitHeadsArgs& args) override;
  void gate(Tensor x, Tensor gate) override;
  void delta_net(const DeltaNetArgs& args) override;
  void route(const RouteArgs& args) override;
  void moe_ffn(const MoeFfnArgs& args) override;
  void dense_ffn(const DenseFfnArgs& args) override;

 private:
  /// Runs `call`; when on, waits for the device around it and books it under `stage()` with `bytes()` read afterwards.
  template <typename Call, typename Stage, typename Bytes>
  void measure(Call call, Stage stage, Bytes bytes);

  bool on_ = false;
  std::map<std::string, StageProfile> stages_;
};

}  // namespace conclave
