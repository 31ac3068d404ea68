import { describe, expect, it } from "vitest";
import { highlightLanguage } from "./highlightLanguages.ts";

describe("languages that are coloured", () => {
  it.each([
    ["ts", "typescript"],
    ["C++", "cpp"],
    ["Python", "python"],
    ["shell", "bash"],
    ["text", null],
    ["constructor", null],
    ["", null],
  ])("%s is %s", (name, language) => expect(highlightLanguage(name)).toBe(language));
});
