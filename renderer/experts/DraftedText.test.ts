import { describe, expect, it } from "vitest";
import { draftedRuns } from "./DraftedText.tsx";

const traceOf = (tokens: readonly (readonly [length: number, drafted: boolean])[]) => ({
  tokens: tokens.length,
  textLengthAt: (token: number) => tokens[token]?.[0] ?? 0,
  wasDrafted: (token: number) => tokens[token]?.[1] ?? false,
});
const marked = (...args: Parameters<typeof draftedRuns>) =>
  draftedRuns(...args).map(({ text, drafted }) => (drafted ? `[${text}]` : text));

describe("drafted tokens in a text", () => {
  it("are joined with their neighbours of the same kind", () =>
    expect(
      marked(
        traceOf([
          [2, false],
          [1, true],
          [2, true],
          [1, false],
        ]),
        "aabccd",
      ),
    ).toEqual(["aa", "[bcc]", "d"]));
  it("that show nothing leave no empty mark", () =>
    expect(
      marked(
        traceOf([
          [0, true],
          [1, false],
        ]),
        "a",
      ),
    ).toEqual(["a"]));
  it("end where the text does, and what no trace covers is not drafted", () => {
    expect(marked(traceOf([[5, true]]), "ab")).toEqual(["[ab]"]);
    expect(marked(traceOf([[1, true]]), "abc")).toEqual(["[a]", "bc"]);
    expect(marked(null, "abc")).toEqual(["abc"]);
  });
});
