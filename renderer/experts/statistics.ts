// What the counts mean. Every number has its uniform expectation beside it, so that chance is not sold as structure.

export interface ExpertLoad {
  readonly layer: number;
  readonly expert: number;
  /** Share of the layer's tokens that chose this expert, 0..1 (OLMoE, arXiv 2409.02060 section 5.3). */
  readonly share: number;
  /** share / (k / E): 1 is what uniform routing gives. */
  readonly timesUniform: number;
}

/** Normalised entropy of one layer's choices, 0 (always the same) .. 1 (uniform): -sum p log p / log E. */
export function normalisedEntropy(counts: ArrayLike<number>): number {
  const total = Array.from(counts).reduce((sum, count) => sum + count, 0);
  if (total === 0 || counts.length < 2) return 0;
  let entropy = 0;
  for (const count of Array.from(counts)) {
    if (count > 0) entropy -= (count / total) * Math.log(count / total);
  }
  return entropy / Math.log(counts.length);
}

/** Mean over layers; `counts` is [layers * experts]. */
export function meanEntropy(counts: Float64Array, layers: number, experts: number): number {
  let sum = 0;
  for (let layer = 0; layer < layers; layer++)
    sum += normalisedEntropy(counts.subarray(layer * experts, (layer + 1) * experts));
  return layers === 0 ? 0 : sum / layers;
}

/** Share of all (layer, expert) slots chosen at least once. */
export function slotsUsed(counts: Float64Array): number {
  return counts.length === 0 ? 0 : counts.filter((count) => count > 0).length / counts.length;
}

/** The most chosen experts over all layers, most first. */
export function topExperts(counts: Float64Array, experts: number, used: number, limit: number): ExpertLoad[] {
  const layers = counts.length / experts;
  const loads: ExpertLoad[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const row = counts.subarray(layer * experts, (layer + 1) * experts);
    const tokens = row.reduce((sum, count) => sum + count, 0) / used;
    if (tokens === 0) continue;
    row.forEach((count, expert) => {
      const share = count / tokens;
      loads.push({ layer, expert, share, timesUniform: (share * experts) / used });
    });
  }
  return loads.toSorted((a, b) => b.share - a.share).slice(0, limit);
}
