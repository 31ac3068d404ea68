// Two buffers and what they hold; see expert_stream.h.
#include "weights/expert_stream.h"

#include <algorithm>

namespace conclave {

namespace {

uint64_t aligned(uint64_t bytes) { return (bytes + 255) / 256 * 256; }

uint64_t bytes_of(const FfnWeights& ffn) {
  std::array<uint64_t, kFfnParts> bytes{};
  const auto parts = parts_of(ffn);
  for (size_t part = 0; part < kFfnParts; ++part) bytes[part] = parts[part] ? parts[part]->bytes() : 0;
  return stream_layer_bytes(bytes);
}

}  // namespace

uint64_t stream_layer_bytes(std::span<const uint64_t> part_bytes) {
  uint64_t sum = 0;
  for (const uint64_t bytes : part_bytes) sum += aligned(bytes);
  return sum;
}

ExpertStream::ExpertStream(Ops& device, std::vector<FfnWeights> layers) : device_(device), layers_(std::move(layers)) {
  uint64_t largest = 0;
  for (const FfnWeights& layer : layers_) largest = std::max(largest, bytes_of(layer));
  try {
    for (Buffer& buffer : buffers_) buffer.memory = static_cast<std::byte*>(device_.alloc(largest));
  } catch (...) {
    device_.free(buffers_[0].memory);
    throw;
  }
}

ExpertStream::~ExpertStream() {
  for (const Buffer& buffer : buffers_) device_.free(buffer.memory);
}

ExpertStream::Buffer* ExpertStream::holding(size_t layer) {
  const auto found = std::find_if(buffers_.begin(), buffers_.end(), [&](const Buffer& buffer) { return buffer.layer == layer; });
  return found == buffers_.end() ? nullptr : &*found;
}

void ExpertStream::start(size_t layer, const Resident& resident, size_t but_not) {
  if (holding(layer)) return;
  if (buffers_[next_].layer == but_not) next_ ^= 1;
  Buffer& buffer = buffers_[next_];
  next_ ^= 1;
  const auto parts = parts_of(layers_[layer]);
  std::byte* memory = buffer.memory;
  for (size_t part = 0; part < kFfnParts; ++part) {
    if (!parts[part]) continue;
    buffer.parts[part] = *parts[part];
    buffer.parts[part].expert_stride = 0;
    buffer.parts[part].device = memory;
    memory += aligned(parts[part]->bytes());
  }
  buffer.layer = layer;
  buffer.brought.assign(resident.slot_of.size(), false);
  bring(buffer, resident);
}

/// What is neither in the buffer nor in a slot. Neighbours in the file travel together.
void ExpertStream::bring(Buffer& buffer, const Resident& resident) {
  const auto parts = parts_of(layers_[buffer.layer]);
  const size_t n = buffer.brought.size();
  const auto missing = [&](size_t e) { return !buffer.brought[e] && resident.slot_of[e] < 0; };
  for (size_t part = 0; part < kFfnParts; ++part) {
    if (!parts[part]) continue;
    const size_t bytes = buffer.parts[part].expert_bytes();
    const bool dense = parts[part]->expert_stride == 0 || parts[part]->expert_stride == bytes;
    for (size_t first = 0, end = 0; first < n; first = end) {
      end = first + 1;
      if (!missing(first)) continue;
      while (dense && end < n && missing(end)) ++end;
      const size_t size = bytes * (end - first);
      buffer.upload = device_.upload_beside(static_cast<std::byte*>(buffer.parts[part].device) + bytes * first, parts[part]->row(0, static_cast<int64_t>(first)), size);
      bytes_brought_ += size;
    }
  }
  for (size_t e = 0; e < n; ++e)
    if (missing(e)) buffer.brought[e] = true;
}

FfnWeights ExpertStream::take(size_t layer, const Resident& resident) {
  start(layer, resident, kNone);
  Buffer& buffer = *holding(layer);
  bring(buffer, resident);   // what has left its slot since
  const auto parts = parts_of(layers_[layer]);
  for (size_t part = 0; part < kFfnParts; ++part) {
    if (!parts[part]) continue;
    const size_t bytes = buffer.parts[part].expert_bytes();
    for (size_t first = 0, end = 0; first < buffer.brought.size(); first = end) {
      end = first + 1;
      if (buffer.brought[first]) continue;
      while (end < buffer.brought.size() && !buffer.brought[end] && resident.slot_of[end] == resident.slot_of[end - 1] + 1) ++end;   // neighbours in their slots as well
      device_.copy(static_cast<std::byte*>(buffer.parts[part].device) + bytes * first, static_cast<const std::byte*>(resident.slots[part].device) + bytes * static_cast<size_t>(resident.slot_of[first]),
                   bytes * (end - first));
    }
  }
  device_.await(buffer.upload);
  const auto view = [&](size_t part) { return parts[part] ? &buffer.parts[part] : nullptr; };
  return {view(0), view(1), view(2), view(3), view(4), view(5)};
}

}  // namespace conclave
