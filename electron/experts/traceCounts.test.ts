import { describe, expect, it } from "vitest";
import type { TraceChunk } from "../contract/experts.ts";
import type { TracedAnswer } from "../db/expertTraces.ts";
import { sortIntoTopics } from "./topics.ts";
import { codeRanges, codeTokens, countTrace } from "./traceCounts.ts";

/** One layer of four experts, two per token. */
function traceOf(choices: readonly (readonly [number, number])[], textLengths: readonly number[]): TraceChunk {
  return {
    firstToken: 0,
    tokens: choices.length,
    moeLayers: 1,
    expertsUsed: 2,
    expertCount: 4,
    experts: new Uint8Array(Uint16Array.from(choices.flat()).buffer),
    weights: new Uint8Array(choices.length * 2),
    textLengths: [...textLengths],
    drafted: new Uint8Array(choices.length),
  };
}

const answer = (facts: Partial<TracedAnswer>): TracedAnswer => ({
  messageId: "m",
  conversationId: "c1",
  title: "One",
  folderId: null,
  folder: null,
  template: null,
  text: "",
  ...facts,
});

describe("countTrace", () => {
  it("counts every choice of the tokens that are wanted", () => {
    const trace = traceOf(
      [
        [0, 1],
        [0, 2],
        [3, 0],
      ],
      [1, 1, 1],
    );
    expect(countTrace(trace)).toMatchObject({ tokens: 3, choices: 6, counts: [3, 1, 1, 1] });
    expect(countTrace(trace, (token) => token > 0)).toMatchObject({ tokens: 2, choices: 4, counts: [2, 0, 1, 1] });
  });
});

describe("code in an answer", () => {
  it.each([
    ["no fence", "plain `code` text", []],
    ["a fence with a language", "a\n```ts\nx\n```\nb", ["```ts\nx\n```"]],
    ["tildes, and backticks inside them", "~~~\n```\n~~~\nb", ["~~~\n```\n~~~"]],
    ["a longer fence that holds a shorter one", "````\n```\n````", ["````\n```\n````"]],
    ["one that is still open", "a\n```\nx", ["```\nx"]],
    ["inline code that begins a line", "```not a fence``` but text", []],
    ["two blocks", "```\na\n```\n\n```\nb\n```", ["```\na\n```", "```\nb\n```"]],
  ])("is found: %s", (_, text, blocks) => {
    expect(codeRanges(text).map(([from, to]) => text.slice(from, to))).toEqual(blocks);
  });
  it("tells tokens apart by where they begin", () => {
    const trace = traceOf(
      [
        [0, 1],
        [0, 1],
        [0, 1],
        [0, 1],
      ],
      [2, 6, 3, 1],
    );
    expect(codeTokens(trace, "a\n```\nx\n```z")).toEqual([false, true, true, true]);
  });
});

describe("topics", () => {
  it("adds answers of one tag up, the largest first", () => {
    const { add, list } = sortIntoTopics("conversation");
    add(answer({}), traceOf([[0, 1]], [1]));
    add(
      answer({ conversationId: "c2", title: "" }),
      traceOf(
        [
          [2, 3],
          [2, 3],
        ],
        [1, 1],
      ),
    );
    add(answer({ conversationId: "c2", title: "" }), traceOf([[2, 3]], [1]));
    expect(list()).toMatchObject([
      { key: "c2", name: null, counts: { answers: 2, tokens: 3, counts: [0, 0, 3, 3] } },
      { key: "c1", name: "One", counts: { answers: 1, tokens: 1, counts: [1, 1, 0, 0] } },
    ]);
  });
  it("splits each answer into code and prose", () => {
    const { add, list } = sortIntoTopics("kind");
    add(
      answer({ text: "ab\n```\nx\n```" }),
      traceOf(
        [
          [0, 1],
          [2, 3],
          [2, 3],
        ],
        [3, 4, 5],
      ),
    );
    expect(list()).toMatchObject([
      { key: "code", name: "code", counts: { tokens: 2, counts: [0, 0, 2, 2] } },
      { key: "prose", name: null, counts: { tokens: 1, counts: [1, 1, 0, 0] } },
    ]);
  });
  it("leaves out answers of another shape", () => {
    const { add, list } = sortIntoTopics("folder");
    add(answer({}), traceOf([[0, 1]], [1]));
    add(answer({}), { ...traceOf([[0, 1]], [1]), expertCount: 8 });
    expect(list()).toMatchObject([{ key: "", name: null, counts: { answers: 1 } }]);
  });
});
