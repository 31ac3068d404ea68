import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOldDatabase } from "../../../test/fixtures/oldDatabase.ts";
import { findConversation, listConversations } from "../conversations.ts";
import type { Database } from "../database.ts";
import { deletedMessagesQuery, listMessages, purgeMessages, setMessageDeleted } from "../messages.ts";
import { searchMessages } from "../search.ts";

let old: ReturnType<typeof openOldDatabase>;
let db: Database;

beforeEach(() => {
  old = openOldDatabase(
    2,
    `
    INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('c', 'Rivers', 1, 2);
    INSERT INTO messages (id, conversation_id, parent_id, role, state, created_at) VALUES
      ('u1', 'c', NULL, 'user', 'complete', 1), ('a1', 'c', 'u1', 'assistant', 'complete', 2),
      ('u2', 'c', 'a1', 'user', 'complete', 3), ('a2', 'c', 'u2', 'assistant', 'complete', 4);
    INSERT INTO message_parts (message_id, position, type, text, indexed) VALUES
      ('u1', 0, 'text', 'Which river?', 1), ('a1', 0, 'text', 'The Danube', 1),
      ('u2', 0, 'text', 'And then?', 1), ('a2', 0, 'text', 'The Rhine', 1);
    INSERT INTO runs (id, message_id, model_id, model_name, model_sha256, template_id, sampler, seed, engine_version, started_at)
      VALUES ('r', 'a1', 'm', 'M', '', 'model', '{}', 7, '1', 5);
    UPDATE conversations SET active_leaf_id = 'a2';`,
  );
  db = old.database;
});
afterEach(() => old.remove());

describe("a database of schema 2", () => {
  it("keeps every row, and its titles count as the user's", () => {
    expect(listConversations(db)).toMatchObject([
      { id: "c", title: "Rivers", folderId: null, archived: false, contextStartId: null, activeLeafId: "a2" },
    ]);
    expect(db.all(db.build.selectFrom("conversations").select("title_source"))).toEqual([{ title_source: "user" }]);
    expect(listMessages(db, "c").map(({ id, parentId }) => [id, parentId])).toEqual([
      ["u1", null],
      ["a1", "u1"],
      ["u2", "a1"],
      ["a2", "u2"],
    ]);
    expect(listMessages(db, "c")[1]?.run).toMatchObject({ seed: 7, prompt: null, reuse: null });
  });

  it("hides deleted messages from the tree and the search, and purging keeps what stood below them", () => {
    setMessageDeleted(db, "a1", 10);
    setMessageDeleted(db, "u2", 11);
    const shown = () => listMessages(db, "c").map(({ id, parentId }) => [id, parentId]);
    expect(shown()).toEqual([
      ["u1", null],
      ["a2", "u1"],
    ]);
    expect(searchMessages(db, "danube", 5, "")).toEqual([]);
    expect(db.plan(deletedMessagesQuery(db, 20))).toContain("messages_by_deletion");
    expect(purgeMessages(db, 11)).toBe(1);
    expect(purgeMessages(db, 12)).toBe(1);
    expect(shown()).toEqual([
      ["u1", null],
      ["a2", "u1"],
    ]);
    expect(findConversation(db, "c")?.activeLeafId).toBe("a2");
  });
});
