import { describe, expect, it } from "vitest";
import { reuseKinds, type Run } from "../../electron/contract/chat.ts";
import { isCut, reuseWords, speedWords, whySlow } from "./runWords.ts";
import { runOf } from "./testMessages.ts";

const run = runOf();
const timings = run.timings as NonNullable<Run["timings"]>;

describe("a run in words", () => {
  it("has speed, first token, length and how it ended", () =>
    expect(speedWords(run)).toEqual(["50.0 tok/s", "0.12 s to first token", "20 tok", "stop: end of answer"]));
  it("says what was reused", () => expect(reuseWords(timings)).toBe("4,096 of 5,310 prompt tokens reused"));
  it("explains every reason in one sentence of its own", () => {
    const sentences = reuseKinds.map((kind) => whySlow({ kind, turn: 2 }, timings));
    expect(new Set(sentences).size).toBe(reuseKinds.length);
    for (const sentence of sentences) expect(sentence).toMatch(/^1,214 prompt tokens were computed in 0\.11 s: .+\.$/);
    expect(whySlow({ kind: "edited", turn: 2 }, timings)).toContain("turn 2 is not what it was");
    expect(whySlow(null, timings)).toBe("1,214 prompt tokens were computed in 0.11 s.");
  });
  it.each([
    ["max-tokens", true],
    ["cancelled", true],
    ["context-full", true],
    ["end-of-text", false],
    ["stop-string", false],
    [null, true],
  ] as const)("after %s can go on: %s", (stopReason, cut) => expect(isCut(runOf({ stopReason }))).toBe(cut));
});
