import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lineDiff } from "./lineDiff.ts";

const side = (before: string, after: string, without: "added" | "removed"): string =>
  lineDiff(before, after)
    .filter((line) => line.kind !== without)
    .map((line) => line.text)
    .join("\n");

describe("what changed between two texts", () => {
  it("is told line by line, with as much kept as can be", () => {
    expect(lineDiff("a\nb\nc\nd", "a\nc\nx\nd").map(({ kind, text }) => `${kind[0]}${text}`)).toEqual([
      "sa",
      "rb",
      "sc",
      "ax",
      "sd",
    ]);
    expect(lineDiff("a", "a")).toEqual([{ kind: "same", text: "a" }]);
  });
  it("gives both texts back, whatever they are", () => {
    const text = fc.array(fc.constantFrom("a", "b", "c", ""), { maxLength: 12 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(text, text, (before, after) => {
        expect(side(before, after, "added")).toBe(before);
        expect(side(before, after, "removed")).toBe(after);
      }),
    );
  });
  it("stays quick on texts that have nothing in common", () => {
    const lines = (prefix: string): string => Array.from({ length: 20_000 }, (_, n) => prefix + n).join("\n");
    const began = performance.now();
    expect(lineDiff(lines("a"), lines("b"))).toHaveLength(40_000);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
