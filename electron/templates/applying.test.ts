import { describe, expect, it } from "vitest";
import type { TemplateContent, TemplateVariable } from "../contract/templates.ts";
import { missingIn, prefixOf, problemsOf, warmEndOf, warmVariants, withDefaults } from "./applying.ts";
import { builtInValues } from "./builtInValues.ts";

const variable = (name: string, change: Partial<TemplateVariable> = {}): TemplateVariable => ({
  name,
  label: "",
  type: "text",
  default: "",
  required: true,
  choices: [],
  ...change,
});
const content = (change: Partial<TemplateContent> = {}): TemplateContent => ({
  name: "T",
  slug: "t",
  description: "",
  system: "Say {{word}}.",
  examples: [],
  variables: [variable("word")],
  ...change,
});

describe("a template's problems", () => {
  it("are none when text and variables agree", () => {
    expect(problemsOf(content())).toEqual([]);
    expect(problemsOf(content({ system: "{{date}} {{word}}" }))).toEqual([]);
  });
  it.each<[string, Partial<TemplateContent>, string]>([
    ["an undeclared name", { variables: [] }, "{{word}}"],
    ["a name declared twice", { variables: [variable("word"), variable("word")] }, "twice"],
    ["a built-in's name", { variables: [variable("word"), variable("date")] }, "filled in by the app"],
    ["a choice of nothing", { variables: [variable("word", { type: "choice" })] }, "no choice"],
    ["a default that does not fit", { variables: [variable("word", { type: "number", default: "x" })] }, "a number"],
    ["nothing at all", { system: " ", variables: [] }, "nothing to begin with"],
    ["a question without its answer", { examples: [{ role: "user", content: "a" }] }, "no answer"],
    ["examples out of turn", { examples: [{ role: "assistant", content: "a" }] }, "alternate"],
  ])("%s", (_, change, words) => {
    expect(problemsOf(content(change)).join(" ")).toContain(words);
  });
});

describe("values", () => {
  const typed = content({
    system: "{{n}} {{d}} {{c}} {{line}} {{text}}",
    variables: [
      variable("n", { type: "number" }),
      variable("d", { type: "date" }),
      variable("c", { type: "choice", choices: ["x", "y"], default: "x" }),
      variable("line", { required: false }),
      variable("text", { type: "multiline", required: false }),
    ],
  });
  it("must be there and of their type", () => {
    expect(Object.keys(missingIn(typed, {}))).toEqual(["n", "d"]);
    expect(missingIn(typed, { n: "1e3", d: "2024-02-29", text: "a\nb" })).toEqual({});
    expect(Object.keys(missingIn(typed, { n: " ", d: "2023-02-29", c: "z", line: "a\nb" }))).toEqual([
      "n",
      "d",
      "c",
      "line",
    ]);
  });
  it("take defaults, and nothing that the template does not name", () => {
    expect(withDefaults(typed, { n: "1", other: "?", clipboard: "secret", constructor: "!" })).toEqual({
      n: "1",
      d: "",
      c: "x",
      line: "",
      text: "",
    });
  });
  it("fill system text and examples alike", () => {
    const prefix = prefixOf(content({ examples: [{ role: "user", content: "{{word}}?" }] }), { word: "fox" });
    expect(prefix).toEqual({ system: "Say fox.", examples: [{ role: "user", content: "fox?" }] });
    expect(prefixOf(content({ system: "{{constructor}} {{word}}" }), {}).system).toBe("{{constructor}} {{word}}");
  });
});

describe("what can be computed ahead", () => {
  it("is what two conversations with other values have in common", () => {
    const [a, b] = warmVariants(content({ system: "Always. {{date}} {{word}}" }));
    expect([a, b].map((turns) => turns.map((turn) => turn.content))).toEqual([
      ["Always. A A", "A"],
      ["Always. 7 7", "7"],
    ]);
  });
  it("ends at the first variable, wherever it is", () => {
    expect(warmEndOf(content())).toEqual({ part: "system", offset: 4 });
    const example = (text: string) => content({ system: "Fixed.", examples: [{ role: "user", content: text }] });
    expect(warmEndOf(example("{{word}}"))).toEqual({ part: "examples", offset: 0 });
    expect(warmEndOf(example("fixed"))).toBeNull();
  });
});

describe("built-in variables", () => {
  const noon = new Date("2026-11-21T12:00:00Z");
  it("speak the page's locale in its time zone", () => {
    const given = { locale: "de-DE", timezone: "Asia/Tokyo", clipboard: "c", selection: "s" };
    const names = ["date", "time", "weekday", "locale", "timezone", "clipboard", "selection"] as const;
    expect(builtInValues(names, given, noon)).toEqual({
      date: "21. November 2026",
      time: "21:00",
      weekday: "Samstag",
      locale: "de-DE",
      timezone: "Asia/Tokyo",
      clipboard: "c",
      selection: "s",
    });
  });
  it("fall back to this machine's when the page says nonsense", () => {
    const values = builtInValues(["date", "locale", "clipboard"], { locale: "!!", timezone: "Nowhere/At_all" }, noon);
    expect(values["date"]).toContain("2026");
    expect(values["locale"]).toMatch(/^[a-z]{2}/u);
    expect(values["clipboard"]).toBe("");
  });
});
