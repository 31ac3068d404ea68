import { describe, expect, it } from "vitest";
import { mathDelimiters } from "./mathDelimiters.ts";

describe("mathDelimiters", () => {
  it.each([
    ["so \\(x^2\\) is", "so $$x^2$$ is"],
    ["so $x^2$ is, and $n$.", "so $$x^2$$ is, and $$n$$."],
    ["\\[\n a = b\n\\]", "$$\na = b\n$$"],
    ["$$ E = mc^2 $$", "$$\nE = mc^2\n$$"],
    ["$$\na\n$$", "$$\na\n$$"],
    ["  \\[ a \\]", "  $$\n  a\n  $$"],
    ["both $$a$$ inside", "both $$a$$ inside"],
    ["it costs $5 and $10 today", "it costs $5 and $10 today"],
    ["US$5 or 5$ and $ x $", "US$5 or 5$ and $ x $"],
    ["escaped \\$a$ stays", "escaped \\$a$ stays"],
    ["`$x$` and\n```sh\necho $HOME $x$\n```\n$y$", "`$x$` and\n```sh\necho $HOME $x$\n```\n$$y$$"],
    ["```\nopen $x$", "```\nopen $x$"],
    ["no mathematics", "no mathematics"],
  ])("%j becomes %j", (text, result) => expect(mathDelimiters(text)).toBe(result));

  it("ends on texts made to keep it busy", () => {
    for (const piece of ["\\[", "$", "\\(", "$$", "`", "$a", "\\[\n"]) {
      const text = piece.repeat(20_000);
      expect(mathDelimiters(text).length).toBeGreaterThanOrEqual(text.length);
    }
  });
});
