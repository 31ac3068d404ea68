// The step of Gated DeltaNet: 32 columns of a head's memory at a time, read once for what is known of the key and once more
// to decay, learn and answer. Included by kernels_<level>.cpp only.

namespace conclave::CONCLAVE_LEVEL {
namespace {

template <int kVectors>
CONCLAVE_INLINE void delta_columns(const DeltaStep& step, int j) {
  VecF known[kVectors], out[kVectors];
  for (int c = 0; c < kVectors; ++c) known[c] = out[c] = set_f(0.f);
  for (int i = 0; i < step.d_k; ++i) {
    const float* row = step.memory + static_cast<ptrdiff_t>(i) * step.d_v + j;
    const VecF k = set_f(step.k[i]);
    for (int c = 0; c < kVectors; ++c) known[c] = fma(k, load_f(row + 16 * c), known[c]);
  }
  const VecF decay = set_f(step.decay), rate = set_f(step.rate);
  for (int c = 0; c < kVectors; ++c) known[c] = (load_f(step.v + j + 16 * c) - known[c] * decay) * rate;
  for (int i = 0; i < step.d_k; ++i) {
    float* row = step.memory + static_cast<ptrdiff_t>(i) * step.d_v + j;
    const VecF k = set_f(step.k[i]), q = set_f(step.q[i]);
    for (int c = 0; c < kVectors; ++c) {
      const VecF learnt = fma(k, known[c], load_f(row + 16 * c) * decay);
      store(row + 16 * c, learnt);
      out[c] = fma(q, learnt, out[c]);
    }
  }
  for (int c = 0; c < kVectors; ++c) store(step.out + j + 16 * c, out[c]);
}

void delta_step(const DeltaStep& step) {
  int j = 0;
  for (; j + 32 <= step.d_v; j += 32) delta_columns<2>(step, j);
  for (; j + 16 <= step.d_v; j += 16) delta_columns<1>(step, j);
  if (j < step.d_v) delta_step_plain(step, j);
}

}  // namespace
}  // namespace conclave::CONCLAVE_LEVEL
