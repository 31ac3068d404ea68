import { describe, expect, it } from "vitest";
import { meanEntropy, normalisedEntropy, slotsUsed, topExperts } from "./statistics.ts";

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
    const [first, second] = topExperts(Float64Array.of(10, 9, 1, 0), 4, 2, 2);
    expect(first).toEqual({ layer: 0, expert: 0, share: 1, timesUniform: 2 });
    expect(second?.share).toBeCloseTo(0.9);
  });
});
