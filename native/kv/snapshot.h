// Prefixes on disk: the keys and values of a sequence of tokens in one file, so that a template costs a read instead of a
// prefill. A file belongs to one model, its drafters, one engine build, one backend, one page layout and one sequence of tokens; with
// any of them different, or with a single bit changed, it is refused and the caller computes the prefix anew. Files are
// written beside their place and renamed into it, so a reader meets a whole file or none. Knows no model and no cache.
//
// Whole pages only: how a page is laid out inside is the backend's own affair, and what lies behind the last token of a
// page that is not full is another conversation's.
//
// Layout (little endian): header, per layer {type, n_kv_heads, d_k, d_v}, token ids, zeros up to a multiple of 64; then per
// layer the pages of k and the pages of v; a 64-bit checksum of it all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/mapped_file.h"
#include "ops/ops.h"

namespace conclave {

/// What a snapshot belongs to. Texts longer than their field (64, 32, 32 bytes) are cut on both sides alike.
struct SnapshotKey {
  std::string model_sha256, engine_version, backend;
  std::span<const KvLayer> layers;
  std::span<const int32_t> tokens;   // a multiple of kPageTokens, not none
  uint64_t drafters = 0;             // checksum of the files whose layers lie behind the model's; 0: there are none
};

/// The whole file for `key`: pages[i] holds the tokens from i * kPageTokens on.
std::vector<std::byte> make_snapshot(const SnapshotKey& key, Ops& ops, std::span<const int32_t> pages);

/// Writes atomically, over a file that is there. Throws Error(kIo) with the system's reason; no part is left behind.
void write_snapshot(const std::string& path, std::span<const std::byte> snapshot);

/// A snapshot file, mapped and checked whole.
class Snapshot {
 public:
  /// Throws Error: kIo when it cannot be opened, kBadFile, with what differs, when it is damaged or another key's.
  Snapshot(const std::string& path, const SnapshotKey& key);

  size_t bytes() const { return file_.bytes().size(); }
  /// Puts the keys and values into `pages` of the layers of `key`.
  void copy_to(const SnapshotKey& key, Ops& ops, std::span<const int32_t> pages) const;

 private:
  MappedFile file_;
};

/// Not a secret's hash: tells damage. A change within any one aligned 8-byte word always changes it.
uint64_t checksum64(std::span<const std::byte> bytes);

}  // namespace conclave
