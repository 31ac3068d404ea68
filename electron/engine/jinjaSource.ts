/**
 * Prepares a Jinja source for the template library and remembers which line each tag stood on, which the library does
 * not. Does the work of Jinja's lexer that the library lacks or does differently: line ends, `raw` blocks, the `+`
 * modifiers, and trim_blocks and lstrip_blocks as transformers sets them. Never evaluates anything.
 */

export interface TemplateTag {
  readonly kind: "statement" | "expression" | "comment";
  /** First word of a statement, such as "if"; empty for other kinds. */
  readonly keyword: string;
  /** Counted from 1 in the source as given. */
  readonly line: number;
  /** Where the tag ends in the prepared source. */
  readonly end: number;
}

export interface PreparedSource {
  readonly source: string;
  /** In source order; without the `generation` tags, which the library removes. */
  readonly tags: readonly TemplateTag[];
}

const KINDS = { "%": "statement", "{": "expression", "#": "comment" } as const;
const KEYWORD = /^\{%[-+]?\s*([A-Za-z_]\w*)/;
const END_OF_RAW = /\{%([-+]?)\s*endraw\s*([-+]?)%\}/g;

/** Past the end of the tag that opens at `open`; the length of the source when it never ends. */
function endOfTag(source: string, open: number): number {
  const kind = source[open + 1];
  if (kind === "#") {
    const end = source.indexOf("#}", open + 2);
    return end < 0 ? source.length : end + 2;
  }
  for (let i = open + 2, depth = 0; i < source.length; i++) {
    const unit = source[i];
    if (unit === "'" || unit === '"') {
      for (i++; i < source.length && source[i] !== unit; i++) if (source[i] === "\\") i++;
    } else if (kind === "%") {
      if (unit === "%" && source[i + 1] === "}") return i + 2;
    } else if (unit === "{") {
      depth++;
    } else if (unit === "}") {
      if (depth === 0 && source[i + 1] === "}") return i + 2;
      depth = Math.max(0, depth - 1);
    }
  }
  return source.length;
}

function nextTag(source: string, from: number): number {
  for (let open = source.indexOf("{", from); open >= 0; open = source.indexOf("{", open + 1)) {
    const next = source[open + 1];
    if (next === "%" || next === "{" || next === "#") return open;
  }
  return -1;
}

/** lstrip_blocks: spaces between the start of a line and a block are not text. */
function withoutIndent(text: string, lineStarting: boolean): string {
  const start = text.lastIndexOf("\n") + 1;
  return (start > 0 || lineStarting) && text.slice(start).trim() === "" ? text.slice(0, start) : text;
}

export function prepareSource(given: string): PreparedSource {
  const source = given.replace(/\r\n?/g, "\n");
  const tags: TemplateTag[] = [];
  let out = "";
  let line = 1;
  let counted = 0;
  let lineStarting = true;
  let at = 0;
  for (let open = nextTag(source, 0); open >= 0; open = nextTag(source, at)) {
    const kind = KINDS[source[open + 1] as keyof typeof KINDS];
    const mark = source[open + 2];
    const text = source.slice(at, open);
    out += kind === "expression" || mark === "-" || mark === "+" ? text : withoutIndent(text, lineStarting);
    for (let i = source.indexOf("\n", counted); i >= 0 && i < open; i = source.indexOf("\n", i + 1)) line++;
    counted = open;
    at = endOfTag(source, open);
    let tag = source.slice(open, at);
    const keyword = kind === "statement" ? (KEYWORD.exec(tag)?.[1] ?? "") : "";
    if (keyword === "raw") {
      const raw = rawBlock(source, tag, at);
      tag = raw.tag;
      at = raw.end;
    }
    const closing = tag.at(-3);
    if (mark === "+") tag = tag.slice(0, 2) + tag.slice(3);
    if (closing === "+" && kind !== "expression") tag = tag.slice(0, -3) + tag.slice(-2);
    out += tag;
    if (keyword !== "generation" && keyword !== "endgeneration") {
      tags.push(
        keyword === "raw"
          ? { kind: "expression", keyword: "", line, end: out.length }
          : { kind, keyword, line, end: out.length },
      );
    }
    // trim_blocks: the line end right after a block is not text.
    lineStarting = kind !== "expression" && closing !== "+" && source[at] === "\n";
    if (lineStarting) at++;
  }
  return { source: out + source.slice(at), tags };
}

/** The library has no `raw`: the block becomes an expression with its text as a literal. */
function rawBlock(source: string, begin: string, from: number): { tag: string; end: number } {
  END_OF_RAW.lastIndex = from;
  const found = END_OF_RAW.exec(source);
  // Left as it is, an unfinished block fails in the library as an unknown statement.
  if (found === null) return { tag: begin, end: from };
  let text = source.slice(from, found.index);
  if (begin.at(-3) === "-") text = text.trimStart();
  if (found[1] === "-") text = text.trimEnd();
  else if (found[1] !== "+") text = withoutIndent(text, false);
  const literal = JSON.stringify(text).replace(/\\u([0-9a-f]{4})/g, "\\u$1");
  return {
    tag: `{{${begin[2] === "-" ? "-" : ""} ${literal} ${found[2] === "-" ? "-" : ""}}}`,
    end: found.index + found[0].length,
  };
}
