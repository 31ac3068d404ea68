import { describe, expect, it } from "vitest";
import type { Message } from "../contract/chat.ts";
import { transcript } from "./transcript.ts";

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
