// What routing counts mean. Every number has its uniform expectation beside it, so that chance is not sold as structure.
// Sources: Mixtral (arXiv 2401.04088, section 5) and OLMoE (arXiv 2409.02060, section 5). Pure.
import type { ExpertTrace } from "./expertTrace.ts";

// Plain loops where the heat map asks ten times a second: it may take 2 % of a core, and a large model has 6,000 cells.
function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let index = 0; index < values.length; index++) total += values[index] ?? 0;
  return total;
}

/** Normalised entropy of choices, 0 (always the same) .. 1 (uniform): -sum p log p / log E. */
export function normalisedEntropy(counts: ArrayLike<number>): number {
  const total = sum(counts);
  if (total === 0 || counts.length < 2) return 0;
  let entropy = 0;
  for (let index = 0; index < counts.length; index++) {
    const share = (counts[index] ?? 0) / total;
    if (share > 0) entropy -= share * Math.log(share);
  }
  return entropy / Math.log(counts.length);
}

/** Mean over layers; `counts` is [layers * experts]. */
export function meanEntropy(counts: Float64Array, layers: number, experts: number): number {
  let total = 0;
  for (let layer = 0; layer < layers; layer++) total += normalisedEntropy(layerOf(counts, layer, experts));
  return layers === 0 ? 0 : total / layers;
}

export const layerOf = (counts: Float64Array, layer: number, experts: number): Float64Array =>
  counts.subarray(layer * experts, (layer + 1) * experts);

/** Share of all (layer, expert) slots chosen at least once. */
export function slotsUsed(counts: Float64Array): number {
  let used = 0;
  for (let cell = 0; cell < counts.length; cell++) if ((counts[cell] ?? 0) > 0) used += 1;
  return counts.length === 0 ? 0 : used / counts.length;
}

/** Share of tokens that had each expert among their top k (OLMoE's domain specialisation N(E,D) / N(D)); chance k / E. */
export function specialisation(counts: ArrayLike<number>, used: number): number[] {
  const tokens = sum(counts) / used;
  return Array.from(counts, (count) => (tokens === 0 ? 0 : count / tokens));
}

/** The busiest expert's share of choices over the uniform share 1 / E. */
export function maxOverUniform(counts: ArrayLike<number>): number {
  const total = sum(counts);
  return total === 0 ? 0 : (Math.max(...Array.from(counts)) / total) * counts.length;
}

/** The fewest experts that together take `share` of the choices. */
export function expertsForShare(counts: ArrayLike<number>, share: number): number {
  const total = sum(counts);
  let covered = 0;
  let experts = 0;
  for (const count of Array.from(counts).toSorted((a, b) => b - a)) {
    if (covered >= share * total) break;
    covered += count;
    experts += 1;
  }
  return experts;
}

export interface ExpertLoad {
  readonly layer: number;
  readonly expert: number;
  /** Share of the layer's tokens that chose this expert, 0..1. */
  readonly share: number;
  /** share / (k / E): 1 is what uniform routing gives. */
  readonly timesUniform: number;
}

/** The most chosen experts over all layers, most first. Every layer has counted the same `tokens`, each with `used` choices. */
export function topExperts(
  counts: Float64Array,
  experts: number,
  used: number,
  tokens: number,
  limit: number,
): ExpertLoad[] {
  const best: number[] = [];
  const countOf = (cell: number): number => counts[cell] ?? 0;
  for (let cell = 0; cell < counts.length; cell++) {
    if (countOf(cell) === 0 || (best.length === limit && countOf(cell) <= countOf(best.at(-1) ?? 0))) continue;
    const place = best.findIndex((other) => countOf(other) < countOf(cell));
    best.splice(place < 0 ? best.length : place, 0, cell);
    if (best.length > limit) best.pop();
  }
  return best.map((cell) => {
    const share = countOf(cell) / tokens;
    return {
      layer: Math.floor(cell / experts),
      expert: cell % experts,
      share,
      timesUniform: (share * experts) / used,
    };
  });
}

export interface Repeats {
  /** Share of neighbouring tokens with the same first choice. */
  readonly first: number;
  /** Share of neighbouring tokens with at least one expert in common. */
  readonly any: number;
}

