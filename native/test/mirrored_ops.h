// A backend with memory of its own behind tests that keep theirs on the host: for each call, everything that the arguments
// point to is brought to the device, and what the call may have changed is brought back. So one op list serves every backend.
#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "ops/ops.h"

namespace conclave::test {

/// The device's copies of one call's arguments.
class Mirror {
 public:
  explicit Mirror(Ops& ops) : ops_(ops) { ops_.begin(); }
  ~Mirror() {
    for (void* buffer : buffers_) ops_.free(buffer);
  }
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  Tensor in(const Tensor& host) {
    Tensor view = host;
    if (host.n_rows > 0) view.data = bytes(host.data, row_span(host));
    return view;
  }
  /// Brought back by finish(), each row's own values only.
  Tensor out(const Tensor& host) {
    const Tensor view = in(host);
    if (host.n_rows > 0) written_.push_back({host, view});
    return view;
  }
  void* out(void* host, size_t n) {
    void* device = bytes(host, n);
    whole_.push_back({host, device, n});
    return device;
  }
  /// nullptr for nullptr. Experts lie side by side on the device.
  const Weight* weight(const Weight* host) {
    if (!host) return nullptr;
    const auto known = weights_.find(host);
    if (known != weights_.end()) return &known->second;
    Weight view = *host;
    auto* device = static_cast<std::byte*>(take(host->bytes()));
    for (int64_t e = 0; e < host->n_experts; ++e) ops_.upload(device + host->expert_bytes() * static_cast<size_t>(e), host->row(0, e), host->expert_bytes());
    view.device = device;
    return &(weights_[host] = view);
  }
  FfnWeights ffn(const FfnWeights& host) {
    return {weight(host.gate), weight(host.up), weight(host.down), weight(host.gate_bias), weight(host.up_bias), weight(host.down_bias)};
  }
  KvLayer pages(const KvLayer& host) {
    KvLayer view = host;
    if (host.n_pages == 0) return view;
    const auto page_bytes = [&](int d) { return row_bytes(host.type, d) * static_cast<size_t>(kPageTokens * host.n_kv_heads) * static_cast<size_t>(host.n_pages); };
    view.k = out(host.k, page_bytes(host.d_k));
    view.v = out(host.v, page_bytes(host.d_v));
    return view;
  }
  void finish() {
    ops_.submit();
    ops_.wait();
    for (const auto& [host, device] : written_) {
      std::vector<std::byte> rows(row_span(host));
      ops_.download(rows.data(), device.data, rows.size());
      for (int64_t row = 0; row < host.n_rows; ++row) {
        const size_t at = static_cast<size_t>(row * host.stride) * 4;
        std::memcpy(static_cast<std::byte*>(host.data) + at, rows.data() + at, static_cast<size_t>(host.d_row) * 4);
      }
    }
    for (const Whole& part : whole_) ops_.download(part.host, part.device, part.bytes);
  }

 private:
  struct Whole {
    void *host, *device;
    size_t bytes;
  };
  static size_t row_span(const Tensor& tensor) { return static_cast<size_t>((tensor.n_rows - 1) * tensor.stride + tensor.d_row) * 4; }
  void* take(size_t n) {
    buffers_.push_back(nullptr);
    return buffers_.back() = ops_.alloc(n);
  }
  /// What begins at the same place is the same buffer: out may be x.
  void* bytes(void* host, size_t n) {
    for (const Whole& known : mirrored_)
      if (known.host == host && known.bytes >= n) return known.device;
    void* device = take(n);
    ops_.upload(device, host, n);
    mirrored_.push_back({host, device, n});
    return device;
  }

  Ops& ops_;
  std::vector<void*> buffers_;
  std::vector<Whole> mirrored_, whole_;
  std::vector<std::pair<Tensor, Tensor>> written_;
  std::map<const Weight*, Weight> weights_;
};

class MirroredOps final : public Ops {
 public:
  explicit MirroredOps(std::unique_ptr<Ops> inner) : inner_(std::move(inner)) {}

  const char* name() const override { return inner_->name(); }
  SharingGate sharing_gate() const override { return inner_->sharing_gate(); }
  void* alloc(size_t bytes) override { return inner_->alloc(bytes); }
  void free(void* buffer) override { inner_->free(buffer); }
  void upload(void* dst, const void* src, size_t bytes) override { inner_->upload(dst, src, bytes); }
  void download(void* dst, const void* src, size_t bytes) override { inner_->download(dst, src, bytes); }
  void copy(void* dst, const void* src, size_t bytes) override { inner_->copy(dst, src, bytes); }
  void begin() override {}
  void submit() override {}
  void wait() override {}
  void prepare(Weight& weight) override { inner_->prepare(weight); }

