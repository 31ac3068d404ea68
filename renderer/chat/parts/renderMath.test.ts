import { describe, expect, it } from "vitest";
import { renderMath } from "./renderMath.ts";

function draw(tex: string) {
  const element = document.createElement("span");
  return { element, trouble: renderMath(tex, element, false) };
}

describe("renderMath", () => {
  it("draws a formula, with its MathML for screen readers", () => {
    const { element, trouble } = draw(String.raw`\frac{a}{b}`);
    expect(trouble).toBeNull();
    expect(element.querySelector("math mfrac")).not.toBeNull();
  });

  it.each([
    ["an unknown command", String.raw`\nosuchthing{x}`],
    ["macros that grow without end", String.raw`\def\a{\a\a}\a`],
    ["macros that double", String.raw`\def\a{xx}\def\b{\a\a}\def\c{\b\b\b\b}${String.raw`\c`.repeat(400)}`],
    ["braces nested by the thousand", "{".repeat(1400) + "}".repeat(1400)],
    ["more than a formula", "x".repeat(3001)],
  ])("leaves %s as it is", (_what, tex) => {
    const { element, trouble } = draw(tex);
    // Deep nesting may also draw, where the stack allows it.
    if (!tex.startsWith("{")) expect(trouble).not.toBeNull();
    if (trouble !== null) expect(element.childNodes).toHaveLength(0);
  });

  it("makes no link, image or style of its own", () => {
    for (const tex of [
      String.raw`\href{javascript:alert(1)}{x}`,
      String.raw`\includegraphics{https://evil.example/x.png}`,
      String.raw`\htmlStyle{position:fixed}{x}`,
      String.raw`\url{https://evil.example}`,
    ]) {
      expect(draw(tex).element.querySelectorAll("a, img, [style*=fixed]")).toHaveLength(0);
    }
    const { element } = draw(String.raw`\rule{100000em}{100000em}`);
    expect(element.querySelector(".katex-html")?.outerHTML).not.toMatch(/\d{4,}em/);
  });
});
