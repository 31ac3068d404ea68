// Pure: what traces add up to. How often each expert was among the chosen, over one answer or many, and over the code and the
// prose of an answer apart.
import type { TraceChunk, TraceCounts } from "../contract/experts.ts";

type Shape = Pick<TraceChunk, "moeLayers" | "expertCount">;

export const emptyCounts = ({ moeLayers, expertCount }: Shape): TraceCounts => ({
  moeLayers,
  expertCount,
  answers: 0,
  tokens: 0,
  choices: 0,
  counts: Array.from({ length: moeLayers * expertCount }, () => 0),
});

/** @param wanted whether a token counts. @returns how often each expert was chosen, with one answer. */
export function countTrace(trace: TraceChunk, wanted: (token: number) => boolean = () => true): TraceCounts {
  const { moeLayers, expertsUsed, expertCount } = trace;
  const view = new DataView(trace.experts.buffer, trace.experts.byteOffset, trace.experts.byteLength);
  const counts = new Float64Array(moeLayers * expertCount);
  let tokens = 0;
  for (let token = 0; token < trace.tokens; token += 1) {
    if (!wanted(token)) continue;
    tokens += 1;
    for (let slot = 0; slot < moeLayers * expertsUsed; slot += 1) {
      const expert = view.getUint16((token * moeLayers * expertsUsed + slot) * 2, true);
      const cell = Math.floor(slot / expertsUsed) * expertCount + expert;
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
  }
  return { moeLayers, expertCount, answers: 1, tokens, choices: tokens * expertsUsed, counts: [...counts] };
}

/** Adds `more` to `sum` in place; both have the same shape. */
export function addCounts(sum: TraceCounts, more: TraceCounts): TraceCounts {
  const { counts } = sum;
  for (const [cell, count] of more.counts.entries()) counts[cell] = (counts[cell] ?? 0) + count;
  return {
    ...sum,
    answers: sum.answers + more.answers,
    tokens: sum.tokens + more.tokens,
    choices: sum.choices + more.choices,
    counts,
  };
}

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.moeLayers === b.moeLayers && a.expertCount === b.expertCount;

/** Where fenced code stands in a Markdown text (CommonMark 4.5), as UTF-16 ranges, fences included; an open one reaches the end. */
export function codeRanges(text: string): (readonly [from: number, to: number])[] {
  const ranges: [number, number][] = [];
  let fence: { readonly mark: string; readonly from: number } | null = null;
  let at = 0;
  for (const line of text.split("\n")) {
    const [, mark = "", rest = ""] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    const end = at + line.length;
    if (fence === null) {
      if (mark !== "" && !(mark.startsWith("`") && rest.includes("`"))) fence = { mark, from: at };
    } else if (mark.startsWith(fence.mark) && rest.trim() === "") {
      ranges.push([fence.from, end]);
      fence = null;
    }
    at = end + 1;
  }
  if (fence !== null) ranges.push([fence.from, text.length]);
  return ranges;
}

/** Which tokens of a trace begin inside fenced code of its answer's text. */
export function codeTokens(trace: TraceChunk, text: string): boolean[] {
  const ranges = codeRanges(text);
  let at = 0;
  return trace.textLengths.map((length) => {
    const start = at;
    at += length;
    return ranges.some(([from, to]) => start >= from && start < to);
  });
}
