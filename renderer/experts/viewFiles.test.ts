import { describe, expect, it } from "vitest";
import { ExpertTrace } from "./expertTrace.ts";
import { loadData, nowData, repeatsData, togetherData, tokensData, wordsData } from "./viewData.ts";
import { asCsv, asJson, asPicture } from "./viewFiles.ts";

const trace = new ExpertTrace({ moeLayers: 1, expertCount: 4, expertsUsed: 2 });
trace.append({
  firstToken: 0,
  tokens: 3,
  moeLayers: 1,
  expertCount: 4,
  expertsUsed: 2,
  experts: new Uint8Array(Uint16Array.of(0, 1, 0, 2, 3, 0).buffer),
  weights: Uint8Array.of(204, 51, 255, 0, 102, 51),
  textLengths: [1, 5, 1],
  drafted: new Uint8Array(3),
});
const source = { model: "A <tiny> & “odd” model", trace, text: '=,"a\n".' };
const now = nowData(source, { counts: trace.counts, tokens: 3, choices: 6 }, "answer");

describe("a view's numbers as CSV", () => {
  it("has a head that names model, layer, formula and tokens, then the rows", () => {
    const lines = asCsv(now).split("\r\n");
    expect(lines.slice(0, 8).map((line) => line.replace(/: .*/, ""))).toEqual(
      ["model", "moe_layers", "experts", "experts_per_token", "layer", "window", "tokens", "formula"].map(
        (name) => `# ${name}`,
      ),
    );
    expect(lines[0]).toBe("# model: A <tiny> & “odd” model");
    expect(lines.slice(8)).toEqual([
      "layer,expert,count,share,times_uniform",
      "0,0,3,1,2",
      "0,1,1,0.3333333333333333,0.6666666666666666",
      "0,2,1,0.3333333333333333,0.6666666666666666",
      "0,3,1,0.3333333333333333,0.6666666666666666",
      "",
    ]);
  });
  it("quotes what has commas, quotes and lines, and disarms what a spreadsheet would compute", () => {
    const csv = asCsv(tokensData(source));
    expect(csv).toContain("\r\n0,'=,0,0,0,0.8\r\n");
    expect(csv).toContain('\r\n1,",""a\n""",0,0,0,1\r\n');
  });
});

it("is the same in JSON", () => {
  const read = JSON.parse(asJson(now)) as Record<string, unknown>;
  expect(read).toMatchObject({ view: "experts-now", model: source.model, tokens: 3, columns: now.columns });
  expect(read["rows"]).toEqual(now.rows);
});

describe("as a picture", () => {
  const parse = (svg: string): Document => new DOMParser().parseFromString(svg, "image/svg+xml");
  it.each([
    ["now", now],
    ["tokens", tokensData(source)],
    ["load", loadData(source)],
    ["repeats", repeatsData(source)],
    ["together", togetherData(source, 0)],
    ["words", wordsData(source, [{ trace, text: source.text }], 0, 0)],
  ])("%s is well-formed SVG that names the model", (_, data) => {
    const page = parse(asPicture(data, "light").svg);
    expect(page.querySelector("parsererror")).toBeNull();
    expect(page.documentElement.textContent).toContain(`model: ${source.model}`);
  });
  it("joins neighbouring cells of one colour", () => {
    const rects = parse(asPicture(tokensData(source), "dark").svg).querySelectorAll("rect");
    // The paper, two tokens of expert 0 in one, and the one of expert 3.
    expect(rects).toHaveLength(3);
  });
  it("says how many rows of a table it leaves out", () => {
    const rows = Array.from({ length: 130 }, (_, index) => [index, 0.5]);
    expect(asPicture({ ...now, columns: ["a", "b"], rows, grid: null }, "light").svg).toContain("... 30 more rows");
  });
});
