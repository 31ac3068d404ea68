// Who computes which expert, and the meeting of both sums; see hybrid_ops.h.
#include "weights/hybrid_ops.h"

#include <algorithm>
#include <cassert>

namespace conclave {

namespace {

using Parts = std::array<const Weight*, kFfnParts>;

std::vector<ExpertResidency::Layer> residents(const std::vector<ExpertHome>& homes) {
  std::vector<ExpertResidency::Layer> layers;
  for (const ExpertHome& home : homes) layers.push_back({static_cast<int>(home.ffn.gate->n_experts), home.on_device, home.share});
  return layers;
}

}  // namespace

HybridOps::HybridOps(std::unique_ptr<Ops> device, std::unique_ptr<Ops> processor, const std::vector<ExpertHome>& homes, ResidencyPolicy policy, int max_moves, int64_t stream_rows)
    : ForwardingOps(std::move(device)), device_(inner()), processor_(std::move(processor)), name_(std::string(device_.name()) + " + " + processor_->name()), residency_(residents(homes), policy, max_moves),
      stream_rows_(stream_rows) {
  for (const ExpertHome& home : homes) {
    Layer& layer = layers_.emplace_back(Layer{.file = home.ffn, .slots = {}});
    n_experts_ += static_cast<uint64_t>(home.ffn.gate->n_experts);
    n_on_device_ += home.on_device.size();
    const Parts parts = parts_of(home.ffn);
    for (size_t part = 0; part < kFfnParts; ++part) {
      if (!parts[part]) continue;
      parts_[parts[part]->data] = {layers_.size() - 1, part};
      layer.slots[part] = *parts[part];
      layer.slots[part].n_experts = static_cast<int64_t>(home.on_device.size());
      layer.slots[part].expert_stride = 0;
      layer.slots[part].device = nullptr;
    }
  }
  if (stream_rows_ == 0) return;
  std::vector<FfnWeights> streamed;
  for (const Layer& layer : layers_) streamed.push_back(layer.file);
  stream_ = std::make_unique<ExpertStream>(device_, std::move(streamed));
}

HybridOps::~HybridOps() {
  for (const Layer& layer : layers_)
    for (const Weight& part : layer.slots) device_.free(part.device);
  device_.free(device_slots_.memory);
  device_.free(device_sum_.memory);
}

FfnWeights HybridOps::Layer::on_device() const {
  const Parts parts = parts_of(file);
  const auto slot = [&](size_t part) { return parts[part] ? &slots[part] : nullptr; };
  return {slot(0), slot(1), slot(2), slot(3), slot(4), slot(5)};
}

void HybridOps::begin() {
  device_.begin();
  residency_.begin_pass();
}

std::span<const int32_t> HybridOps::slots(const Weight& gate) const {
  const auto known = parts_.find(gate.data);
  return known == parts_.end() ? std::span<const int32_t>{} : residency_.slots(known->second.layer);
}

/// Of experts only those that live on the device are brought there.
void HybridOps::prepare(Weight& weight) {
  const auto known = parts_.find(weight.data);
  if (known == parts_.end()) return device_.prepare(weight);
  processor_->prepare(weight);
  const auto [layer, part] = known->second;
  Weight& slots = layers_[layer].slots[part];
  if (slots.device || slots.n_experts == 0) return;
  slots.device = device_.alloc(slots.bytes());
  const std::span<const int32_t> slot_of = residency_.slots(layer);
  for (size_t expert = 0; expert < slot_of.size(); ++expert) {
    if (slot_of[expert] >= 0) device_.upload(static_cast<std::byte*>(slots.device) + slots.expert_bytes() * static_cast<size_t>(slot_of[expert]), weight.row(0, static_cast<int64_t>(expert)), slots.expert_bytes());
  }
}

void HybridOps::moe_ffn(const MoeFfnArgs& args) {
  const auto known = parts_.find(args.ffn.gate->data);
  if (known == parts_.end()) return device_.moe_ffn(args);
  if (args.x.n_rows == 0) return;
  const size_t layer = known->second.layer;
  n_chosen_ = args.experts.d_row;
  if (is_streamed(layer, args.x.n_rows, n_chosen_)) return compute_streamed(layer, args);
  // Fetched before the device has more to do: a download waits for all that was launched. Few rows come with their choices, needed or not.
  const bool with_rows = args.x.n_rows <= kFewRows;
  fetch_choices(layer, args, with_rows);
  const bool from_processor = choices_.any_on_processor || (!choices_.any_on_device && !args.accumulate);
  const Tensor x = on_host(x_, args.x);
  if (from_processor && !with_rows) device_.download(x.data, args.x.data, x_.size() * sizeof(float));
  if (choices_.any_on_device) compute_on_device(layers_[layer], args);
  device_.submit();   // so that it computes while the processor does
  if (from_processor) add_from_processor(args, x);
  if (const std::optional<ExpertMove> move = residency_.choose(layer, choices_.n_rows)) bring(layers_[layer], *move);
}

bool HybridOps::is_streamed(size_t layer, int64_t n_rows, int64_t n_chosen) const {
  return stream_ && pays_to_stream(n_rows, n_chosen, layers_[layer].file.gate->n_experts, stream_rows_);
}

/// The first layer's experts set out before the layers below them compute.
void HybridOps::embed(Tensor out, const Weight& table, std::span<const int32_t> tokens, float scale) {
  if (n_chosen_ > 0 && is_streamed(0, static_cast<int64_t>(tokens.size()), n_chosen_)) stream_->start(0, resident(0), SIZE_MAX);
  device_.embed(out, table, tokens, scale);
}

/// The next layer sets out before this one is given to the device: it waits for what was called before, the last reader of its
/// buffer among that. One that had few rows when this one had many (the last, whose rows without logits nobody reads) sets out when it is asked for.
void HybridOps::compute_streamed(size_t layer, const MoeFfnArgs& args) {
  if (layer > 0) layers_[layer].follows = true;
  const size_t next = layer + 1;
  stream_->start(layer, resident(layer), SIZE_MAX);
  if (next < layers_.size() && layers_[next].follows) {
    stream_->start(next, resident(next), layer);
    layers_[next].follows = false;   // until it is
  }
  device_.await(layers_[layer].arriving);
  MoeFfnArgs own = args;
  own.ffn = stream_->take(layer, resident(layer));
  device_.moe_ffn(own);
  device_.submit();
}

void HybridOps::fetch_choices(size_t layer, const MoeFfnArgs& args, bool with_rows) {
  const Tensor experts = on_host(choices_.experts, args.experts), weights = on_host(choices_.weights, args.weights), x = on_host(x_, args.x);
  const Download downloads[] = {{experts.data, args.experts.data, choices_.experts.size() * sizeof(int32_t)}, {weights.data, args.weights.data, choices_.weights.size() * sizeof(float)},
                                {x.data, args.x.data, x_.size() * sizeof(float)}};
  device_.download_all(std::span(downloads).first(with_rows ? 3 : 2));
  const std::span<const int32_t> slot_of = residency_.slots(layer);
  const int64_t n = args.x.n_rows, k = args.experts.d_row;
  choices_.slots.assign(static_cast<size_t>(n * k), -1);
  choices_.n_rows.assign(slot_of.size(), 0);
  choices_.any_on_device = choices_.any_on_processor = false;
  for (int64_t row = 0; row < n; ++row)
    for (int64_t j = 0; j < k; ++j) {
      float& weight = weights.f32(row)[j];
      const auto expert = static_cast<size_t>(experts.i32(row)[j]);
      assert(expert < slot_of.size());
      if (weight == 0.f) continue;
      ++choices_.n_rows[expert];
      const int32_t slot = slot_of[expert];
      (slot >= 0 ? choices_.any_on_device : choices_.any_on_processor) = true;
      if (slot < 0) continue;
      choices_.slots[static_cast<size_t>(row * k + j)] = slot;
      weight = 0.f;
    }
}

void HybridOps::compute_on_device(const Layer& layer, const MoeFfnArgs& args) {
  const size_t bytes = choices_.slots.size() * sizeof(int32_t);
  MoeFfnArgs own = args;
  own.experts = {grow(device_slots_, bytes), DType::kI32, args.experts.n_rows, args.experts.d_row, args.experts.d_row};
  own.ffn = layer.on_device();
  device_.await(layer.arriving);
  device_.upload(own.experts.data, choices_.slots.data(), bytes);
  device_.moe_ffn(own);
}

void HybridOps::add_from_processor(const MoeFfnArgs& args, Tensor x) {
  const int64_t n = args.x.n_rows, d = args.out.d_row;
  sum_.resize(static_cast<size_t>(n * d));
  MoeFfnArgs own = args;
  own.out = {sum_.data(), DType::kF32, n, d, d};
  own.x = x;
  own.experts = {choices_.experts.data(), DType::kI32, n, args.experts.d_row, args.experts.stride};
  own.weights = {choices_.weights.data(), DType::kF32, n, args.weights.d_row, args.weights.stride};
  own.accumulate = false;
  processor_->moe_ffn(own);
  const size_t bytes = sum_.size() * sizeof(float);
  const Tensor sum{grow(device_sum_, bytes), DType::kF32, n, d, d};
  device_.upload(sum.data, sum_.data(), bytes);
  if (choices_.any_on_device || args.accumulate) return device_.add(args.out, sum, 1.f);
  for (int64_t row = 0; row < n; ++row) device_.copy(args.out.f32(row), sum.f32(row), static_cast<size_t>(d) * sizeof(float));
}

/// Behind what this pass computes with the slot's former expert, and beside what it computes then.
void HybridOps::bring(Layer& layer, const ExpertMove& move) {
  const Parts parts = parts_of(layer.file);
  for (size_t part = 0; part < kFfnParts; ++part) {
    if (!parts[part]) continue;
    const size_t bytes = layer.slots[part].expert_bytes();
    layer.arriving = device_.upload_beside(static_cast<std::byte*>(layer.slots[part].device) + bytes * static_cast<size_t>(move.slot), parts[part]->row(0, move.expert), bytes);
    bytes_moved_ += bytes;
  }
}

/// Room for the same rows, as far apart, on the host.
template <class T>
Tensor HybridOps::on_host(std::vector<T>& to, const Tensor& from) {
  to.resize(static_cast<size_t>((from.n_rows - 1) * from.stride + from.d_row));
  Tensor view = from;
  view.data = to.data();
  return view;
}

void* HybridOps::grow(Buffer& buffer, size_t bytes) {
  if (bytes > buffer.bytes) {
    device_.wait();
    device_.free(buffer.memory);
    buffer = {};
    buffer.memory = device_.alloc(bytes);
    buffer.bytes = bytes;
  }
  return buffer.memory;
}

}  // namespace conclave
