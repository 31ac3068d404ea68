import type { Steering } from "../contract/steering.ts";
import { describe, expect, it } from "vitest";
import type { ChatTurn } from "../engine/engineApi.ts";
import { explainReuse, type PastPrompt, type PromptShape } from "./reuseReason.ts";

const user = (content: string): ChatTurn => ({ role: "user", content });
const assistant = (content: string): ChatTurn => ({ role: "assistant", content });
const shape: PromptShape = {
  engine: 1,
  modelId: "m",
  templateId: "model",
  steering: null,
  systemPrompt: "",
  summary: "",
  droppedMessages: 0,
  turns: [user("One"), assistant("1"), user("Two")],
};
const past: PastPrompt = { ...shape, promptTokens: 1000, answer: "2" };
const next: PromptShape = { ...shape, turns: [...shape.turns, assistant("2"), user("Three")] };
const kindOf = (previous: PastPrompt | null, current: PromptShape, reused: number, answeredBefore = false) =>
  explainReuse(previous, current, answeredBefore, reused);

const steering: Steering = { modelId: "m", expertsUsed: 1, biases: [] };

describe("why tokens were computed again", () => {
  it("is nothing special when only the new turn was", () =>
    expect(kindOf(past, next, 1000)).toEqual({ kind: "kept", turn: null }));
  it("also when the same question is answered again, or an earlier one", () => {
    expect(kindOf(past, shape, 990).kind).toBe("kept");
    expect(kindOf(past, { ...shape, turns: shape.turns.slice(0, 1) }, 900).kind).toBe("kept");
  });
  it("is the first message, or a start of the app since", () => {
    expect(kindOf(null, next, 0).kind).toBe("first-message");
    expect(kindOf(null, next, 0, true).kind).toBe("engine-restarted");
    expect(kindOf(past, { ...next, engine: 2 }, 0).kind).toBe("engine-restarted");
  });
  it("names the turn that was edited, the answer of last time included", () => {
    expect(kindOf(past, { ...next, turns: [user("Uno"), ...next.turns.slice(1)] }, 0)).toEqual({
      kind: "edited",
      turn: 1,
    });
    const otherAnswer = [...shape.turns, assistant("two"), user("Three")];
    expect(kindOf(past, { ...next, turns: otherAnswer }, 900)).toEqual({ kind: "edited", turn: 4 });
  });
  it.each([
    ["other-model", { modelId: "n" }],
    ["template-changed", { templateId: "chatml" }],
    ["steering-changed", { steering }],
    ["system-changed", { systemPrompt: "Be brief." }],
    ["context-moved", { droppedMessages: 2 }],
  ] as const)("is %s", (kind, change) => expect(kindOf(past, { ...next, ...change }, 0).kind).toBe(kind));
  it("is memory given to something else when nothing else explains it", () => {
    expect(kindOf(past, next, 100).kind).toBe("evicted");
    expect(kindOf({ ...past, promptTokens: 20 }, next, 0).kind).toBe("kept");
  });
});
