import { describe, expect, it } from "vitest";
import type { Message } from "../contract/chat.ts";
import { branchTurns, transcript, turnsBefore, turnsToDrop } from "./transcript.ts";

function message(id: string, parentId: string | null, role: Message["role"], text: string): Message {
  return {
    id,
    parentId,
    role,
    conversationId: "c",
    state: "complete",
    createdAt: 0,
    parts: [
      { type: "reasoning", text: "secret thoughts" },
      { type: "text", text },
    ],
    attachments: [],
    run: null,
    hasTrace: false,
  };
}

describe("transcript", () => {
  const messages = [
    message("u1", null, "user", "Hello"),
    message("a1", "u1", "assistant", "Hi"),
    message("a1b", "u1", "assistant", "Other version"),
    message("u2", "a1", "user", "And now?"),
  ];

  it("takes only the branch that is answered, without reasoning", () => {
    expect(transcript(messages, "u2", "")).toEqual([
      { role: "user", content: "Hello" },
      { role: "assistant", content: "Hi" },
      { role: "user", content: "And now?" },
    ]);
  });

  it("begins with the system prompt unless it is blank", () => {
    expect(transcript(messages, "u1", "Be brief.")[0]).toEqual({ role: "system", content: "Be brief." });
    expect(transcript(messages, "u1", "  \n")).toHaveLength(1);
  });

  it("joins two user turns around an answer that failed without a word", () => {
    const failed = [
      message("u1", null, "user", "One"),
      message("a1", "u1", "assistant", ""),
      message("u2", "a1", "user", "Two"),
    ];
    expect(transcript(failed, "u2", "")).toEqual([{ role: "user", content: "One\n\nTwo" }]);
  });
});

describe("what does not fit", () => {
  const turns = ["user", "assistant", "user", "assistant", "user"].map((role) => ({ role: role as "user" }));
  const tokens = [10, 20, 10, 20, 10];

  it("is nothing when all of it fits", () => expect(turnsToDrop(turns, tokens, 70)).toBe(0));
  it("is whole turns from the oldest on, and the rest begins with the user", () => {
    expect(turnsToDrop(turns, tokens, 69)).toBe(2);
    expect(turnsToDrop(turns, tokens, 40)).toBe(2);
    expect(turnsToDrop(turns, tokens, 39)).toBe(4);
  });
  it("is never the last turn, even when that alone is too long", () => expect(turnsToDrop(turns, tokens, 5)).toBe(4));
  it("begins at the turn that holds a message, also one that was joined to another", () => {
    const messages = [
      message("u1", null, "user", "Hello"),
      message("u2", "u1", "user", "Are you there?"),
      message("a1", "u2", "assistant", "Yes"),
      message("u3", "a1", "user", "Good"),
    ];
    const joined = branchTurns(messages, "u3");
    expect(joined.map(({ messageIds }) => messageIds)).toEqual([["u1", "u2"], ["a1"], ["u3"]]);
    expect([null, "u2", "a1", "u3", "gone"].map((id) => turnsBefore(joined, id))).toEqual([0, 0, 1, 2, 0]);
  });
});
