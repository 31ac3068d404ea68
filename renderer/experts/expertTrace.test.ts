import { describe, expect, it } from "vitest";
import type { TraceChunk } from "../../electron/contract/experts.ts";
import { ExpertTrace } from "./expertTrace.ts";
import { stretches } from "./ColouredText.tsx";

/** Two layers, four experts, top-2: token t chooses experts t % 4 and (t + 1) % 4 in both layers. */
function chunkOf(firstToken: number, tokens: number): TraceChunk {
  const ids = Array.from({ length: tokens }, (_, index) => {
    const token = firstToken + index;
    return [token % 4, (token + 1) % 4, token % 4, (token + 1) % 4];
  }).flat();
  return {
    firstToken,
    tokens,
    moeLayers: 2,
    expertsUsed: 2,
    expertCount: 4,
    experts: new Uint8Array(Uint16Array.from(ids).buffer),
    weights: Uint8Array.from(ids, (_, index) => (index % 2 === 0 ? 204 : 51)),
    textLengths: Array.from({ length: tokens }, () => 2),
    drafted: new Uint8Array(tokens),
  };
}

const traceOf = (...chunks: readonly TraceChunk[]): ExpertTrace => {
  const trace = new ExpertTrace(chunkOf(0, 0));
  for (const chunk of chunks) trace.append(chunk);
  return trace;
};

describe("ExpertTrace", () => {
  it("gives back what was appended", () => {
    const trace = traceOf(chunkOf(0, 3), chunkOf(3, 2000));
    expect(trace.tokens).toBe(2003);
    expect(trace.expertAt(2002, 1, 0)).toBe(2002 % 4);
    expect(trace.weightAt(5, 0, 0)).toBeCloseTo(0.8);
  });

  it("skips what it knows and refuses a gap", () => {
    const trace = traceOf(chunkOf(0, 4), chunkOf(2, 4));
    expect(trace.tokens).toBe(6);
    expect([...trace.counts].reduce((sum, count) => sum + count, 0)).toBe(6 * 2 * 2);
    expect(trace.append(chunkOf(9, 1))).toBe(false);
  });

  it("reads a chunk whose bytes start at an odd address", () => {
    const chunk = chunkOf(0, 2);
    const shifted = new Uint8Array(chunk.experts.length + 1);
    shifted.set(chunk.experts, 1);
    expect(traceOf({ ...chunk, experts: shifted.subarray(1) }).expertAt(1, 0, 1)).toBe(2);
  });

  it("counts a window the same as counting from scratch", () => {
    const trace = traceOf(chunkOf(0, 10));
    const expected = new Float64Array(8);
    trace.count(expected, 7, 10);
    expect(trace.countsOfLast(3)).toEqual(expected);
    expect(trace.countsOfLast(99)).toBe(trace.counts);
  });
});

describe("tokens of a text", () => {
  it("finds the token under each character, however chunks were cut", () => {
    const trace = traceOf(chunkOf(0, 2), chunkOf(2, 1));
    expect(Array.from({ length: 8 }, (_, offset) => trace.tokenAtText(offset))).toEqual([0, 0, 1, 1, 2, 2, null, null]);
    expect([trace.textEndAt(-1), trace.textEndAt(0), trace.textEndAt(2), trace.textLengthAt(2)]).toEqual([0, 2, 6, 2]);
  });
  it("skips tokens that brought no text", () => {
    const trace = traceOf({ ...chunkOf(0, 3), textLengths: [2, 0, 2] });
    expect([trace.tokenAtText(1), trace.tokenAtText(2)]).toEqual([0, 2]);
  });
  it("knows which experts took a token, in any place", () => {
    const trace = traceOf(chunkOf(0, 4));
    expect([0, 1, 2, 3].map((token) => trace.took(token, { layer: 1, expert: 2 }))).toEqual([false, true, true, false]);
  });
});

describe("stretches", () => {
  it("cuts out the chosen token and marks those of an expert", () => {
    const parts = stretches(traceOf(chunkOf(0, 4)), 0, "aabbccdd", { chosen: 1, highlight: { layer: 0, expert: 2 } });
    expect(parts.map(({ text, chosen, marked }) => [text, chosen, marked])).toEqual([
      ["aa", false, false],
      ["bb", true, true],
      ["cc", false, true],
      ["dd", false, false],
    ]);
  });
  it("joins to the whole text and marks what lies past the trace", () => {
    const parts = stretches(traceOf(chunkOf(0, 3)), 0, "aabbccrest");
    expect(parts.map(({ text }) => text).join("")).toBe("aabbccrest");
    expect(parts.map(({ expert }) => expert)).toEqual([0, 1, 2, -1]);
  });
  it("survives text shorter than its trace", () => {
    expect(stretches(traceOf(chunkOf(0, 3)), 0, "aab").map(({ text }) => text)).toEqual(["aa", "b"]);
  });
});
