import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createScriptedEngine, type ScriptedEngine } from "../../test/fixtures/scriptedEngine.ts";
import { openTestDatabase } from "../../test/fixtures/testDatabase.ts";
import { findConversation, insertConversation, nameUntitled, updateConversation } from "../db/conversations.ts";
import type { Database } from "../db/database.ts";
import { cleanTitle, createTitler, type Titler } from "./titler.ts";

const answered = { conversationId: "c", question: "Which river?", answer: "The Danube", params: 1e9 };
let database: Database;
let remove: () => void;
let engine: ScriptedEngine;
let titler: Titler;
let busy: boolean;
let enabled: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  ({ database, remove } = openTestDatabase());
  insertConversation(database, { id: "c", title: "", createdAt: 1 });
  nameUntitled(database, "c", "Which river?");
  engine = createScriptedEngine();
  [busy, enabled] = [false, true];
  const announce = (id: string) => findConversation(database, id) as NonNullable<ReturnType<typeof findConversation>>;
  titler = createTitler({
    database,
    engine,
    isBusy: () => busy,
    isEnabled: () => enabled,
    announce,
    log: () => undefined,
  });
});
afterEach(() => {
  vi.useRealTimers();
  remove();
});

const title = (): string | undefined => findConversation(database, "c")?.title;
async function say(text: string): Promise<void> {
  await vi.advanceTimersByTimeAsync(3000);
  engine.runs[0]?.say(text);
  engine.runs[0]?.end();
  await vi.advanceTimersByTimeAsync(0);
}

describe("a title by the model", () => {
  it("takes the place of the first words, once all is quiet", async () => {
    titler.answered(answered);
    await vi.advanceTimersByTimeAsync(2900);
    expect(engine.runs).toHaveLength(0);
    await say('Title: "The Danube."');
    expect(title()).toBe("The Danube");
  });

  it("never takes the place of a name that the user chose", async () => {
    titler.answered(answered);
    updateConversation(database, "c", { title: "Mine", titleSource: "user" });
    await say("The Danube");
    expect(title()).toBe("Mine");
  });

  it("is given up when something else begins, before or under way", async () => {
    titler.answered(answered);
    titler.interrupt();
    await vi.advanceTimersByTimeAsync(5000);
    expect(engine.runs).toHaveLength(0);
    titler.answered(answered);
    await vi.advanceTimersByTimeAsync(3000);
    engine.runs[0]?.say("The Dan");
    titler.interrupt();
    await vi.advanceTimersByTimeAsync(0);
    expect(title()).toBe("Which river?");
  });

  it("is not asked for while an answer is written, when it is off, and of a model too small", async () => {
    busy = true;
    titler.answered(answered);
    await vi.advanceTimersByTimeAsync(5000);
    [busy, enabled] = [false, false];
    titler.answered(answered);
    await vi.advanceTimersByTimeAsync(5000);
    enabled = true;
    titler.answered({ ...answered, params: 10_000_000 });
    await vi.advanceTimersByTimeAsync(5000);
    expect(engine.runs).toHaveLength(0);
  });

  it.each([
    ["**Title:** Rivers of Europe", "Rivers of Europe"],
    ["<think>hm, a title</think>\n“Rivers”", "Rivers"],
    ["<think>never ends", ""],
    ['"', ""],
  ])("is cleaned: %j", (text, clean) => expect(cleanTitle(text)).toBe(clean));
});
