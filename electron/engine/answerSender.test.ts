import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AnswerSender } from "./answerSender.ts";
import { AnswerStream, type AnswerPiece } from "./answerStream.ts";
import type { Tokenizer } from "./tokenizer.ts";

const letters = { tokenBytes: () => Uint8Array.of(0x61), addsSpacePrefix: false } as unknown as Tokenizer;
const shape = { moeLayers: 0, expertsUsed: 0, experts: 0 };
const token = {
  tokens: Uint32Array.of(0),
  experts: new Uint16Array(),
  expertWeights: new Float32Array(),
  drafted: new Uint8Array(1),
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function senderWith(credits: number): { sender: AnswerSender; sent: string[] } {
  const sent: string[] = [];
  const send = (piece: AnswerPiece): void => void sent.push(piece.text);
  return { sender: new AnswerSender(new AnswerStream(letters, shape, []), credits, send), sent };
}

describe("AnswerSender", () => {
  test("the first token goes at once, the next ones together 16 ms later", () => {
    const { sender, sent } = senderWith(100);
    for (let i = 0; i < 5; i++) sender.push(token);
    expect(sent).toEqual(["a"]);
    vi.advanceTimersByTime(16);
    expect(sent).toEqual(["a", "aaaa"]);
  });

  test("without credits pieces wait and grow; a credit lets one go", () => {
    const { sender, sent } = senderWith(2);
    for (let i = 0; i < 10; i++) {
      sender.push(token);
      vi.advanceTimersByTime(16);
    }
    expect(sent).toEqual(["a", "a"]);
    sender.credit();
    expect(sent).toEqual(["a", "a", "aaaaaaaa"]);
  });

  test("the end sends the rest without waiting for credits, and nothing after it", () => {
    const { sender, sent } = senderWith(1);
    for (let i = 0; i < 3; i++) sender.push(token);
    sender.finish();
    expect(sent).toEqual(["a", "aa"]);
    sender.credit();
    vi.advanceTimersByTime(100);
    expect(sent).toEqual(["a", "aa"]);
  });
});
