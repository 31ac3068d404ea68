// Pure: the ways in which models write mathematics -> the one that the Markdown parser is told of, `$$`. A single dollar is
// mathematics by Pandoc's rule only (no space inside the first, none inside the last, no digit behind it), so that "$5 and
// $10" stays money. Nothing inside code is touched.

/** Code, in which a dollar is a dollar: fences, also one that is not closed yet, and code inside a line. */
const code = /(^[ \t]*(?:```|~~~)[\s\S]*?(?:^[ \t]*(?:```|~~~)|$(?![\s\S]))|`[^`\n]+`)/m;
/** Longer stretches are not one formula; the bound also keeps a hostile text from costing its length squared. */
const formula = String.raw`[^\n]{1,2000}?`;
const formulas = String.raw`(?:(?!\n\s*\n)[\s\S]){1,2000}?`;
const patterns = new RegExp(
  [
    String.raw`^(?<indent>[ \t]*)(?:\$\$(?<dollars>${formula})\$\$|\\\[(?<brackets>${formulas})\\\])[ \t]*$`,
    String.raw`(?<kept>\$\$${formulas}\$\$)`,
    String.raw`(?<!\\)\\\((?<parens>${formula})\\\)`,
    String.raw`(?<!\\)\\\[(?<inner>${formula})\\\]`,
    String.raw`(?<![\\$\w])\$(?<dollar>(?![\s$])(?:[^$\n\\]|\\.){0,500}?)(?<![\s\\])\$(?![\d$])`,
  ].join("|"),
  "gm",
);

function rewrite(match: string, ...rest: unknown[]): string {
  const groups = rest.at(-1) as Readonly<Record<string, string | undefined>>;
  const { indent = "", dollars, brackets, kept, parens, inner, dollar } = groups;
  const display = dollars ?? brackets;
  if (display !== undefined) {
    const lines = display.trim().split("\n");
    return ["$$", ...lines, "$$"].map((line) => indent + line.trim()).join("\n");
  }
  if (kept !== undefined) return kept;
  const tex = parens ?? inner ?? dollar;
  return tex === undefined || tex.trim() === "" ? match : `$$${tex.trim()}$$`;
}

export function mathDelimiters(text: string): string {
  if (!/\$|\\[([]/.test(text)) return text;
  return text
    .split(code)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(patterns, rewrite)))
    .join("");
}
