// A backend that passes every call on to another one: what decorators (timing, experts in two memories) are built on. A
// decorator overrides the calls that it changes and reaches the other one by inner().
#pragma once
#include <memory>

#include "ops/ops.h"

namespace conclave {

class ForwardingOps : public Ops {
 public:
  explicit ForwardingOps(std::unique_ptr<Ops> inner) : inner_(std::move(inner)) {}

  const char* name() const override { return inner_->name(); }
  std::optional<DeviceMemory> memory() const override { return inner_->memory(); }
  SharingGate sharing_gate() const override { return inner_->sharing_gate(); }
  void* alloc(size_t bytes) override { return inner_->alloc(bytes); }
  void free(void* buffer) override { inner_->free(buffer); }
  void upload(void* dst, const void* src, size_t bytes) override { inner_->upload(dst, src, bytes); }
  void download(void* dst, const void* src, size_t bytes) override { inner_->download(dst, src, bytes); }
  void download_all(std::span<const Download> downloads) override { inner_->download_all(downloads); }
  void copy(void* dst, const void* src, size_t bytes) override { inner_->copy(dst, src, bytes); }
  uint64_t upload_beside(void* dst, const void* src, size_t bytes) override { return inner_->upload_beside(dst, src, bytes); }
  void await(uint64_t upload) override { inner_->await(upload); }
  void begin() override { inner_->begin(); }
  void submit() override { inner_->submit(); }
  void wait() override { inner_->wait(); }
  void prepare(Weight& weight) override { inner_->prepare(weight); }

  void embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) override { inner_->embed(out, table, tokens, scale); }
  void norm(const NormArgs& args) override { inner_->norm(args); }
  void add(Tensor out, Tensor x, float scale) override { inner_->add(out, x, scale); }
  void matmul(Tensor x, std::span<const MatmulOutput> outputs) override { inner_->matmul(x, outputs); }
  void logits(Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) override {
    inner_->logits(out, x, rows, head, bias, scale, softcap);
  }
  void top_logits(const TopLogitsArgs& args) override { inner_->top_logits(args); }
  void qk_rope(const QkRopeArgs& args) override { inner_->qk_rope(args); }
  void store_kv(const StoreKvArgs& args) override { inner_->store_kv(args); }
  void attend(const AttendArgs& args) override { inner_->attend(args); }
  void head_matmul(const HeadMatmulArgs& args) override { inner_->head_matmul(args); }
  void split_heads(const SplitHeadsArgs& args) override { inner_->split_heads(args); }
  void gate(Tensor x, Tensor gate) override { inner_->gate(x, gate); }
  void delta_net(const DeltaNetArgs& args) override { inner_->delta_net(args); }
  void route(const RouteArgs& args) override { inner_->route(args); }
  void moe_ffn(const MoeFfnArgs& args) override { inner_->moe_ffn(args); }
  void dense_ffn(const DenseFfnArgs& args) override { inner_->dense_ffn(args); }

 protected:
  Ops& inner() const { return *inner_; }

 private:
  std::unique_ptr<Ops> inner_;
};

}  // namespace conclave
