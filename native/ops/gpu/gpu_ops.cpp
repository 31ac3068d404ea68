// The GPU's Ops over any device, and what its ops share; see gpu_ops.h.
#include "ops/gpu/gpu_ops.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/debug_switches.h"
#include "base/error.h"
#include "ops/gpu/pick_attention.h"

namespace conclave::gpu {

static_assert(kSilu == static_cast<int>(Activation::kSilu) && kGeluTanh == static_cast<int>(Activation::kGeluTanh) && kClampedSwiglu == static_cast<int>(Activation::kClampedSwiglu));
static_assert(kScoreSoftmax == static_cast<int>(RouterScore::kSoftmax) && kScoreSigmoid == static_cast<int>(RouterScore::kSigmoid));
static_assert(kBeforeTopK == static_cast<int>(RouterOrder::kBeforeTopK) && kAfterTopK == static_cast<int>(RouterOrder::kAfterTopK) && kSparseMixer == static_cast<int>(RouterOrder::kSparseMixer));

Scratch::~Scratch() { context_.device->free(buffer_); }

void Scratch::grow(size_t bytes) {
  if (bytes <= bytes_) return;
  context_.flush();
  context_.device->wait();
  context_.device->free(buffer_);
  buffer_ = nullptr;
  bytes_ = 0;
  const size_t wanted = bytes + bytes / 4;
  buffer_ = context_.device->alloc(wanted);
  bytes_ = wanted;
}

Staging::~Staging() {
  for (const Chunk& chunk : chunks_) device_.free(chunk.device);
}

void Staging::clear() {
  entries_.clear();
  for (Chunk& chunk : chunks_) chunk.used = chunk.sent = 0;
  chunk_ = 0;
}

void Staging::send() {
  for (Chunk& chunk : chunks_) {
    if (chunk.used > chunk.sent) device_.upload(chunk.device + chunk.sent, chunk.host.data() + chunk.sent, chunk.used - chunk.sent);
    chunk.sent = chunk.used;
  }
}

const void* Staging::put_bytes(const void* data, size_t bytes, std::source_location place) {
  if (bytes == 0) return nullptr;
  const auto* from = static_cast<const std::byte*>(data);
  uint64_t hash = 0xcbf29ce484222325u + bytes;   // FNV-1a; equality is what counts, the hash only finds candidates
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<uint64_t>(from[i])) * 0x100000001b3u;
  const auto same_place = [&](const std::source_location& other) { return other.line() == place.line() && other.column() == place.column() && std::strcmp(other.file_name(), place.file_name()) == 0; };
  for (auto [at, end] = entries_.equal_range(hash); at != end; ++at) {
    const Entry& entry = at->second;
    const Chunk& chunk = chunks_[entry.chunk];
    if (entry.bytes == bytes && std::memcmp(chunk.host.data() + entry.at, data, bytes) == 0 && same_place(entry.place)) return chunk.device + entry.at;
  }
  const size_t room = std::bit_ceil(std::max<size_t>(bytes, 256));
  while (chunk_ < chunks_.size() && chunks_[chunk_].used + room > chunks_[chunk_].host.size()) ++chunk_;
  if (chunk_ == chunks_.size()) {
    const size_t size = std::max(room, size_t{1} << 20);
    chunks_.push_back({static_cast<std::byte*>(device_.alloc(size)), std::vector<std::byte>(size), 0, 0});
  }
  Chunk& chunk = chunks_[chunk_];
  std::memcpy(chunk.host.data() + chunk.used, data, bytes);
  entries_.insert({hash, {place, chunk_, chunk.used, bytes}});
  chunk.used += room;
  return chunk.device + chunk.used - room;
}

void GpuContext::flush() {
  if (list.is_empty()) return;
  LaunchList recorded = std::exchange(list, {});   // not given twice, whatever it ends in
  staging.send();
  device->run(recorded);
  recorded.clear();
  list = std::move(recorded);   // its memory
}

GpuContext::GpuContext(std::unique_ptr<GpuDevice> on) : attends_in_tiles(debug_switch_int("CONCLAVE_ATTEND_TILES", 0, 1) == 1), device(std::move(on)), staging(*device) {}

const uint8_t* device_bytes(const Weight& weight) {
  if (!weight.device) throw Error(ErrorCode::kInternal, std::string("tensor ") + weight.name + " was not brought to the device");
  return static_cast<const uint8_t*>(weight.device);
}

const float* device_floats(const Weight* weight) {
  if (!weight) return nullptr;
  if (weight->type != DType::kF32) throw Error(ErrorCode::kUnsupported, std::string("tensor ") + weight->name + " has type " + dtype_traits(weight->type)->name + "; on a graphics card it must be F32");
  return reinterpret_cast<const float*>(device_bytes(*weight));
}

Matrix matrix_of(const Weight& weight) {
  return {device_bytes(weight), static_cast<int64_t>(weight.row_bytes()), static_cast<int64_t>(weight.expert_bytes()), static_cast<int>(weight.d_in), static_cast<int>(weight.d_out)};
}

namespace {

class GpuOps final : public Ops {
 public:
  explicit GpuOps(std::unique_ptr<GpuDevice> device) : context_(std::move(device)) {}
  ~GpuOps() override {
    for (const auto& [key, memory] : weights_) context_.device->free(memory);
  }

