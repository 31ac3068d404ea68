import { describe, expect, it } from "vitest";
import { freeSlug, fromExchange, toExchange } from "./exchange.ts";
import { problemsOf, warmEndOf } from "./applying.ts";
import { templateContentSchema } from "../contract/templates.ts";
import { shippedTemplates } from "./shipped.ts";

const contents = shippedTemplates.map(({ content }) => content);

describe("the shipped templates", () => {
  it("are ten, valid, and each has a slug of its own", () => {
    expect(shippedTemplates).toHaveLength(10);
    for (const { id, content } of shippedTemplates) {
      expect(templateContentSchema.safeParse(content).error, id).toBeUndefined();
      expect(problemsOf(content), id).toEqual([]);
    }
    expect(new Set(contents.map(({ slug }) => slug)).size).toBe(10);
  });
  it("keep what varies in the last fifth of the text", () => {
    for (const content of contents) {
      const end = warmEndOf(content);
      if (end !== null) expect(end.offset, content.slug).toBeGreaterThan(content.system.length * 0.8);
    }
  });
});

describe("export and import", () => {
  it("give back what went out", () => {
    expect(fromExchange(toExchange(contents))).toEqual(contents);
  });
  const spoilt = (change: object): string => toExchange([{ ...(contents[0] as object), ...change } as never]);
  it.each([
    ["no JSON", "{", "not JSON"],
    ["another file", '{"format":"x"}', "format"],
    ["no templates", '{"format":"conclave-templates","version":1,"templates":[]}', "templates"],
    ["a wrong slug", spoilt({ slug: "../x" }), "templates.0.slug"],
    ["a text beyond all bounds", spoilt({ system: "x".repeat(200_001) }), "templates.0.system"],
    [
      "too many variables",
      spoilt({ variables: Array.from({ length: 31 }, () => contents[0]?.variables[0]) }),
      "variables",
    ],
    ["an undeclared variable", spoilt({ variables: [] }), "not declared"],
    ["a prototype", '{"__proto__":{"format":"conclave-templates"}}', "format"],
  ])("refuse %s in one sentence", (_, json, words) => {
    expect(() => fromExchange(json)).toThrow(words);
  });
  it("number a slug that is taken", () => {
    const taken = new Set(["a", "a-2", "x".repeat(40)]);
    expect(freeSlug("b", (slug) => taken.has(slug))).toBe("b");
    expect(freeSlug("a", (slug) => taken.has(slug))).toBe("a-3");
    expect(freeSlug("x".repeat(40), (slug) => taken.has(slug))).toMatch(/^x{36}-2$/u);
  });
});
