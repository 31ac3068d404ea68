import { describe, expect, it } from "vitest";
import { reuseKinds, type Run } from "../../electron/contract/chat.ts";
import { draftGain, draftWords, isCut, reuseWords, speedWords, whySlow } from "./runWords.ts";
import { runOf } from "./testMessages.ts";

const run = runOf();
const timings = run.timings as NonNullable<Run["timings"]>;

describe("drafting in words", () => {
  const drafted = (fields: Partial<Run["timings"] & object>): Run =>
    runOf({
      timings: {
        ...timings,
        draftedTokens: 12,
        acceptedTokens: 9,
        passes: 10,
        plainMs: 30,
        distinctExperts: 3.14,
        expertsUsed: 2,
        ...fields,
      },
    });

  it("sets the speed against plain decoding, without the first token, which the prompt paid for", () => {
    expect(draftGain(drafted({}).timings as NonNullable<Run["timings"]>)).toBeCloseTo((19 * 30) / 400);
    expect(draftWords(drafted({}))?.short).toBe("drafts 1.43× · 2.10 tok per pass · 3.1 experts instead of 2");
    expect(draftWords(drafted({}))?.long).toContain("9 of 12 drafted tokens were right");
  });
  it("says so when it gained nothing, or lost", () => {
    expect(draftWords(drafted({ draftedTokens: 0, plainMs: 400 / 19 }))?.short).toBe("drafts 1.00×");
    expect(draftWords(drafted({ plainMs: 20 }))?.short).toMatch(/^drafts 0\.95×/);
  });
  it("claims no speed that was not measured", () => {
    expect(draftWords(drafted({ plainMs: 0 }))?.short).toBe("2.10 tok per pass · 3.1 experts instead of 2");
    expect(draftWords(drafted({ plainMs: 0 }))?.long).toMatch(/one token uses 2\.$/);
    expect(draftWords(drafted({ plainMs: 0, draftedTokens: 0 }))).toBeNull();
  });
  it("is silent where it was off, or older than drafting", () => {
    expect(draftWords({ ...drafted({}), draft: { mode: "off", length: 0 } })).toBeNull();
    expect(draftWords({ ...drafted({}), draft: null })).toBeNull();
    expect(draftWords(run)).toBeNull();
  });
});

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
