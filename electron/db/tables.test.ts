import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openTestDatabase } from "../../test/fixtures/testDatabase.ts";
import { defaultSampler } from "../contract/chat.ts";
import {
  findConversation,
  insertConversation,
  listConversations,
  listConversationsQuery,
  nameUntitled,
  purgeConversations,
  purgeQuery,
  updateConversation,
} from "./conversations.ts";
import type { Database } from "./database.ts";
import { readTrace, saveTrace } from "./expertTraces.ts";
import {
  findMessage,
  finishMessage,
  generatingQuery,
  growText,
  growTextQuery,
  insertMessage,
  interruptLeftovers,
  listMessages,
  messagesQuery,
} from "./messages.ts";
import { findModel, modelByPathQuery, saveModel, saveModelHash } from "./models.ts";
import { fillHashQuery, finishRun, insertRun } from "./runs.ts";
import { searchMessages, searchQuery } from "./search.ts";
import { readSettings, writeSettings } from "./settings.ts";

let db: Database;
let remove: () => void;
beforeEach(() => ({ database: db, remove } = openTestDatabase()));
afterEach(() => remove());

function conversation(id: string, createdAt = 1): void {
  insertConversation(db, { id, title: "", createdAt });
}
function message(
  id: string,
  parentId: string | null,
  text: string,
  state: "complete" | "generating" = "complete",
): void {
  const role = parentId === null ? "user" : "assistant";
  insertMessage(db, { id, conversationId: "c", parentId, role, state, createdAt: 5, text });
}
function run(id: string, messageId: string, modelSha256 = ""): void {
  const facts = { modelId: "m", modelName: "M", modelSha256, templateId: "model", sampler: defaultSampler };
  const draft = { mode: "auto", length: 0 } as const;
  insertRun(db, { id, messageId, ...facts, seed: 2 ** 40, draft, startedAt: 6 });
}
const find = (query: string) => searchMessages(db, query, 10, "New chat").map((hit) => hit.messageId);

describe("conversations", () => {
  it("come last used first, without the deleted", () => {
    conversation("old", 1);
    conversation("new", 2);
    conversation("gone", 3);
    updateConversation(db, "gone", { deletedAt: 4 });
    updateConversation(db, "old", { updatedAt: 9, pinned: true, sampler: { topK: 3 }, systemPrompt: "Hi" });
    expect(listConversations(db)).toMatchObject([
      { id: "old", pinned: true, sampler: { topK: 3 }, systemPrompt: "Hi", title: "New chat" },
      { id: "new", pinned: false },
    ]);
    expect(db.plan(listConversationsQuery(db))).toContain("conversations_by_update");
  });

  it("take a title only while they have none", () => {
    conversation("c");
    nameUntitled(db, "c", "First");
    nameUntitled(db, "c", "Second");
    expect(findConversation(db, "c")?.title).toBe("First");
  });

  it("are purged with all that hangs on them, the search index included", () => {
    conversation("c");
    message("u", null, "something to find");
    message("a", "u", "an answer");
    run("r", "a");
    saveTrace(db, "a", new Uint8Array([1]));
    updateConversation(db, "c", { activeLeafId: "a", deletedAt: 10 });
    expect(purgeConversations(db, 10)).toBe(0);
    expect(purgeConversations(db, 11)).toBe(1);
    for (const table of ["messages", "message_parts", "runs", "expert_traces"] as const) {
      expect(db.all(db.build.selectFrom(table).selectAll())).toEqual([]);
    }
    conversation("c");
    message("u", null, "fresh text");
    expect(find("something")).toEqual([]);
    expect(find("fresh")).toEqual(["u"]);
    expect(db.plan(purgeQuery(db, 1))).toContain("conversations_by_deletion");
  });
});

describe("messages", () => {
  it("are a tree of one conversation, in the order they were written", () => {
    conversation("c");
    message("u", null, "Question");
    message("a", "u", "Answer");
    run("r", "a", "ff");
    message("b", "u", "Other answer");
    expect(listMessages(db, "c")).toMatchObject([
      { id: "u", parentId: null, run: null, parts: [{ type: "text", text: "Question" }] },
      { id: "a", parentId: "u", run: { id: "r", seed: 2 ** 40, modelSha256: "ff", timings: null } },
      { id: "b", parentId: "u" },
    ]);
    expect(db.plan(messagesQuery(db, "c"))).toContain("messages_by_conversation");
  });

  it("grow out of sight of the search and are found when they are finished", () => {
    conversation("c");
    message("u", null, "Question");
    message("a", "u", "", "generating");
    growText(db, "a", "Half an elephant");
    expect(find("elephant")).toEqual([]);
    finishMessage(db, "a", "complete", "A whole elephant");
    expect(find("elephant")).toEqual(["a"]);
    expect(find("half")).toEqual([]);
    expect(db.plan(growTextQuery(db, "a", ""))).toMatch(/USING INDEX sqlite_autoindex_message_parts/);
  });

  it("left half written become interrupted and can be found", () => {
    conversation("c");
    message("u", null, "Question");
    message("a", "u", "Half an elephant", "generating");
    expect(db.plan(generatingQuery(db))).toContain("messages_generating");
    expect(interruptLeftovers(db)).toBe(1);
    expect(interruptLeftovers(db)).toBe(0);
    expect(findMessage(db, "a")?.state).toBe("interrupted");
    expect(find("elephant")).toEqual(["a"]);
  });

  it("cannot hang on a parent or conversation that does not exist", () => {
    conversation("c");
    expect(() => message("a", "nobody", "x")).toThrow(/FOREIGN KEY/);
    expect(listMessages(db, "c")).toEqual([]);
  });

  it("are all or none in a transaction", () => {
    conversation("c");
    expect(() =>
      db.transaction(() => {
        message("u", null, "Question");
        throw new Error("after the first row");
      }),
    ).toThrow("after the first row");
    expect(listMessages(db, "c")).toEqual([]);
  });
});