/** What independent uniform routing gives: 1 / E, and 1 - C(E-k, k) / C(E, k). */
export function repeatChance(experts: number, used: number): Repeats {
  let disjoint = 1;
  for (let choice = 0; choice < used; choice++) disjoint *= Math.max(0, experts - used - choice) / (experts - choice);
  return { first: experts === 0 ? 0 : 1 / experts, any: 1 - disjoint };
}

/** How often consecutive tokens go to the same expert in one layer (Mixtral, table 5). */
export function repeats(trace: ExpertTrace, layer: number): Repeats {
  const pairs = trace.tokens - 1;
  if (pairs < 1) return { first: 0, any: 0 };
  let first = 0;
  let any = 0;
  for (let token = 1; token <= pairs; token++) {
    if (trace.expertAt(token, layer, 0) === trace.expertAt(token - 1, layer, 0)) first += 1;
    const before = new Set(
      Array.from({ length: trace.expertsUsed }, (_, rank) => trace.expertAt(token - 1, layer, rank)),
    );
    const shared = Array.from({ length: trace.expertsUsed }, (_, rank) => trace.expertAt(token, layer, rank));
    if (shared.some((expert) => before.has(expert))) any += 1;
  }
  return { first: first / pairs, any: any / pairs };
}

/**
 * Co-activation of a layer's experts (OLMoE): row i, column j = share of expert i's tokens that also went to expert j,
 * over all pairs in the top k. [experts * experts]; the diagonal is 0. Chance: (k - 1) / (E - 1).
 */
export function coactivation(trace: ExpertTrace, layer: number): Float64Array {
  const { expertCount, expertsUsed, tokens } = trace;
  const together = new Float64Array(expertCount * expertCount);
  const alone = new Float64Array(expertCount);
  for (let token = 0; token < tokens; token++) {
    const chosen = Array.from({ length: expertsUsed }, (_, rank) => trace.expertAt(token, layer, rank));
    for (const one of chosen) {
      alone[one] = (alone[one] ?? 0) + 1;
      for (const other of chosen) {
        if (one !== other) together[one * expertCount + other] = (together[one * expertCount + other] ?? 0) + 1;
      }
    }
  }
  return together.map((count, cell) => (count === 0 ? 0 : count / (alone[Math.floor(cell / expertCount)] ?? 1)));
}

/**
 * Jensen-Shannon distance of two count vectors, 0 (alike) .. 1 (disjoint): the square root of the divergence in bits,
 * JSD = H((P + Q) / 2) - (H(P) + H(Q)) / 2. The divergence: Lin, "Divergence measures based on the Shannon entropy", IEEE
 * Trans. Inf. Theory 37 (1991), section IV with equal weights; that its root is a metric: Endres and Schindelin, 49 (2003).
 */
export function jensenShannon(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [totalA, totalB] = [sum(a), sum(b)];
  if (totalA === 0 || totalB === 0) return 0;
  let divergence = 0;
  for (let index = 0; index < a.length; index++) {
    const p = (a[index] ?? 0) / totalA;
    const q = (b[index] ?? 0) / totalB;
    const middle = (p + q) / 2;
    if (p > 0) divergence += (p * Math.log2(p / middle)) / 2;
    if (q > 0) divergence += (q * Math.log2(q / middle)) / 2;
  }
  return Math.sqrt(Math.max(0, divergence));
}

/**
 * The distance that two samples of one and the same distribution show by chance. For close p and q the divergence is
 * sum (p - q)^2 / (8 p) nats (Taylor), and samples of n and m choices have E (p - q)^2 = p (1 - p) (1 / n + 1 / m), so its mean
 * over E experts is (E - 1) / (8 ln 2) (1 / n + 1 / m) bits; the same chi-square argument with weights by size: Grosse et al.,
 * Phys. Rev. E 65, 041905 (2002). What lies near it says nothing.
 */
export function jensenShannonByChance(experts: number, choicesA: number, choicesB: number): number {
  if (choicesA === 0 || choicesB === 0) return 0;
  return Math.sqrt(Math.min(1, ((experts - 1) / (8 * Math.LN2)) * (1 / choicesA + 1 / choicesB)));
}

/** Per layer: the distance between two sets of counts of one shape. [layers] */
export function layerDistances(a: Float64Array, b: Float64Array, experts: number): number[] {
  return Array.from({ length: a.length / experts }, (_, layer) =>
    jensenShannon(layerOf(a, layer, experts), layerOf(b, layer, experts)),
  );
}

export const mean = (values: readonly number[]): number => (values.length === 0 ? 0 : sum(values) / values.length);
