import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutMarkdown, type Pieces } from "./cutMarkdown.ts";

const paragraph = `${"the fox went over the hill ".repeat(90).trim()}.`;
const long = (...blocks: readonly string[]): string => blocks.join("\n\n");
const cut = (text: string): readonly string[] => cutMarkdown(text, null).pieces;

describe("a long text", () => {
  it("is cut between blocks, and only there", () => {
    const end = "The last words.";
    expect(cut(long(paragraph, "# Head", paragraph, end))).toEqual([
      `${paragraph}\n\n`,
      `# Head\n\n${paragraph}\n\n`,
      end,
    ]);
  });
  it("is not cut inside code, formulas, lists, or HTML that goes on over blank lines", () => {
    const inner = paragraph.replaceAll("hill ", "hill\n\n");
    expect(cut(`\`\`\`\n${inner}\n\`\`\``)).toHaveLength(1);
    expect(cut(`~~~~\n${inner}\n\`\`\`\n\n~~~\n\n${inner}\n~~~~`)).toHaveLength(1);
    expect(cut(`$$\n${inner}\n$$`)).toHaveLength(1);
    expect(cut(`- ${paragraph}\n\n  under the item\n\n  \`\`\`\n  code\n\n  \`\`\`\n\n- ${paragraph}`)).toHaveLength(1);
    expect(cut(`<!-- ${inner} -->\n\n${paragraph}\n\nend of it all`)).toHaveLength(1);
  });
  it("is cut after a list and after a closed fence", () => {
    expect(cut(`- ${paragraph}\n\n   \`\`\`\n   code\n   \`\`\`\n\nAfter the list.`)).toHaveLength(2);
    expect(cut(`\`\`\`ts\n${paragraph}\n\`\`\`\n\nAfter the code.`)).toHaveLength(2);
  });
  it("is cut inside a very long list where the next item says its own number", () => {
    const items = (marker: (index: number) => string): string =>
      Array.from({ length: 5 }, (_, index) => `${marker(index)} ${paragraph}\n\n   more of it`).join("\n\n");
    expect(cut(items((index) => `${index + 9}.`)).map((piece) => piece.slice(0, 3))).toEqual(["9. ", "11.", "13."]);
    expect(cut(items(() => "-"))).toHaveLength(3);
    expect(cut(items(() => "1."))).toHaveLength(1);
  });
  it("stays whole where something is defined in it that any part may use", () => {
    expect(cut(long(paragraph, paragraph, "[fox]: https://example.org"))).toHaveLength(1);
    expect(cut(long(paragraph, "A note[^1].", paragraph, "[^1]: The note."))).toHaveLength(1);
  });
});

const line = fc.constantFrom(
  "",
  "",
  "",
  "plain words",
  "```ts",
  "```",
  "~~~",
  "- item",
  "12. item",
  "  more",
  "$$",
  "# Head",
  "> said",
  "<b>x",
  paragraph,
);

describe("a growing text", () => {
  it("has the pieces at every length that it has when it is read at once, and never changes one but the last", () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 40 }), fc.integer({ min: 1, max: 700 }), (lines, step) => {
        const text = lines.join("\n");
        let before: Pieces | null = null;
        for (let length = step; length < text.length + step; length += step) {
          const shown = text.slice(0, length);
          const now: Pieces = cutMarkdown(shown, before);
          expect(now.pieces.join("")).toBe(shown);
          expect(now.pieces).toEqual(cut(shown));
          if (before !== null)
            expect(now.pieces.slice(0, before.pieces.length - 1)).toEqual(before.pieces.slice(0, -1));
          before = now;
        }
      }),
    );
  });
});
