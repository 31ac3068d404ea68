// Which lists of launches a device keeps in a form of its own (CUDA: an instantiated graph), and which of them make room.
// A list is kept from the second time on that it is seen: most of a prompt's never come again. Lists are compared byte for
// byte; a hash only finds candidates. Knows nothing of a device. A Form is empty at first, and lets go of its own when it ends.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace conclave::gpu {

/// Of lists that a device keeps: some 25 whole steps of a model with 48 layers.
inline constexpr size_t kKeptListBytes = size_t{8} << 20;

/// What became of the lists that a device was given.
struct ListCounts {
  uint64_t plain = 0;      // launched one by one
  uint64_t made = 0;       // seen again, and brought into the device's form
  uint64_t replayed = 0;   // launched in that form
};

template <class Form>
class ListCache {
 public:
  /// Keeps lists of `most_bytes` together.
  explicit ListCache(size_t most_bytes) : most_bytes_(most_bytes) {}

  enum class Verdict { kPlain, kMake, kReplay };
  struct Answer {
    Verdict verdict;
    Form* form;   // kReplay: of this list. kMake: to be made, from that of a list which made room if it is not empty. kPlain: nullptr
  };

  /// kMake must be followed by making the form, or by refuse(). The pointer is good until the next call.
  Answer look_up(std::span<const std::byte> list) {
    if (list.size() < kLeastBytes || list.size() > most_bytes_) return {Verdict::kPlain, nullptr};
    const uint64_t hash = hash_of(list);
    ++now_;
    for (Entry& entry : entries_) {
      if (entry.hash != hash || entry.bytes.size() != list.size() || std::memcmp(entry.bytes.data(), list.data(), list.size()) != 0) continue;
      entry.last_used = now_;
      return entry.refused ? Answer{Verdict::kPlain, nullptr} : Answer{Verdict::kReplay, &entry.form};
    }
    if (std::find(seen_.begin(), seen_.end(), hash) == seen_.end()) {
      seen_[next_seen_++ % seen_.size()] = hash;
      return {Verdict::kPlain, nullptr};
    }
    Form former = make_room(list.size());
    entries_.push_back({hash, {list.begin(), list.end()}, std::move(former), now_, false});
    bytes_ += list.size();
    return {Verdict::kMake, &entries_.back().form};
  }

  /// The list of the last kMake cannot be brought into a form: from now on it is launched plainly.
  void refuse() {
    entries_.back().form = Form{};
    entries_.back().refused = true;
  }

 private:
  static constexpr size_t kLeastBytes = 1024;   // a few launches are as fast one by one
  struct Entry {
    uint64_t hash;
    std::vector<std::byte> bytes;
    Form form;
    uint64_t last_used;
    bool refused;
  };

  /// Sends away those unused for longest; the form of the last of them may serve the newcomer.
  Form make_room(size_t wanted) {
    Form former{};
    while (bytes_ + wanted > most_bytes_) {
      const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.last_used < b.last_used; });
      former = std::move(oldest->form);
      bytes_ -= oldest->bytes.size();
      entries_.erase(oldest);
    }
    return former;
  }

  /// Four sums side by side: lists have hundreds of kilobytes, and one chain of multiplications would wait for itself.
  static uint64_t hash_of(std::span<const std::byte> list) {
    std::array<uint64_t, 4> lanes{0x9e3779b97f4a7c15u, 0xbf58476d1ce4e5b9u, 0x94d049bb133111ebu, list.size()};
    size_t at = 0;
    for (; at + 32 <= list.size(); at += 32) {
      uint64_t words[4];
      std::memcpy(words, list.data() + at, sizeof(words));
      for (size_t i = 0; i < 4; ++i) {
        lanes[i] = (lanes[i] ^ words[i]) * 0x9fb21c651e98df25u;
        lanes[i] ^= lanes[i] >> 32;
      }
    }
    for (; at < list.size(); ++at) lanes[0] = (lanes[0] ^ static_cast<uint64_t>(list[at])) * 0x100000001b3u;
    uint64_t hash = 0;
    for (const uint64_t lane : lanes) hash = (hash ^ lane) * 0x9fb21c651e98df25u, hash ^= hash >> 29;
    return hash | 1;   // 0: no list
  }

  const size_t most_bytes_;
  size_t bytes_ = 0;
  std::vector<Entry> entries_;
  std::array<uint64_t, 1024> seen_{};   // hashes of lists seen once, the last of them: a step may be a list for each layer
  size_t next_seen_ = 0;
  uint64_t now_ = 0;
};

}  // namespace conclave::gpu
