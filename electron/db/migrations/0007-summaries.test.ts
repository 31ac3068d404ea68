import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOldDatabase } from "../../../test/fixtures/oldDatabase.ts";
import type { Database } from "../database.ts";
import { listMessages } from "../messages.ts";
import {
  copySummaries,
  findSummary,
  insertSummary,
  listSummaries,
  summariesQuery,
  updateSummary,
} from "../summaries.ts";

let old: ReturnType<typeof openOldDatabase>;
let db: Database;

beforeEach(() => {
  old = openOldDatabase(
    6,
    `
    INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('c', 'Rivers', 1, 2), ('d', 'Copy', 1, 2);
    INSERT INTO messages (id, conversation_id, parent_id, role, state, created_at) VALUES
      ('u', 'c', NULL, 'user', 'complete', 1), ('a', 'c', 'u', 'assistant', 'complete', 2), ('v', 'd', NULL, 'user', 'complete', 1);
    INSERT INTO message_parts (message_id, position, type, text, indexed) VALUES ('u', 0, 'text', 'Which river?', 1);`,
  );
  db = old.database;
});
afterEach(() => old.remove());

const summary = { conversationId: "c", firstMessageId: "a", text: "Rivers.", messages: 1, createdAt: 5 };

describe("a database of schema 6", () => {
  it("keeps every row, and nothing of it is summarised", () => {
    expect(listMessages(db, "c").map(({ id }) => id)).toEqual(["u", "a"]);
    expect(listSummaries(db, "c")).toEqual([]);
  });
});

describe("summaries", () => {
  it("are written, changed by hand, hidden and shown again", () => {
    const id = insertSummary(db, summary);
    expect(listSummaries(db, "c")).toEqual([{ id, ...summary, edited: false }]);
    updateSummary(db, id, { text: "Two rivers." });
    expect(findSummary(db, id)).toMatchObject({ text: "Two rivers.", edited: true });
    updateSummary(db, id, { deletedAt: 9 });
    expect(listSummaries(db, "c")).toEqual([]);
    updateSummary(db, id, { deletedAt: null });
    expect(listSummaries(db, "c")).toHaveLength(1);
  });

  it("go with a copy as far as their message does, and go when it goes", () => {
    insertSummary(db, summary);
    copySummaries(db, "c", "d", new Map([["a", "v"]]));
    expect(listSummaries(db, "d")).toMatchObject([{ firstMessageId: "v", text: "Rivers." }]);
    copySummaries(db, "c", "d", new Map());
    expect(listSummaries(db, "d")).toHaveLength(1);
    db.run(db.build.deleteFrom("messages").where("id", "=", "a"));
    expect(listSummaries(db, "c")).toEqual([]);
  });

  it("are found through their index", () =>
    expect(db.plan(summariesQuery(db, "c"))).toContain("summaries_by_conversation"));
});
