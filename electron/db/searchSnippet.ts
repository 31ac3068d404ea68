// Pure: the piece of a text around the first match, with every match in it marked, on one line.
export const matchStart = "\uE000";
export const matchEnd = "\uE001";

const before = 40;
const longest = 160;

/** Lower case without accents, with the place in the original of every folded UTF-16 unit. */
function fold(text: string): { folded: string; origins: number[] } {
  let folded = "";
  const origins: number[] = [];
  let at = 0;
  for (const character of text) {
    const plain = character.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();
    folded += plain;
    for (let unit = 0; unit < plain.length; unit += 1) origins.push(at);
    at += character.length;
  }
  origins.push(at);
  return { folded, origins };
}

/** @returns at most about 160 characters; matches between U+E000 and U+E001. */
export function snippetOf(text: string, terms: readonly string[]): string {
  const { folded, origins } = fold(text);
  const needles = terms.map((term) => fold(term).folded).filter((needle) => needle !== "");
  const first = Math.min(
    ...needles.map((needle) => folded.indexOf(needle)).filter((index) => index >= 0),
    folded.length,
  );
  const found = first === folded.length ? 0 : first;
  const from = startOfWord(folded, Math.max(0, found - before), found);
  const to = Math.min(folded.length, from + longest);
  const marks = matches(folded, needles, from, to);
  let result = from > 0 ? "…" : "";
  let at = from;
  const piece = (start: number, end: number): string =>
    text.slice(origins[start], origins[end]).replaceAll(/\s+/gu, " ");
  for (const [start, end] of marks) {
    result += `${piece(at, start)}${matchStart}${piece(start, end)}${matchEnd}`;
    at = end;
  }
  return result + piece(at, to) + (to < folded.length ? "…" : "");
}

function startOfWord(folded: string, from: number, found: number): number {
  if (from === 0) return 0;
  const space = folded.indexOf(" ", from);
  return space >= 0 && space < found ? space + 1 : from;
}

/** Matches inside [from, to), merged where they touch, in order. */
function matches(folded: string, needles: readonly string[], from: number, to: number): [number, number][] {
  const all: [number, number][] = [];
  for (const needle of needles) {
    for (
      let at = folded.indexOf(needle, from);
      at >= 0 && at + needle.length <= to;
      at = folded.indexOf(needle, at + 1)
    ) {
      all.push([at, at + needle.length]);
    }
  }
  const merged: [number, number][] = [];
  for (const [start, end] of all.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}
