import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstVariable, namesIn, parsePrefix, renderPrefix, reorderForWarmth } from "./prefixText.ts";

const source = (text: string): string =>
  parsePrefix(text)
    .map((segment) => (segment.type === "text" ? segment.text : text.slice(segment.start, segment.end)))
    .join("");

describe("the text of a template", () => {
  it("has variables in double braces and nothing else", () => {
    expect(namesIn(["{{a}} { {b}} {{ c_1 }} {{}} {{1}} {{a b}} {{a\n}} }}{{", "{{a}}{{d}}"])).toEqual([
      "a",
      "c_1",
      "d",
    ]);
    expect(renderPrefix("{{{x}}} {{y}} {{x", (name) => (name === "x" ? "7" : undefined))).toBe("{7} {{y}} {{x");
  });

  it("inserts values as they are and never reads them again", () => {
    expect(renderPrefix("{{a}}{{b}}", (name) => (name === "a" ? "{{b}}$&$1" : "B"))).toBe("{{b}}$&$1B");
    const halves = { a: "{{", b: "c}}", c: "no" };
    expect(renderPrefix("{{a}}{{b}}", (name) => halves[name as "a" | "b" | "c"])).toBe("{{c}}");
  });

  it("is whole again when nothing is inserted, whatever it is", () => {
    const braces = fc.string({ unit: fc.constantFrom("{", "}", "a", " ", "_", "\n", "é", "{{", "}}", "{{a}}") });
    fc.assert(
      fc.property(fc.oneof(fc.string(), braces), (text) => {
        expect(source(text)).toBe(text);
        expect(renderPrefix(text, () => undefined)).toBe(text);
      }),
    );
  });

  it("is read in linear time, whatever a stranger wrote", () => {
    for (const unit of ["{", "{{", "{{a", "{{a}", "{{ ", "}}{{", "{{a}}"]) {
      const text = unit.repeat(400_000 / unit.length);
      const began = performance.now();
      expect(source(text).length).toBe(text.length);
      expect(performance.now() - began).toBeLessThan(1500);
    }
  });

  it("says where the first variable stands", () => {
    expect(firstVariable("ab{{c}}{{d}}")).toBe(2);
    expect(firstVariable("ab{{}}")).toBeNull();
  });
});

describe("reordering for warmth", () => {
  const rules = "These rules never change and are long enough to be worth keeping warm.";
  it("puts paragraphs with variables last, each kind in its own order", () => {
    expect(reorderForWarmth(`For {{who}}.\n\n${rules}\n\nAbout {{what}}.\n\nEnd.`)).toBe(
      `${rules}\n\nEnd.\n\nFor {{who}}.\n\nAbout {{what}}.`,
    );
  });
  it("is not suggested when it gains nothing or little", () => {
    expect(reorderForWarmth(`${rules}\n\nFor {{who}}.`)).toBeNull();
    expect(reorderForWarmth(`For {{who}}.\n\nShort.`)).toBeNull();
    expect(reorderForWarmth(`{{a}}\n\n{{b}}`)).toBeNull();
    expect(reorderForWarmth(rules)).toBeNull();
  });
});
