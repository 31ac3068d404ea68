import { describe, expect, it } from "vitest";
import { clusterOrder } from "./clusterOrder.ts";
import { ExpertTrace } from "./expertTrace.ts";
import { wordsOf } from "./words.ts";

const text = "a b a b a ";
const trace = new ExpertTrace({ moeLayers: 1, expertCount: 4, expertsUsed: 1 });
trace.append({
  firstToken: 0,
  tokens: 5,
  moeLayers: 1,
  expertCount: 4,
  expertsUsed: 1,
  experts: new Uint8Array(Uint16Array.of(0, 1, 0, 0, 2).buffer),
  weights: new Uint8Array(5),
  textLengths: [2, 2, 2, 2, 2],
  drafted: new Uint8Array(5),
});

describe("wordsOf", () => {
  it("gives the share of a word's tokens that the expert took, most first", () => {
    expect(wordsOf([{ trace, text }], 0, 0, 1)).toEqual([
      { word: "a ", seen: 3, share: 2 / 3 },
      { word: "b ", seen: 2, share: 1 / 2 },
    ]);
  });
  it("leaves out words seen too rarely to mean anything", () => {
    expect(wordsOf([{ trace, text }], 0, 0, 3).map(({ word }) => word)).toEqual(["a "]);
  });
});

describe("clusterOrder", () => {
  it("puts experts that work together side by side and lists each once", () => {
    const matrix = new Float64Array(16);
    for (const [a, b] of [
      [0, 2],
      [1, 3],
    ] as const) {
      matrix[a * 4 + b] = 0.9;
      matrix[b * 4 + a] = 0.9;
    }
    const order = clusterOrder(matrix, 4);
    expect(order.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    expect(Math.abs(order.indexOf(0) - order.indexOf(2))).toBe(1);
    expect(Math.abs(order.indexOf(1) - order.indexOf(3))).toBe(1);
  });
});
