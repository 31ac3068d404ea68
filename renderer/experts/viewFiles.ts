// A view's numbers as a file: CSV (RFC 4180, the head in lines that begin with #), JSON, or a picture. Pure.
import { rampColour } from "./ramp.ts";
import type { Cell, Grid, ViewData } from "./viewData.ts";

/** A field that begins like a formula is one to a spreadsheet: it gets a quote in front. */
function csvField(cell: Cell): string {
  if (typeof cell === "number") return String(cell);
  const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const oneLine = (cell: Cell): string => String(cell).replaceAll(/\s+/g, " ");

export function asCsv({ facts, columns, rows }: ViewData): string {
  const head = Object.entries(facts).map(([name, value]) => `# ${name}: ${oneLine(value)}`);
  return [...head, columns.join(","), ...rows.map((row) => row.map(csvField).join(","))]
    .map((line) => `${line}\r\n`)
    .join("");
}

export const asJson = ({ view, facts, columns, rows }: ViewData): string =>
  `${JSON.stringify({ view, ...facts, columns, rows })}\n`;

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const lineHeight = 16;
const margin = 16;
const shownRows = 100;
const monospace = `font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="12"`;
const letterWidth = 7.3;
/** A picture with more columns than this would be wider than any screen: neighbours share a cell's width. */
const widestGrid = 4000;

const line = (text: string, index: number, colour: string): string =>
  `<text x="${margin}" y="${margin + (index + 1) * lineHeight - 4}" fill="${colour}" ${monospace} xml:space="preserve">${escape(text)}</text>`;

function cellColour(kind: Grid["kind"], value: number, theme: "light" | "dark"): string {
  if (kind === "experts") return `hsl(${((value * 137.508) % 360).toFixed(1)} 60% ${theme === "light" ? 70 : 45}%)`;
  return `rgb(${rampColour(theme, value).join(" ")})`;
}

/** Cells of one colour side by side are one rectangle. */
function gridShapes(
  grid: Grid,
  top: number,
  theme: "light" | "dark",
): { shapes: string; width: number; height: number } {
  const cell = Math.max(1, Math.min(24, Math.floor(widestGrid / grid.columns), Math.ceil(640 / grid.columns)));
  const height = Math.max(6, Math.min(24, Math.ceil(320 / grid.rows)));
  let shapes = "";
  for (let row = 0; row < grid.rows; row++) {
    let from = 0;
    let colour = cellColour(grid.kind, grid.values[row * grid.columns] ?? 0, theme);
    for (let column = 1; column <= grid.columns; column++) {
      const next =
        column === grid.columns ? "" : cellColour(grid.kind, grid.values[row * grid.columns + column] ?? 0, theme);
      if (next === colour) continue;
      shapes += `<rect x="${margin + from * cell}" y="${top + row * height}" width="${(column - from) * cell}" height="${height}" fill="${colour}"/>`;
      [from, colour] = [column, next];
    }
  }
  return { shapes, width: grid.columns * cell, height: grid.rows * height };
}

const shortened = (cell: Cell): string =>
  typeof cell === "number" && !Number.isInteger(cell) ? cell.toFixed(4) : oneLine(cell).slice(0, 24);

/** The first rows as columns of text, and how many are left out. */
function tableLines({ columns, rows }: ViewData): string[] {
  const shown = [columns, ...rows.slice(0, shownRows).map((row) => row.map(shortened))];
  const widths = columns.map((_, column) => Math.max(...shown.map((row) => (row[column] ?? "").length)));
  const lines = shown.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return rows.length > shownRows ? [...lines, `... ${rows.length - shownRows} more rows`] : lines;
}

export interface Picture {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

export function asPicture(data: ViewData, theme: "light" | "dark"): Picture {
  const [ink, muted, paper] = theme === "light" ? ["#1b1c22", "#5d5f6d", "#ffffff"] : ["#ececf1", "#a3a5b4", "#17181c"];
  const facts = Object.entries(data.facts).map(([name, value]) => `${name}: ${oneLine(value)}`);
  const lines = [
    ...facts,
    "",
    ...(data.grid === null ? tableLines(data) : [`${data.grid.rowName} down, ${data.grid.columnName} across`]),
  ];
  const text = lines.map((content, index) => line(content, index, index < facts.length ? muted : ink)).join("");
  const top = margin + lines.length * lineHeight + 4;
  const grid = data.grid === null ? { shapes: "", width: 0, height: 0 } : gridShapes(data.grid, top, theme);
  const longest = Math.max(...lines.map((content) => content.length)) * letterWidth;
  const [width, height] = [Math.ceil(Math.max(grid.width, longest)) + 2 * margin, top + grid.height + margin];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><rect width="${width}" height="${height}" fill="${paper}"/>${text}${grid.shapes}</svg>\n`;
  return { svg, width, height };
}
