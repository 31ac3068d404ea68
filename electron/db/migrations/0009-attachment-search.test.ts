import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOldDatabase } from "../../../test/fixtures/oldDatabase.ts";
import type { NewAttachment } from "../../contract/attachments.ts";
import { insertAttachment, sendAttachments } from "../attachments.ts";
import { purgeConversations, updateConversation } from "../conversations.ts";
import type { Database } from "../database.ts";
import { setMessageDeleted } from "../messages.ts";
import { attachmentSearchQuery, searchMessages } from "../search.ts";

let old: ReturnType<typeof openOldDatabase>;
let db: Database;

beforeEach(() => {
  old = openOldDatabase(
    8,
    `
    INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('c', 'Rivers', 1, 2);
    INSERT INTO messages (id, conversation_id, parent_id, role, state, created_at) VALUES
      ('u', 'c', NULL, 'user', 'complete', 1), ('a', 'c', 'u', 'assistant', 'complete', 2), ('v', 'c', 'a', 'user', 'complete', 3);
    INSERT INTO message_parts (message_id, position, type, text, indexed) VALUES
      ('u', 0, 'text', 'Which river?', 1), ('a', 0, 'text', 'The Danube', 1), ('v', 0, 'text', '', 1);
    INSERT INTO attachments (id, message_id, draft_key, name, kind, language, bytes, characters, facts, text) VALUES
      ('sent', 'u', NULL, 'lengths.csv', 'csv', 'csv', 9, 9, '{}', 'The Danube and the Volga'),
      ('unsent', NULL, 'c', 'draft.txt', 'text', '', 9, 9, '{}', 'The Amazon');`,
  );
  db = old.database;
});
afterEach(() => old.remove());

const found = (query: string): string[] => searchMessages(db, query, 10, "").map(({ messageId }) => messageId);
const file = (name: string, text: string): NewAttachment => ({
  name,
  kind: "text",
  language: "",
  bytes: 1,
  facts: {},
  text,
});

describe("the search, in a database of schema 8", () => {
  it("finds what had been sent with a message, by its words and by its name", () => {
    expect(searchMessages(db, "volga", 10, "")).toEqual([
      {
        conversationId: "c",
        conversationTitle: "Rivers",
        messageId: "u",
        snippet: "lengths.csv: The Danube and the \uE000Volga\uE001",
      },
    ]);
    expect(searchMessages(db, "LENGTHS", 10, "")[0]?.snippet).toBe("\uE000lengths\uE001.csv");
    expect(found("danube")).toEqual(["a", "u"]);
    expect(found("amazon")).toEqual([]);
  });

  it("finds what is sent from now on, and no more what goes", () => {
    sendAttachments(db, { id: "v", conversationId: "c" }, ["unsent"]);
    insertAttachment(db, file("b.txt", "\u6771\u4eac and the Amazon"), { messageId: "a", position: 0 });
    expect(found("amazon")).toEqual(["v", "a"]);
    expect(found("\u6771\u4eac")).toEqual(["a"]);
    expect(found("b.")).toEqual(["a"]);
    setMessageDeleted(db, "v", 5);
    expect(found("amazon")).toEqual(["a"]);
    updateConversation(db, "c", { deletedAt: 1 });
    purgeConversations(db, 2);
    expect(found("amazon")).toEqual([]);
    expect(
      db.all(db.build.selectFrom("attachment_search").select("rowid").where("attachment_search", "=", "amazon")),
    ).toEqual([]);
  });

  it("shows the place in a long text, and lists a message once", () => {
    const long = `${"words before it. ".repeat(5000)}the Orinoco${" and after".repeat(5000)}`;
    insertAttachment(db, file("long.txt", long), { messageId: "u", position: 1 });
    expect(searchMessages(db, "orinoco", 10, "")[0]?.snippet).toMatch(
      /^long\.txt: ….{0,60}\uE000Orinoco\uE001 and after.*…$/,
    );
    insertAttachment(db, file("c.txt", "Which river is it?"), { messageId: "u", position: 2 });
    expect(found("which river")).toEqual(["u"]);
  });

  it("reads the index", () =>
    expect(db.plan(attachmentSearchQuery(db, ["volga"], 10))).toMatch(
      /^SCAN attachment_search VIRTUAL TABLE INDEX \d+:M/,
    ));
});
