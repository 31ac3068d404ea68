import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import type { Database } from "../db/database.ts";
import { insertConversation } from "../db/conversations.ts";
import { findMessage, insertMessage } from "../db/messages.ts";
import { openTestDatabase } from "../../test/fixtures/testDatabase.ts";
import { createAnswerStore, flushEveryMs } from "./answerStore.ts";

let database: Database;
let remove: () => void;
beforeEach(() => {
  ({ database, remove } = openTestDatabase());
  vi.useFakeTimers();
  insertConversation(database, { id: "c", title: "", createdAt: 1 });
  insertMessage(database, {
    id: "u",
    conversationId: "c",
    parentId: null,
    role: "user",
    state: "complete",
    createdAt: 1,
    text: "?",
  });
  insertMessage(database, {
    id: "a",
    conversationId: "c",
    parentId: "u",
    role: "assistant",
    state: "generating",
    createdAt: 1,
    text: "",
  });
});
afterEach(() => {
  vi.useRealTimers();
  remove();
});

function answer() {
  let text = "";
  let state: Message["state"] = "generating";
  return {
    text: () => text,
    message: (): Message => ({
      id: "a",
      conversationId: "c",
      parentId: "u",
      role: "assistant",
      state,
      createdAt: 1,
      parts: [{ type: "text", text }],
      attachments: [],
      run: null,
      hasTrace: false,
    }),
    say: (more: string) => (text += more),
    end: () => (state = "complete"),
  };
}
const stored = (): string | undefined => findMessage(database, "a")?.parts[0]?.text;
const traces = { store: () => false, forget: () => undefined };

describe("answer store", () => {
  it("flushes growing text twice a second, not on every token", () => {
    const store = createAnswerStore({ database, traces, onTrouble: () => undefined });
    const growing = answer();
    store.follow(growing);
    growing.say("One");
    expect(stored()).toBe("");
    vi.advanceTimersByTime(flushEveryMs);
    expect(stored()).toBe("One");
    growing.say(" two");
    growing.end();
    store.finish(growing);
    expect(findMessage(database, "a")).toMatchObject({ state: "complete", parts: [{ text: "One two" }] });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps an end that could not be stored, tells once, tries again, and tells when it worked", () => {
    const trouble: (string | null)[] = [];
    let full = true;
    const refusing: Database = {
      ...database,
      transaction: (work) => {
        if (full) throw new AppError("disk-full", "Full.");
        return database.transaction(work);
      },
    };
    const store = createAnswerStore({
      database: refusing,
      traces,
      onTrouble: (reason) => trouble.push(reason?.code ?? null),
    });
    const growing = answer();
    store.follow(growing);
    growing.say("Kept");
    growing.end();
    store.finish(growing);
    vi.advanceTimersByTime(5 * flushEveryMs);
    expect(trouble).toEqual(["disk-full"]);
    expect(store.inMemory("c")).toMatchObject([{ state: "complete", parts: [{ text: "Kept" }] }]);
    expect(store.inMemory("other")).toEqual([]);
    full = false;
    vi.advanceTimersByTime(flushEveryMs);
    expect(trouble).toEqual(["disk-full", null]);
    expect(stored()).toBe("Kept");
    expect(store.inMemory("c")).toEqual([]);
    expect(store.close()).toBe(0);
  });

  it("counts at the end what could not be saved", () => {
    const refusing: Database = {
      ...database,
      transaction: () => {
        throw new AppError("read-only", "No.");
      },
    };
    const store = createAnswerStore({ database: refusing, traces, onTrouble: () => undefined });
    const growing = answer();
    store.follow(growing);
    store.finish(growing);
    expect(store.close()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
