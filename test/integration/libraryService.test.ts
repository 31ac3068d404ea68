// Folders, archive, drafts and files, on a real database.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLibraryService } from "../../electron/chat/libraryService.ts";
import type { Message } from "../../electron/contract/chat.ts";
import {
  findConversation,
  insertConversation,
  listConversations,
  purgeConversations,
  updateConversation,
} from "../../electron/db/conversations.ts";
import type { Database } from "../../electron/db/database.ts";
import { insertMessage, listMessages } from "../../electron/db/messages.ts";
import { openDatabase } from "../../electron/db/openDatabase.ts";
import { finishRun, insertRun } from "../../electron/db/runs.ts";
import { searchMessages } from "../../electron/db/search.ts";
import { insertSummary, listSummaries } from "../../electron/db/summaries.ts";
import { runOf } from "../../renderer/chat/testMessages.ts";

let folder: string;
let database: Database;
let library: ReturnType<typeof createLibraryService>;
let told: string[];

function open(): void {
  database = openDatabase(folder).database;
  library = createLibraryService({
    database,
    publish: (service, event) => void told.push(`${service}/${event}`),
    now: () => 50,
  });
}

function message(id: string, parentId: string | null, role: Message["role"], text: string): void {
  insertMessage(database, { id, conversationId: "c", parentId, role, state: "complete", createdAt: 5, text });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-library-"));
  told = [];
  open();
  insertConversation(database, { id: "c", title: "Rivers", createdAt: 1 });
  message("u", null, "user", "Which river?");
  message("a", "u", "assistant", "The Danube");
  message("b", "u", "assistant", "The Rhine");
  const run = runOf({
    prompt: { ...(runOf().prompt as NonNullable<ReturnType<typeof runOf>["prompt"]>), firstMessageId: "u" },
  });
  insertRun(database, { ...run, messageId: "a" });
  finishRun(database, run.id, run);
  updateConversation(database, "c", { activeLeafId: "a" });
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

describe("folders", () => {
  it("hold conversations, change their name, and let them go when they are deleted", async () => {
    const { id: folderId } = await library.createFolder({ name: "Water" });
    expect(await library.moveToFolder({ conversationId: "c", folderId })).toMatchObject({ folderId });
    await library.renameFolder({ folderId, name: "Rivers" });
    expect(await library.listFolders({})).toEqual([{ id: folderId, name: "Rivers", createdAt: 50 }]);
    told = [];
    await library.deleteFolder({ folderId });
    expect(findConversation(database, "c")?.folderId).toBeNull();
    expect(told).toEqual(["chat/conversationChanged", "library/foldersChanged"]);
    await expect(library.moveToFolder({ conversationId: "c", folderId })).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("the archive", () => {
  it("takes a conversation in and gives it back", async () => {
    expect(await library.setArchived({ conversationId: "c", archived: true })).toMatchObject({ archived: true });
    expect(await library.setArchived({ conversationId: "c", archived: false })).toMatchObject({ archived: false });
  });
});

describe("drafts", () => {
  it("outlive a restart, until they are sent or their conversation is gone for good", async () => {
    await library.saveDraft({ conversationId: "c", text: "Half a thought" });
    await library.saveDraft({ conversationId: null, text: "Another" });
    database.close();
    open();
    expect(await library.getDrafts({})).toEqual({ c: "Half a thought", "": "Another" });
    await library.saveDraft({ conversationId: null, text: "" });
    expect(await library.getDrafts({})).toEqual({ c: "Half a thought" });
    updateConversation(database, "c", { deletedAt: 1 });
    purgeConversations(database, 2);
    database.close();
    open();
    expect(await library.getDrafts({})).toEqual({});
  });
});

describe("files", () => {
  it("bring a conversation back with its branches and how each answer was made", async () => {
    const { text } = await library.exportConversations({ conversationIds: ["c"], format: "conclave" });
    const [copy] = await library.importConversations({ text });
    if (copy === undefined) throw new Error("nothing was imported");
    const [question, answer, other] = listMessages(database, copy.id);
    expect(copy).toMatchObject({ title: "Rivers", createdAt: 1, activeLeafId: answer?.id });
    expect([answer?.parentId, other?.parentId]).toEqual([question?.id, question?.id]);
    expect(answer?.run).toMatchObject({
      seed: 7,
      prompt: { firstMessageId: question?.id },
      timings: { promptTokens: 5310 },
    });
    expect(searchMessages(database, "danube", 5, "")).toHaveLength(2);
    expect(listConversations(database)).toHaveLength(2);
  });

  it("bring back what stands in for older turns, and where the model begins to see", async () => {
    const id = insertSummary(database, {
      conversationId: "c",
      firstMessageId: "b",
      text: "Rivers.",
      messages: 1,
      createdAt: 5,
    });
    const prompt = { ...(runOf().prompt as NonNullable<ReturnType<typeof runOf>["prompt"]>), summaryId: id };
    insertRun(database, { ...runOf({ prompt }), id: "with-summary", messageId: "b" });
    finishRun(database, "with-summary", runOf({ prompt }));
    updateConversation(database, "c", { contextStartId: "a" });
    const { text } = await library.exportConversations({ conversationIds: ["c"], format: "conclave" });
    const [copy] = await library.importConversations({ text });
    if (copy === undefined) throw new Error("nothing was imported");
    const [, answer, other] = listMessages(database, copy.id);
    const [summary, ...more] = listSummaries(database, copy.id);
    expect(summary).toMatchObject({ text: "Rivers.", firstMessageId: other?.id, messages: 1, edited: false });
    expect(more).toEqual([]);
    expect(other?.run?.prompt?.summaryId).toBe(summary?.id);
    expect(copy.contextStartId).toBe(answer?.id);
    // A file from before summaries.
    const older = text.replace(/"summaries": \[[^\]]*\],/, "").replace(/"contextStartId": "[^"]*",/, "");
    expect(older.length).toBeLessThan(text.length - 100);
    const [plain] = await library.importConversations({ text: older });
    expect([plain?.contextStartId, listSummaries(database, plain?.id ?? "")]).toEqual([null, []]);
  });

  it("of which one conversation is broken import nothing", async () => {
    const good = '{"messages":[{"role":"user","content":"Hi"}]}';
    await expect(library.importConversations({ text: `${good}\n{"messages":7}` })).rejects.toMatchObject({
      code: "bad-file",
    });
    expect(listConversations(database)).toHaveLength(1);
    expect(await library.importConversations({ text: good })).toMatchObject([{ title: "Hi" }]);
  });
});
