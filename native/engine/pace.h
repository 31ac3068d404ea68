// How many prompt tokens to put into the next forward pass, from measured step times: enough to be efficient, few enough
// that others' tokens and a Stop are not kept waiting. Pure arithmetic.
#pragma once

namespace conclave {

class Pace {
 public:
  Pace(int max_chunk, int n_layers) : max_chunk_(max_chunk), n_layers_(n_layers) {}

  /// `shared`: somebody else's token waits for this step, so the whole step should take kTargetMs. Otherwise only Stop must be
  /// seen in time, and the forward pass looks for it twice a layer: half a layer should take kTargetMs.
  int prefill_rows(bool shared) const;
  void observe(int prefill_rows, double step_ms);

 private:
  static constexpr double kTargetMs = 60;   // Stop is promised within 100, and the halves of a layer are not alike
  static constexpr int kFirstChunk = 64;    // before anything was measured
  static constexpr int kMinChunk = 8;       // the weights are read for these few; fewer would starve the prompt
  int max_chunk_, n_layers_;
  double row_ms_ = 0;
};

}  // namespace conclave
