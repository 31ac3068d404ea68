// A drafter with weights: what its sequences share. Opened before the cache is made, because a block-diffusion drafter keeps its
// keys and values in the target's pages (as further layers), so that a reused prefix brings the drafter's context with it.
#pragma once
#include <memory>
#include <string>

#include "formats/gguf.h"
#include "kv/page_pool.h"
#include "speculate/drafter.h"
#include "weights/weights.h"

namespace conclave {

class DrafterModel {
 public:
  virtual ~DrafterModel() = default;
  virtual int kind() const = 0;                         // of its offers
  virtual int max_length() const = 0;                   // tokens of one draft
  virtual std::vector<int> taps() const { return {}; }  // target layers whose output it reads, zero-based, ascending
  virtual std::vector<KvShape> kv_shapes() const { return {}; }
  virtual uint64_t weight_bytes() const = 0;
  /// Of weights: what one draft reads, the target's own included; what each committed row passes through for the drafter to know it.
  virtual uint64_t draft_bytes() const = 0;
  virtual int draft_rows() const = 0;                   // of a draft's pass
  virtual uint64_t context_bytes() const { return 0; }
  /// `target` has been prepared and outlives this; `kv` are the layers of the pool asked for above. Throws Error(kOutOfMemory).
  virtual void attach(Ops& ops, const ModelWeights& target, std::span<const KvLayer> kv) = 0;
  virtual std::unique_ptr<Drafter> make_drafter() = 0;  // for one sequence
  /// What each of these drafters, all of this model, would propose by itself; in one pass over the weights where the model can.
  virtual void propose_together(std::span<DraftAsk> asks) {
    for (DraftAsk& ask : asks) ask.draft = ask.drafter->propose(ask.tokens, ask.pages, ask.n).tokens;
  }
};

/// Opens a file of either kind of drafter and checks that it fits `target`: widths, layers, number of tokens and, where both files
/// list them, the tokens. Throws Error: kUnsupported for another architecture, kBadFile for contradictions, kBadArgument when it was
/// made for another model.
std::unique_ptr<DrafterModel> open_drafter(const std::string& path, const ModelSpec& target, const GgufFile& target_file);
std::unique_ptr<DrafterModel> open_drafter(const std::string& path, const ModelSpec& target);   // without the tokens
/// Throws Error(kUnsupported) when the file holds a drafter, which cannot be chatted with.
void refuse_drafter(const GgufFile& file);

}  // namespace conclave
