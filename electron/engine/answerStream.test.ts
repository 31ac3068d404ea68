import { describe, expect, test } from "vitest";
import { AnswerStream, type AnswerPiece, type EngineTokens } from "./answerStream.ts";
import type { Tokenizer } from "./tokenizer.ts";

const shape = { moeLayers: 2, expertsUsed: 2, experts: 300 };

/** A vocabulary of the given byte strings; ids are their places. */
function tokenizerOf(pieces: readonly (string | number[])[]): Tokenizer {
  const bytes = pieces.map((piece) =>
    typeof piece === "string" ? new TextEncoder().encode(piece) : Uint8Array.from(piece),
  );
  return {
    vocabSize: pieces.length,
    bos: null,
    eos: null,
    eot: null,
    ends: new Set(),
    addBos: false,
    addsSpacePrefix: false,
    encode: () => new Uint32Array(),
    tokenBytes: (id) => bytes[id] ?? new Uint8Array(),
    decodeBytes: () => new Uint8Array(),
    tokenText: () => "",
    isControl: () => false,
  };
}

function batch(...ids: number[]): EngineTokens {
  const row = shape.moeLayers * shape.expertsUsed;
  const experts = Uint16Array.from({ length: ids.length * row }, (_, i) => (ids[Math.floor(i / row)] ?? 0) + 256);
  return {
    tokens: Uint32Array.from(ids),
    experts,
    expertWeights: new Float32Array(ids.length * row).fill(0.5),
    drafted: Uint8Array.from(ids, (id) => id % 2),
  };
}

function joined(pieces: readonly AnswerPiece[]): { text: string; ids: number[]; lengths: number[] } {
  return {
    text: pieces.map(({ text }) => text).join(""),
    ids: pieces.flatMap(({ tokenIds }) => [...tokenIds]),
    lengths: pieces.flatMap(({ trace }) => trace?.textLengths ?? []),
  };
}

describe("AnswerStream", () => {
  const cat = [..."🐈"].flatMap((character) => [...new TextEncoder().encode(character)]);

  test("a character spread over tokens comes out whole, with the token that completes it", () => {
    const stream = new AnswerStream(tokenizerOf(["a", cat.slice(0, 2), cat.slice(2), "b"]), shape, []);
    const pieces: AnswerPiece[] = [];
    for (const id of [0, 1, 2, 3]) {
      stream.push(batch(id));
      pieces.push(stream.take());
    }
    expect(pieces.map(({ text }) => text)).toEqual(["a", "", "🐈", "b"]);
    expect(joined(pieces)).toEqual({ text: "a🐈b", ids: [0, 1, 2, 3], lengths: [1, 0, 2, 1] });
    expect(pieces.flatMap(({ trace }) => [...(trace?.drafted ?? [])])).toEqual([0, 1, 0, 1]);
  });

  test("an unfinished character at the end is one replacement character of the last token", () => {
    const stream = new AnswerStream(tokenizerOf(["a", cat.slice(0, 2)]), shape, []);
    stream.push(batch(0, 1));
    stream.end();
    expect(joined([stream.take()])).toEqual({ text: "a\uFFFD", ids: [0, 1], lengths: [1, 1] });
  });

  test("tokens wait with the text that may become a stop string, and keep their own lengths", () => {
    const stream = new AnswerStream(tokenizerOf(["one", " St", "op", "ed"]), shape, [" Stop!"]);
    stream.push(batch(0, 1, 2));
    const first = stream.take();
    expect(first.text).toBe("one");
    expect([...first.tokenIds]).toEqual([0]);
    stream.push(batch(3));
    stream.end();
    expect(joined([first, stream.take()])).toEqual({ text: "one Stoped", ids: [0, 1, 2, 3], lengths: [3, 3, 2, 2] });
    expect(stream.stopped).toBe(false);
  });

  test("a stop string ends the answer: neither it nor later tokens come out as text", () => {
    const stream = new AnswerStream(tokenizerOf(["one S", "to", "p two", "never"]), shape, ["Stop"]);
    stream.push(batch(0, 1, 2, 3));
    expect(stream.stopped).toBe(true);
    stream.end();
    expect(joined([stream.take()])).toEqual({ text: "one ", ids: [0, 1, 2], lengths: [4, 0, 0] });
    expect(stream.accepted).toBe(3);
    expect(stream.hasPiece).toBe(false);
  });

  test("the trace is little-endian experts and weights in 255ths, numbered through the answer", () => {
    const stream = new AnswerStream(tokenizerOf(["a", "b", "c"]), shape, []);
    stream.push(batch(0, 1));
    const first = stream.take().trace;
    stream.push(batch(2));
    const second = stream.take().trace;
    expect(first).toMatchObject({ firstToken: 0, tokens: 2, moeLayers: 2, expertsUsed: 2, expertCount: 300 });
    expect(second?.firstToken).toBe(2);
    expect([...(first?.experts ?? [])].slice(8, 10)).toEqual([1, 1]);
    expect([...(second?.weights ?? [])]).toEqual([128, 128, 128, 128]);
  });

  test("a dense model has no trace", () => {
    const stream = new AnswerStream(tokenizerOf(["a"]), { moeLayers: 0, expertsUsed: 0, experts: 0 }, []);
    stream.push({
      tokens: Uint32Array.of(0),
      experts: new Uint16Array(),
      expertWeights: new Float32Array(),
      drafted: new Uint8Array(),
    });
    expect(stream.take()).toEqual({ text: "a", tokenIds: Uint32Array.of(0), trace: null });
  });
});
