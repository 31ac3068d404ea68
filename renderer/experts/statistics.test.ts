import { describe, expect, it } from "vitest";
import goldenCounts from "../../test/fixtures/routing/expert_counts.json";
import { ExpertTrace } from "./expertTrace.ts";
import {
  coactivation,
  expertsForShare,
  jensenShannon,
  jensenShannonByChance,
  layerDistances,
  maxOverUniform,
  meanEntropy,
  normalisedEntropy,
  repeatChance,
  repeats,
  slotsUsed,
  specialisation,
  topExperts,
} from "./statistics.ts";

/** One layer, the given choices per token. */
function traceOf(experts: number, choices: readonly (readonly number[])[]): ExpertTrace {
  const used = choices[0]?.length ?? 1;
  const trace = new ExpertTrace({ moeLayers: 1, expertCount: experts, expertsUsed: used });
  trace.append({
    firstToken: 0,
    tokens: choices.length,
    moeLayers: 1,
    expertCount: experts,
    expertsUsed: used,
    experts: new Uint8Array(Uint16Array.from(choices.flat()).buffer),
    weights: new Uint8Array(choices.length * used),
    textLengths: choices.map(() => 1),
    drafted: new Uint8Array(choices.length),
  });
  return trace;
}

describe("statistics of the released routing counts of OLMoE-1B-7B and Mixtral-8x7B", () => {
  it.each(goldenCounts.map((row) => [`${row.model} ${row.domain} layer ${row.layer}`, row] as const))(
    "%s",
    (_, row) => {
      const shares = specialisation(row.counts, row.k);
      row.expected.specialisation.forEach((share, expert) => expect(shares[expert]).toBeCloseTo(share, 5));
      expect(normalisedEntropy(row.counts)).toBeCloseTo(row.expected.normalised_entropy, 5);
      expect(maxOverUniform(row.counts)).toBeCloseTo(row.expected.max_over_uniform, 3);
      expect(expertsForShare(row.counts, 0.9)).toBe(row.expected.experts_for_90_percent);
      expect(row.k / row.n_experts).toBe(row.expected.chance);
    },
  );
});

describe("statistics", () => {
  it("has entropy 1 for uniform and 0 for constant routing", () => {
    expect(normalisedEntropy([5, 5, 5, 5])).toBeCloseTo(1);
    expect(normalisedEntropy([0, 9, 0, 0])).toBe(0);
    expect(normalisedEntropy([0, 0, 0, 0])).toBe(0);
  });
  it("averages layers, not counts", () => {
    expect(meanEntropy(Float64Array.of(5, 5, 100, 0), 2, 2)).toBeCloseTo(0.5);
  });
  it("says how much of the model was touched", () => expect(slotsUsed(Float64Array.of(1, 0, 3, 0))).toBe(0.5));
  it("gives share of tokens and ratio to uniform, most first", () => {
    // Ten tokens, top-2 of 4: expert 0 always, expert 1 nine times, expert 2 once.
    const [first, second] = topExperts(Float64Array.of(10, 9, 1, 0), 4, 2, 10, 2);
    expect(first).toEqual({ layer: 0, expert: 0, share: 1, timesUniform: 2 });
    expect(second?.share).toBeCloseTo(0.9);
  });
  it("has Mixtral's chance levels of repeating an expert: 12.5 % and 46.4 %", () => {
    expect(repeatChance(8, 2).first).toBeCloseTo(0.125);
    expect(repeatChance(8, 2).any).toBeCloseTo(0.464, 3);
  });
  it("counts repeats of the first choice and of any", () => {
    const trace = traceOf(4, [
      [0, 1],
      [0, 2],
      [2, 3],
      [1, 0],
    ]);
    expect(repeats(trace, 0)).toEqual({ first: 1 / 3, any: 2 / 3 });
  });
  it("counts all pairs of the top k as active together, over the row's own tokens", () => {
    const matrix = coactivation(
      traceOf(
        3,
        [
          [0, 1],
          [0, 1],
          [0, 2],
        ].map((pair) => [...pair]),
      ),
      0,
    );
    expect(matrix[0 * 3 + 1]).toBeCloseTo(2 / 3);
    expect(matrix[1 * 3 + 0]).toBe(1);
    expect(matrix[2 * 3 + 1]).toBe(0);
  });
  it("measures distance from 0 for the same to 1 for disjoint distributions", () => {
    expect(jensenShannon([1, 2, 3], [10, 20, 30])).toBeCloseTo(0);
    expect(jensenShannon([1, 0], [0, 1])).toBeCloseTo(1);
  });
  it("gives the Jensen-Shannon distance that a hand computes", () => {
    // P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4): (log2(4/3) + (log2(2/3) + log2(2)) / 2) / 2 = 0.311278...
    expect(jensenShannon([4, 0], [2, 2]) ** 2).toBeCloseTo(0.311278, 6);
    // P = (3, 1) / 4, Q = (1, 3) / 4, M = (1, 1) / 2: 3/4 log2(3/2) + 1/4 log2(1/2) = 0.188722...
    expect(jensenShannon([3, 1], [100, 300]) ** 2).toBeCloseTo(0.188722, 6);
    expect(layerDistances(Float64Array.of(4, 0, 3, 1), Float64Array.of(2, 2, 1, 3), 2)).toEqual([
      jensenShannon([4, 0], [2, 2]),
      jensenShannon([3, 1], [1, 3]),
    ]);
  });
  it("says what distance chance gives: that of samples drawn from one distribution", () => {
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const sample = (n: number): number[] => {
      const counts = [0, 0, 0, 0, 0, 0, 0, 0];
      for (let draw = 0; draw < n; draw++) {
        const expert = Math.floor(Math.sqrt(random()) * 8);
        counts[expert] = (counts[expert] ?? 0) + 1;
      }
      return counts;
    };
    const rounds = 400;
    let divergence = 0;
    for (let round = 0; round < rounds; round++) divergence += jensenShannon(sample(300), sample(900)) ** 2 / rounds;
    const expected = jensenShannonByChance(8, 300, 900) ** 2;
    expect(divergence / expected).toBeGreaterThan(0.9);
    expect(divergence / expected).toBeLessThan(1.1);
  });
});
