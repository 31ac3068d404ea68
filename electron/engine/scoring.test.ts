import { expect, it } from "vitest";
import { nativeSteering, scoreAnswer, type ScoringEngine } from "./scoring.ts";

/** A token a letter; the prompt's last letter and an answer that begins with "b" are one token, 1000. */
const encoder = {
  encode(messages: readonly { readonly content: string }[], _now: Date, answer = "") {
    const ids = Array.from(
      messages.map(({ content }) => content).join("") + answer,
      (letter) => letter.codePointAt(0) ?? 0,
    );
    if (answer.startsWith("b")) ids.splice(ids.length - answer.length - 1, 2, 1000);
    return Uint32Array.from(ids);
  },
};
const messages = [{ role: "user" as const, content: "abc" }];

function engineOf(context: number): ScoringEngine & { readonly asked: unknown[] } {
  const asked: unknown[] = [];
  return {
    context,
    asked,
    score: async (request) => {
      asked.push(request);
      return Array.from({ length: request.tokens.length - request.scoreFrom }, () => -0.5);
    },
  };
}

it("scores the answer's tokens, those that its first letters changed included", async () => {
  const engine = engineOf(100);
  expect(await scoreAnswer(engine, encoder, { messages, answer: "xyz" })).toEqual({ tokens: 3, logprob: -1.5 });
  expect(await scoreAnswer(engine, encoder, { messages, answer: "byz" })).toEqual({ tokens: 3, logprob: -1.5 });
  expect(engine.asked).toMatchObject([{ scoreFrom: 3 }, { scoreFrom: 2 }]);
});

it("scores as much as the context holds, and refuses what leaves nothing", async () => {
  expect(await scoreAnswer(engineOf(5), encoder, { messages, answer: "xyz" })).toMatchObject({ tokens: 2 });
  await expect(scoreAnswer(engineOf(3), encoder, { messages, answer: "xyz" })).rejects.toThrow(/nothing to score/);
  await expect(scoreAnswer(engineOf(9), encoder, { messages, answer: "" })).rejects.toThrow(/nothing to score/);
});

it("hands the steering on in the engine's order", async () => {
  const engine = engineOf(100);
  const biases = [
    { layer: 1, expert: 0, bias: null },
    { layer: 0, expert: 4, bias: 2 },
    { layer: 0, expert: 1, bias: 0 },
  ];
  await scoreAnswer(engine, encoder, { messages, answer: "x", steering: { expertsUsed: null, biases } });
  expect(engine.asked).toMatchObject([{ steering: { expertsUsed: 0, biases: [biases[1], biases[0]] } }]);
  expect(nativeSteering({ expertsUsed: 1, biases: [] })).toEqual({ expertsUsed: 1, biases: [] });
});
