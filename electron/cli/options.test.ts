import { describe, expect, test } from "vitest";
import { readOptions, UsageError } from "./options.ts";

describe("readOptions", () => {
  test("a prompt and every option", () => {
    const args = ["Hello", "--temperature", "0", "--max-tokens", "9", "--seed", "4", "--top-k", "1", "--top-p", "0.5"];
    args.push("--min-p", "0.1", "--system", "Be brief.", "--threads", "2", "--model", "m.gguf", "--exact", "--json");
    args.push("--draft", "auto", "--draft-length", "5", "--drafter", "a.gguf", "--drafter", "b.gguf");
    expect(readOptions(args)).toMatchObject({
      draft: { mode: "auto", length: 5 },
      drafters: ["a.gguf", "b.gguf"],
      prompt: "Hello",
      model: "m.gguf",
      system: "Be brief.",
      seed: 4,
      threads: 2,
      exact: true,
      json: true,
      sampler: { temperature: 0, maxTokens: 9, topK: 1, topP: 0.5, minP: 0.1 },
    });
  });

  test("nothing at all is an interactive chat with the embedded model", () => {
    expect(readOptions([])).toMatchObject({ prompt: null, model: null, seed: null, json: false });
    expect(readOptions([])).toMatchObject({ draft: { mode: "off", length: 0 }, drafters: [] });
  });

  test("--help is no error", () => {
    expect(readOptions(["--help", "--seed", "1"])).toBeNull();
  });

  test.each([
    [["a", "b"], /2 prompts/],
    [["--unknown"], /unknown/],
    [["--temperature", "warm"], /--temperature/],
    [["--temperature", "6"], /--temperature is 6/],
    [["--max-tokens", "0"], /--max-tokens/],
    [["--seed=-1"], /--seed/],
    [["--threads", "1.5"], /--threads/],
    [["--top-k", ""], /--top-k/],
    [["--draft", "fast"], /--draft is "fast"; it must be off, lookup, mdlm, dflash, auto/],
    [["--draft-length", "17"], /--draft-length is 17/],
  ])("%j is refused", (args, message) => {
    expect(() => readOptions(args)).toThrow(UsageError);
    expect(() => readOptions(args)).toThrow(message);
  });
});
