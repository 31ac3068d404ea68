// Pure: the text of a template and its variables. A variable is `{{name}}`, spaces inside the braces allowed; everything
// else is text, so no text is malformed. There is no logic, and a value is inserted as it is and never read again: what a
// user pastes cannot become a variable. Works in one pass over the text, in time proportional to its length.
import { builtIns, variableName } from "../contract/templates.ts";

export interface TextSegment {
  readonly type: "text";
  readonly text: string;
}
export interface VariableSegment {
  readonly type: "variable";
  readonly name: string;
  /** UTF-16 offsets of the braces in the source. */
  readonly start: number;
  readonly end: number;
}
export type Segment = TextSegment | VariableSegment;

const longestVariable = 60;

/** The segments of `text`, in order; their sources joined are the text again. */
export function parsePrefix(text: string): Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  let at = text.indexOf("{{");
  while (at >= 0) {
    // The innermost opening: in "{{{name}}" the first brace is text.
    while (text[at + 2] === "{") at += 1;
    const close = text.slice(at, at + longestVariable).indexOf("}}");
    const name = close < 0 ? "" : text.slice(at + 2, at + close).trim();
    if (variableName.test(name)) {
      if (at > from) segments.push({ type: "text", text: text.slice(from, at) });
      from = at + close + 2;
      segments.push({ type: "variable", name, start: at, end: from });
      at = text.indexOf("{{", from);
    } else {
      at = text.indexOf("{{", at + 2);
    }
  }
  if (from < text.length) segments.push({ type: "text", text: text.slice(from) });
  return segments;
}

/** Names in order of first use. */
export function namesIn(texts: readonly string[]): string[] {
  const names = texts.flatMap(parsePrefix).flatMap((segment) => (segment.type === "variable" ? [segment.name] : []));
  return [...new Set(names)];
}

/** `valueOf` gives what stands for a name; undefined leaves it as it is written. */
export function renderPrefix(text: string, valueOf: (name: string) => string | undefined): string {
  return parsePrefix(text)
    .map((segment) => {
      if (segment.type === "text") return segment.text;
      return valueOf(segment.name) ?? text.slice(segment.start, segment.end);
    })
    .join("");
}

export const isBuiltIn = (name: string): name is (typeof builtIns)[number] =>
  (builtIns as readonly string[]).includes(name);

/** Offset of the first variable; null: there is none. */
export function firstVariable(text: string): number | null {
  const found = parsePrefix(text).find((segment) => segment.type === "variable");
  return found?.type === "variable" ? found.start : null;
}

/** Least gain, in UTF-16 units, for which reordering is worth a reader's attention. */
const leastGain = 40;

/**
 * The same paragraphs with those that hold variables last, each kind in its own order: what does not change comes first
 * and stays warm. null: nothing, or too little, would be gained.
 */
export function reorderForWarmth(text: string): string | null {
  const paragraphs = text.split(/\n{2,}/);
  const fixed = paragraphs.filter((paragraph) => firstVariable(paragraph) === null);
  const varying = paragraphs.filter((paragraph) => firstVariable(paragraph) !== null);
  if (fixed.length === 0 || varying.length === 0) return null;
  const reordered = [...fixed, ...varying].join("\n\n");
  const gain = (firstVariable(reordered) ?? 0) - (firstVariable(text) ?? 0);
  return gain >= leastGain ? reordered : null;
}