describe("search", () => {
  beforeEach(() => {
    conversation("c");
    message("de", null, "Die Straße nach Zürich, Café am Fluß");
    message("ja", "de", "東京都で狐を見た。");
    message("code", "de", 'printf("100%% of _it_");');
  });

  it.each([
    ["without regard to case and accents", "zurich CAFE", ["de"]],
    ["inside words", "rich", ["de"]],
    ["three characters of a script without spaces", "東京都", ["ja"]],
    ["two characters, too short for the index", "東京", ["ja"]],
    ["one character", "狐", ["ja"]],
    ["short and long terms together", "狐 京都で", ["ja"]],
    ["all terms, not any", "zurich 東京都", []],
    ["quotes as plain characters", 'printf("100', ["code"]],
    ["FTS words as plain words", "OR NOT near(", []],
    ["percent and underscore as themselves", "%% _i", ["code"]],
    ["nothing for blanks", "   ", []],
  ])("finds %s", (_reason, query, expected) => {
    expect(find(query)).toEqual(expected);
  });

  it("reads the index, not every message", () => {
    const plan = db.plan(searchQuery(db, ["zurich"], 10));
    expect(plan).toContain("message_search VIRTUAL TABLE INDEX");
    expect(plan).toMatch(/SEARCH message_parts USING INTEGER PRIMARY KEY/);
  });

  it("marks matches in a snippet", () => {
    expect(searchMessages(db, "zurich", 1, "New chat")[0]?.snippet).toBe(
      "Die Straße nach \uE000Zürich\uE001, Café am Fluß",
    );
  });
});

describe("runs", () => {
  it("keep outcome and error without its details", () => {
    conversation("c");
    message("u", null, "Question");
    message("a", "u", "");
    run("r", "a");
    const timings = {
      promptTokens: 1,
      reusedTokens: 2,
      generatedTokens: 3,
      draftedTokens: 4,
      acceptedTokens: 5,
      firstTokenMs: 6.5,
      prefillMs: 7.5,
      decodeMs: 8.5,
    };
    const error = { code: "engine-crashed" as const, message: "Gone.", details: "/home/someone" };
    const prompt = {
      systemPrompt: "Be brief.",
      firstMessageId: "u",
      droppedMessages: 2,
      droppedTokens: 30,
      context: 512,
      continuedFrom: 0,
      template: null,
      summaryId: null,
      steering: null,
    };
    const reuse = { kind: "edited" as const, turn: 3 };
    finishRun(db, "r", { engineVersion: "1", stopReason: "max-tokens", error, timings, prompt, reuse });
    expect(findMessage(db, "a")?.run).toMatchObject({
      prompt,
      reuse,
      stopReason: "max-tokens",
      error: { code: "engine-crashed", message: "Gone." },
      timings,
    });
    expect(findMessage(db, "a")?.run?.error).not.toHaveProperty("details");
  });

  it("learn the model's hash later", () => {
    conversation("c");
    message("u", null, "Question");
    message("a", "u", "");
    run("r", "a");
    saveModelHash(db, "m", "abc");
    expect(findMessage(db, "a")?.run?.modelSha256).toBe("abc");
    expect(db.plan(fillHashQuery(db, "m", "abc"))).toContain("runs_without_hash");
  });
});

describe("small tables", () => {
  it("replace a model under its id and find it by path", () => {
    const model = {
      id: "m",
      name: "M",
      path: "/m.gguf",
      source: "file" as const,
      architecture: "olmoe",
      quantisation: "Q8_0",
      fileBytes: 5e10,
      fileChangedAt: 2,
      layers: 1,
      moeLayers: 1,
      experts: 8,
      expertsUsed: 2,
      params: 3e10,
      paramsActive: 3e9,
      contextTrained: 4096,
      sha256: null,
      addedAt: 1,
      lastUsedAt: null,
    };
    saveModel(db, model);
    saveModel(db, { ...model, name: "N" });
    expect(findModel(db, "m")).toEqual({ ...model, name: "N" });
    expect(db.plan(modelByPathQuery(db, "/m.gguf"))).toMatch(/USING INDEX sqlite_autoindex_models/);
  });

  it("replace settings and traces", () => {
    writeSettings(
      db,
      new Map([
        ["a", "1"],
        ["b", "2"],
      ]),
    );
    writeSettings(db, new Map([["a", "3"]]));
    expect(readSettings(db)).toEqual(
      new Map([
        ["a", "3"],
        ["b", "2"],
      ]),
    );
    conversation("c");
    message("u", null, "Question");
    saveTrace(db, "u", new Uint8Array([1]));
    saveTrace(db, "u", new Uint8Array([2, 3]));
    expect([...(readTrace(db, "u") ?? [])]).toEqual([2, 3]);
    expect(readTrace(db, "none")).toBeUndefined();
  });
});
