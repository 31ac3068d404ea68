import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { titleFrom } from "./titles.ts";

describe("titles", () => {
  it("keeps a short first message", () => {
    expect(titleFrom("Tell me a story about a fox")).toBe("Tell me a story about a fox");
  });

  it("cuts between words and drops what dangles", () => {
    const title = titleFrom("Please write a long and detailed summary of everything, and then some more of it");
    expect(title).toBe("Please write a long and detailed summary of everything, and…");
  });

  it("cuts a text without spaces between characters", () => {
    const title = titleFrom("𝄞".repeat(80));
    expect(title.isWellFormed()).toBe(true);
    expect(title.length).toBeLessThanOrEqual(60);
  });

  it("is one line without Markdown marks", () => {
    expect(titleFrom("# Plan\n\n* `one`\n* two")).toBe("Plan one two");
    expect(titleFrom("***")).toBe("***");
  });

  it("is never longer than 60 units and never blank for a text that is not", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
        const title = titleFrom(text);
        expect(title.length).toBeLessThanOrEqual(60);
        expect(title.includes("\n")).toBe(false);
        if (/[\p{L}\p{N}]/u.test(text)) expect(title).not.toBe("");
      }),
    );
  });
});