  void embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) override {
    Mirror m(*inner_);
    inner_->embed(m.out(out), *m.weight(&table), tokens, scale);
    m.finish();
  }
  void norm(const NormArgs& args) override {
    Mirror m(*inner_);
    NormArgs on = args;
    on.x = m.in(args.x);
    on.out = m.out(args.out);
    on.weight = m.weight(args.weight);
    on.bias = m.weight(args.bias);
    inner_->norm(on);
    m.finish();
  }
  void add(Tensor out, Tensor x, float scale) override {
    Mirror m(*inner_);
    inner_->add(m.out(out), m.in(x), scale);
    m.finish();
  }
  void matmul(Tensor x, std::span<const MatmulOutput> outputs) override {
    Mirror m(*inner_);
    std::vector<MatmulOutput> on(outputs.begin(), outputs.end());
    for (MatmulOutput& output : on) output = {m.out(output.out), m.weight(output.weight), m.weight(output.bias), output.scale, output.accumulate};
    inner_->matmul(m.in(x), on);
    m.finish();
  }
  void logits(Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) override {
    Mirror m(*inner_);
    inner_->logits(m.out(out), m.in(x), rows, *m.weight(&head), m.weight(bias), scale, softcap);
    m.finish();
  }
  void top_logits(const TopLogitsArgs& args) override {
    Mirror m(*inner_);
    inner_->top_logits({m.out(args.ids), m.out(args.values), m.out(args.sums), m.out(args.asked), m.in(args.logits), args.asked_ids});
    m.finish();
  }
  void qk_rope(const QkRopeArgs& args) override {
    Mirror m(*inner_);
    QkRopeArgs on = args;
    on.q = m.out(args.q);
    on.k = m.out(args.k);
    on.q_norm = m.weight(args.q_norm);
    on.k_norm = m.weight(args.k_norm);
    on.freq_factors = m.weight(args.freq_factors);
    inner_->qk_rope(on);
    m.finish();
  }
  void store_kv(const StoreKvArgs& args) override {
    Mirror m(*inner_);
    inner_->store_kv({m.pages(args.layer), m.in(args.k), m.in(args.v), args.slots});
    m.finish();
  }
  void attend(const AttendArgs& args) override {
    Mirror m(*inner_);
    AttendArgs on = args;
    on.out = m.out(args.out);
    on.q = m.in(args.q);
    on.layer = m.pages(args.layer);
    on.sinks = m.weight(args.sinks);
    inner_->attend(on);
    m.finish();
  }
  void head_matmul(const HeadMatmulArgs& args) override {
    Mirror m(*inner_);
    inner_->head_matmul({m.out(args.out), m.in(args.x), m.weight(args.weight), args.n_tail, args.shared});
    m.finish();
  }
  void split_heads(const SplitHeadsArgs& args) override {
    Mirror m(*inner_);
    inner_->split_heads({m.in(args.x), m.out(args.first), m.out(args.second), args.n_heads});
    m.finish();
  }
  void gate(Tensor x, Tensor gate) override {
    Mirror m(*inner_);
    inner_->gate(m.out(x), m.in(gate));
    m.finish();
  }
  void delta_net(const DeltaNetArgs& args) override {
    Mirror m(*inner_);
    DeltaNetArgs on = args;
    on.out = m.out(args.out);
    on.qkv = m.in(args.qkv);
    on.z = m.in(args.z);
    on.beta_alpha = m.in(args.beta_alpha);
    for (const Weight** weight : {&on.conv, &on.dt, &on.a, &on.norm}) *weight = m.weight(*weight);
    const size_t state_floats = static_cast<size_t>((args.d_conv - 1) * args.qkv.d_row) + static_cast<size_t>(args.n_heads * args.d_k * args.d_v);
    std::vector<SequencePages> sequences(args.sequences.begin(), args.sequences.end());
    for (SequencePages& sequence : sequences)
      if (sequence.state) sequence.state = m.out(sequence.state, args.state_offset + 4 * state_floats);
    on.sequences = sequences;
    inner_->delta_net(on);
    m.finish();
  }
  void route(const RouteArgs& args) override {
    Mirror m(*inner_);
    RouteArgs on = args;
    on.experts = m.out(args.experts);
    on.weights = m.out(args.weights);
    on.x = m.in(args.x);
    for (const Weight** weight : {&on.router, &on.bias, &on.selection_bias, &on.expert_scale}) *weight = m.weight(*weight);
    inner_->route(on);
    m.finish();
  }
  void moe_ffn(const MoeFfnArgs& args) override {
    Mirror m(*inner_);
    inner_->moe_ffn({m.out(args.out), m.in(args.x), m.in(args.experts), m.in(args.weights), m.ffn(args.ffn), args.activation, args.scale, args.accumulate});
    m.finish();
  }
  void dense_ffn(const DenseFfnArgs& args) override {
    Mirror m(*inner_);
    inner_->dense_ffn({m.out(args.out), m.in(args.x), m.ffn(args.ffn), args.activation, args.scale, args.accumulate, m.weight(args.output_gate)});
    m.finish();
  }

 private:
  std::unique_ptr<Ops> inner_;
};

}  // namespace conclave::test
