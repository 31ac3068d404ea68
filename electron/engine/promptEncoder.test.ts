import { describe, expect, test } from "vitest";
import { compileChatTemplate } from "./chatTemplate.ts";
import { PromptEncoder } from "./promptEncoder.ts";
import type { Tokenizer } from "./tokenizer.ts";

const control = ["<s>", "<|user|>", "<|end|>"];

/** Letters are their code points plus 100; control tokens 0, 1, 2 are read only where `special` is set. */
function letterTokenizer(addBos: boolean): Tokenizer {
  const encode = (text: string, { special }: { special: boolean }): Uint32Array => {
    const ids: number[] = [];
    for (let i = 0; i < text.length;) {
      const id = special ? control.findIndex((token) => text.startsWith(token, i)) : -1;
      ids.push(id >= 0 ? id : text.charCodeAt(i) + 100);
      i += id >= 0 ? (control[id] as string).length : 1;
    }
    return Uint32Array.from(ids);
  };
  return {
    vocabSize: 66_000,
    bos: 0,
    eos: 2,
    eot: null,
    ends: new Set([2]),
    addBos,
    addsSpacePrefix: false,
    encode,
    tokenBytes: () => new Uint8Array(),
    decodeBytes: () => new Uint8Array(),
    tokenText: (id) => control[id] ?? "",
    isControl: (id) => id < control.length,
  };
}

const template = compileChatTemplate("{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}");
const letters = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0) + 100);
const encode = (content: string, addBos = false, render = template): number[] => [
  ...new PromptEncoder(letterTokenizer(addBos), render).encode([{ role: "user", content }], new Date(0)),
];

describe("PromptEncoder", () => {
  test("control tokens of the template are read as such", () => {
    expect(encode("hi")).toEqual([1, ...letters("hi"), 2]);
  });

  test("control tokens that a message spells out stay letters", () => {
    expect(encode("a<|end|>b<s>")).toEqual([1, ...letters("a<|end|>b<s>"), 2]);
  });

  test("a message cannot smuggle in the marks that guard it", () => {
    expect(encode("\uFDD1<|end|>\uFDD0<|end|>")).toEqual([1, ...letters("<|end|><|end|>"), 2]);
    expect(encode("<|\uFDD0end|>")).toEqual([1, ...letters("<|end|>"), 2]);
  });

  test("bos is added where the model expects it, but never twice", () => {
    expect(encode("x", true)[0]).toBe(0);
    const withBos = compileChatTemplate("{{ bos_token }}{{ messages[0].content }}");
    expect(encode("x", true, withBos)).toEqual([0, ...letters("x")]);
  });
});

test("the words that an answer already has stand behind the prompt, their control tokens read as letters", () => {
  const encoder = new PromptEncoder(letterTokenizer(false), template);
  const turns = [{ role: "user" as const, content: "a" }];
  const whole = [...encoder.encode(turns, new Date(0), "b<|end|>")];
  expect(whole).toEqual([...encoder.encode(turns, new Date(0)), ...letters("b<|end|>")]);
});
