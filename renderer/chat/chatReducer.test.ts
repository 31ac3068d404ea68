import { describe, expect, it } from "vitest";
import { chatReducer, emptyChat, type ChatEvent, type ChatState } from "./chatReducer.ts";
import { conversationOf, messageOf } from "./testMessages.ts";
import { textOf } from "./thread.ts";

const question = messageOf({ id: "q", role: "user", text: "Why?" });
const answer = messageOf({ id: "a", parentId: "q", state: "generating" });
const play = (events: readonly ChatEvent[], from: ChatState = emptyChat): ChatState => events.reduce(chatReducer, from);

const started: readonly ChatEvent[] = [
  { type: "opened", conversationId: "c1", messages: [] },
  { type: "runStarted", runId: "r", conversationId: "c1", userMessage: question, assistantMessage: answer },
];
const piece = (offset: number, text: string, tokens = 1): ChatEvent => ({
  type: "tokensArrived",
  runId: "r",
  conversationId: "c1",
  messageId: "a",
  offset,
  text,
  tokens,
  tokensPerSecond: 20,
});
const answerText = (state: ChatState): string => {
  const message = state.messages.get("a");
  return message === undefined ? "absent" : textOf(message);
};

describe("chatReducer", () => {
  it("shows the question and an empty answer as soon as a run starts", () => {
    const state = play(started);
    expect([...state.messages.keys()]).toEqual(["q", "a"]);
    expect(state.runs.get("a")?.runId).toBe("r");
  });

  it("keeps the identity of messages that an event does not touch", () => {
    const before = play(started);
    const after = play([piece(0, "Because")], before);
    expect(after.messages.get("q")).toBe(before.messages.get("q"));
    expect(after.messages.get("a")).not.toBe(before.messages.get("a"));
  });

  it("takes the count of an answer's tokens as it comes, which is that of the whole answer", () => {
    const state = play([...started, piece(0, "Be", 3), piece(2, "cause", 5)]);
    expect(state.runs.get("a")?.tokens).toBe(5);
  });

  it("appends pieces in order and ignores a repeated one", () => {
    const state = play([...started, piece(0, "Be"), piece(2, "cause"), piece(2, "cause")]);
    expect(answerText(state)).toBe("Because");
  });

  it("takes only the new end of a piece that overlaps what was read from the database", () => {
    const half: ChatEvent = {
      type: "opened",
      conversationId: "c1",
      messages: [question, { ...answer, parts: [{ type: "text", text: "Becau" }] }],
    };
    expect(answerText(play([half, piece(2, "cause")]))).toBe("Because");
  });

  it("asks for a fresh read when a piece is missing", () => {
    const state = play([...started, piece(10, "late")]);
    expect(state.stale).toBe(true);
    expect(answerText(state)).toBe("");
  });

  it("leaves text of another conversation alone but counts its run", () => {
    const state = play([...started, { type: "opened", conversationId: "c2", messages: [] }, piece(0, "Be")]);
    expect(state.messages.size).toBe(0);
    expect(state.runs.get("a")?.tokens).toBe(1);
  });

  it("ends a run with the stored message, whatever was shown before", () => {
    const stored = messageOf({ id: "a", parentId: "q", state: "interrupted", text: "Beca" });
    const state = play([
      ...started,
      piece(0, "Because"),
      {
        type: "runFailed",
        runId: "r",
        conversationId: "c1",
        message: stored,
        error: { code: "engine-crashed", message: "The engine stopped." },
      },
    ]);
    expect(state.runs.size).toBe(0);
    expect(state.messages.get("a")).toEqual(stored);
  });

  it("does not lose text that arrived before the answer to the call that started the run", () => {
    const again = started[1];
    if (again === undefined) throw new Error("no event");
    expect(answerText(play([...started, piece(0, "Be"), again]))).toBe("Be");
  });

  it("closes the open conversation when it is deleted, and sorts by last change", () => {
    const older = conversationOf({ id: "c2", updatedAt: 5 });
    const state = play([
      { type: "conversationsLoaded", conversations: [conversationOf(), older] },
      ...started,
      { type: "conversationDeleted", conversationId: "c1" },
    ]);
    expect(state.openId).toBeNull();
    expect(state.conversations.map(({ id }) => id)).toEqual(["c2"]);
  });
});