  const char* name() const override { return context_.device->name(); }
  SharingGate sharing_gate() const override { return context_.attends_in_tiles ? kGpuSharing : SharingGate{}; }
  std::optional<DeviceMemory> memory() const override { return context_.device->memory(); }
  void* alloc(size_t bytes) override { return context_.device->alloc(bytes); }
  void free(void* buffer) override;
  void upload(void* dst, const void* src, size_t bytes) override {
    context_.flush();
    context_.device->upload(dst, src, bytes);
  }
  void download(void* dst, const void* src, size_t bytes) override {
    const Download one{dst, src, bytes};
    download_all({&one, 1});
  }
  void download_all(std::span<const Download> downloads) override {
    context_.flush();
    context_.device->download(downloads);
  }
  uint64_t upload_beside(void* dst, const void* src, size_t bytes) override {
    context_.flush();   // what was called before may still read what lies there
    return context_.device->upload_beside(dst, src, bytes);
  }
  void await(uint64_t upload) override {
    context_.flush();
    context_.device->await(upload);
  }
  void copy(void* dst, const void* src, size_t bytes) override {
    if (bytes > 0) context_.list.copy(dst, src, bytes);
  }
  /// What was called between passes comes first; what a pass that failed left behind is forgotten.
  void begin() override {
    if (in_pass_) context_.list.clear();
    context_.flush();
    context_.device->wait();
    context_.staging.clear();
    in_pass_ = true;
  }
  void submit() override { context_.flush(); }
  void wait() override {
    context_.flush();
    context_.device->wait();
    in_pass_ = false;
  }

  void prepare(Weight& weight) override;

  void embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) override { gpu::embed(context_, out, table, tokens, scale); }
  void norm(const NormArgs& args) override { gpu::norm(context_, args); }
  void add(Tensor out, Tensor x, float scale) override { gpu::add(context_, out, x, scale); }
  void matmul(Tensor x, std::span<const MatmulOutput> outputs) override { gpu::matmul(context_, x, outputs); }
  void logits(Tensor out, Tensor x, std::span<const int32_t> rows, const Weight& head, const Weight* bias, float scale, float softcap) override {
    gpu::logits(context_, out, x, rows, head, bias, scale, softcap);
  }
  void top_logits(const TopLogitsArgs& args) override { gpu::top_logits(context_, args); }
  void qk_rope(const QkRopeArgs& args) override { gpu::qk_rope(context_, args); }
  void store_kv(const StoreKvArgs& args) override { gpu::store_kv(context_, args); }
  void attend(const AttendArgs& args) override { gpu::attend(context_, args); }
  void head_matmul(const HeadMatmulArgs& args) override { gpu::head_matmul(context_, args); }
  void split_heads(const SplitHeadsArgs& args) override { gpu::split_heads(context_, args); }
  void gate(Tensor x, Tensor gate) override { gpu::gate(context_, x, gate); }
  void delta_net(const DeltaNetArgs& args) override { gpu::delta_net(context_, args); }
  void route(const RouteArgs& args) override { gpu::route(context_, args); }
  void moe_ffn(const MoeFfnArgs& args) override { gpu::moe_ffn(context_, args); }
  void dense_ffn(const DenseFfnArgs& args) override { gpu::dense_ffn(context_, args); }

 private:
  using Key = std::tuple<const std::byte*, size_t, size_t>;   // where in the file, bytes, bytes from expert to expert
  GpuContext context_;
  std::map<Key, void*> weights_;
  bool in_pass_ = false;
};

/// Destructors free, and must not throw: a list that cannot run any more has nobody left who waits for it.
void GpuOps::free(void* buffer) {
  try {
    context_.flush();
  } catch (const Error&) {
    context_.list.clear();
  }
  context_.device->free(buffer);
}

/// The same bytes are brought over once, however many handles ask (tied embeddings); experts of a fused tensor lie side by side after.
void GpuOps::prepare(Weight& weight) {
  const DTypeTraits* traits = dtype_traits(weight.type);
  if (!traits || !traits->computable) throw Error(ErrorCode::kUnsupported, std::string("tensor ") + weight.name + " has type " + (traits ? traits->name : "unknown") + ", which is not supported yet.");
  void*& memory = weights_[{weight.data, weight.bytes(), weight.expert_stride}];
  if (!memory) {
    memory = context_.device->alloc(weight.bytes());
    const bool dense = weight.expert_stride == 0 || weight.expert_stride == weight.expert_bytes();
    const size_t piece = dense ? weight.bytes() : weight.expert_bytes();
    for (int64_t expert = 0; expert < (dense ? 1 : weight.n_experts); ++expert) {
      context_.device->upload(static_cast<std::byte*>(memory) + piece * static_cast<size_t>(expert), weight.row(0, expert), piece);
    }
  }
  weight.device = memory;
}

}  // namespace

void throw_out_of_memory(size_t wanted, const DeviceMemory& memory) {
  const auto megabytes = [](size_t bytes) { return std::to_string(bytes >> 20) + "." + std::to_string((bytes >> 10) % 1024 * 10 / 1024) + " MB"; };
  throw Error(ErrorCode::kOutOfMemory, "the graphics card has " + megabytes(memory.free_bytes) + " free of " + megabytes(memory.total_bytes) + " and " + megabytes(wanted) +
                                           " more are needed; choose a shorter context, or compute on the processor");
}

void throw_device_lost(const char* task, const char* why) {
  throw Error(ErrorCode::kDeviceLost, std::string("the graphics card stopped working (it was to ") + task + ": " + why + "); the engine has to be started again");
}

std::unique_ptr<Ops> make_gpu_ops(std::unique_ptr<GpuDevice> device) { return std::make_unique<GpuOps>(std::move(device)); }

}  // namespace conclave::gpu
