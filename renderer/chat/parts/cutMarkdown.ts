// Pure: a long Markdown text in pieces that mean the same alone as together, so that an answer of any length costs one piece to
// draw anew while it grows. A piece ends at a blank line outside of code, formulas, lists and HTML, once it is long enough; a
// very long list also between two of its items, where the next one says its own number.

/** A piece is cut at the first place after so many UTF-16 units. */
const pieceLength = 2_000;
const listLength = 4_000;
/** What is needed of a line to tell whether it begins a list: a marker has ten characters at most. */
const tellingLength = 12;

const fence = /^( {0,3})(`{3,}|~{3,})(.*)$/;
const listItem = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;
/** An item that looks the same at the beginning of a list. */
const ownItem = /^(?:[-*+]|[2-9]|[1-9]\d{1,8}(?=[.)]))[.)]?\s+\S/;
/** HTML that goes on over blank lines. */
const openEnded = /^ {0,3}<(?:script|pre|style|textarea|!|\?)/i;
/** What is defined here is used anywhere: links by name, footnotes. */
const definition = /^ {0,3}\[[^\]\n]+\]:/m;

export interface Pieces {
  readonly text: string;
  /** Joined they are the text; all but the last stay as they are when it grows. */
  readonly pieces: readonly string[];
}

/** Where the lines read so far leave off. */
interface Place {
  fence: string | null;
  inFormula: boolean;
  inList: boolean;
  afterBlank: boolean;
}

/** @param length of the piece that would end before the line. */
function mayCut(line: string, place: Place, length: number): boolean {
  if (length < pieceLength || place.fence !== null || place.inFormula) return false;
  if (place.inList && listItem.test(line)) return length >= listLength && ownItem.test(line);
  return place.afterBlank && /^\S/.test(line);
}

function read(line: string, place: Place): void {
  const [, indent = "", marks = "", rest = ""] = fence.exec(line) ?? [];
  if (place.fence !== null) {
    if (marks.startsWith(place.fence) && rest.trim() === "") place.fence = null;
    return;
  }
  const isBlank = line.trim() === "";
  // What is indented under an item belongs to it.
  if (place.inList && /^\s/.test(line) && !isBlank) {
    place.afterBlank = false;
    return;
  }
  if (
    !place.inFormula &&
    marks !== "" &&
    !(place.inList && indent !== "") &&
    !(marks.startsWith("`") && rest.includes("`"))
  )
    place.fence = marks;
  if ((line.match(/\$\$/g) ?? []).length % 2 === 1 && place.fence === null) place.inFormula = !place.inFormula;
  if (!isBlank) {
    if (listItem.test(line)) place.inList = true;
    else if (place.afterBlank || place.fence !== null) place.inList = false;
  }
  place.afterBlank = isBlank;
}

function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  const place: Place = { fence: null, inFormula: false, inList: false, afterBlank: false };
  let start = 0;
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end);
    if (openEnded.test(line) && place.fence === null) break;
    const told = newline >= 0 || line.length >= tellingLength;
    if (told && mayCut(line, place, at - start)) {
      pieces.push(text.slice(start, at));
      start = at;
    }
    read(line, place);
    at = end + 1;
  }
  return [...pieces, text.slice(start)];
}

/** @param before the pieces of an earlier state of the text; only its last piece is read again where the text has grown. */
export function cutMarkdown(text: string, before: Pieces | null): Pieces {
  if (before?.text === text) return before;
  const grown = before !== null && before.pieces.length > 1 && text.startsWith(before.text);
  const kept = grown ? before.pieces.slice(0, -1) : [];
  const rest = text.slice(kept.reduce((length, piece) => length + piece.length, 0));
  // By what was kept it was seen before that nothing there is defined, or used from below.
  if (definition.test(rest)) return { text, pieces: [text] };
  return { text, pieces: [...kept, ...piecesOf(rest)] };
}

/** For one text as it grows. */
export function createCutter(): (text: string) => readonly string[] {
  let known: Pieces | null = null;
  return (text) => (known = cutMarkdown(text, known)).pieces;
}
