import { describe, expect, it } from "vitest";
import { add, countsLine, none, parseCountsLine } from "./testCounts.ts";
import { countPlaywright, countVitest } from "./testRunners.ts";

describe("the closing line", () => {
  it("is read back as it was written", () => {
    const counts = add({ passed: 3, failed: 1, skipped: 0 }, { passed: 4, failed: 0, skipped: 2 });
    expect(countsLine(counts)).toBe("7 passed, 1 failed, 2 skipped");
    expect(parseCountsLine(`${countsLine(counts)}\n`)).toEqual(counts);
  });

  it.each(["", "all good", "3 passed, 1 failed", "-1 passed, 0 failed, 0 skipped", "x 3 passed, 0 failed, 0 skipped"])(
    "is not mistaken: %j",
    (line) => {
      expect(parseCountsLine(line)).toBeNull();
    },
  );
});

describe("reports", () => {
  const vitest = { numPassedTests: 5, numFailedTests: 0, numPendingTests: 1, numTodoTests: 1 };
  const playwright = (unexpected: number, flaky: number): unknown => ({
    stats: { expected: 4, unexpected, flaky, skipped: 1 },
  });

  it("count what ran", () => {
    expect(countVitest(vitest, 0)).toEqual({ passed: 5, failed: 0, skipped: 2 });
    expect(countPlaywright(playwright(0, 0), 0)).toEqual({ passed: 4, failed: 0, skipped: 1, unsteady: 0 });
  });

  it("a run that failed as a whole is a failure although no test is", () => {
    expect(countVitest(vitest, 1).failed).toBe(1);
    expect(countPlaywright(playwright(0, 0), 1).failed).toBe(1);
  });

  it("a test that needed a second try has passed, and is told apart", () => {
    expect(countPlaywright(playwright(1, 1), 1)).toEqual({ passed: 5, failed: 1, skipped: 1, unsteady: 1 });
  });

  it("an empty sum is zero", () => {
    expect(countsLine(none)).toBe("0 passed, 0 failed, 0 skipped");
  });
});
