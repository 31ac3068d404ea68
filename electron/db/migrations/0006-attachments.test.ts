import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOldDatabase } from "../../../test/fixtures/oldDatabase.ts";
import type { NewAttachment } from "../../contract/attachments.ts";
import {
  attachedText,
  deleteUnsent,
  insertAttachment,
  listUnsent,
  purgeUnsent,
  sendAttachments,
  sentQuery,
  textsByMessage,
  unsentOf,
  unsentQuery,
} from "../attachments.ts";
import { purgeConversations, updateConversation } from "../conversations.ts";
import { copyMessages } from "../copyConversation.ts";
import type { Database } from "../database.ts";
import { findMessage, insertMessage, listMessages } from "../messages.ts";

let old: ReturnType<typeof openOldDatabase>;
let db: Database;

beforeEach(() => {
  old = openOldDatabase(
    5,
    `
    INSERT INTO conversations (id, title, created_at, updated_at) VALUES ('c', 'Rivers', 1, 2), ('d', 'Hills', 1, 2);
    INSERT INTO messages (id, conversation_id, parent_id, role, state, created_at) VALUES
      ('u', 'c', NULL, 'user', 'complete', 1), ('v', 'd', NULL, 'user', 'complete', 1);
    INSERT INTO message_parts (message_id, position, type, text, indexed) VALUES ('u', 0, 'text', 'Which river?', 1);`,
  );
  db = old.database;
});
afterEach(() => old.remove());

const attachment = (name: string, text = "Rhine"): NewAttachment => ({
  name,
  kind: "pdf",
  language: "",
  bytes: 9,
  facts: { pages: 3, pagesRead: 2 },
  text,
});

describe("a database of schema 5", () => {
  it("keeps every row, and its messages have no attachments", () => {
    expect(listMessages(db, "c")).toMatchObject([{ id: "u", attachments: [] }]);
    expect(listUnsent(db)).toEqual({});
  });
});

describe("attachments", () => {
  it("stand beside their draft until they are sent with a message", () => {
    const first = insertAttachment(db, attachment("a.pdf"), { draftKey: "c" });
    const second = insertAttachment(db, attachment("b.pdf", "Danube"), { draftKey: "c" });
    const other = insertAttachment(db, attachment("c.pdf"), { draftKey: "" });
    expect(unsentOf(db, "c").map(({ name }) => name)).toEqual(["a.pdf", "b.pdf"]);
    expect(Object.keys(listUnsent(db))).toEqual(["c", ""]);
    expect(deleteUnsent(db, other)).toBe("");
    expect([...sendAttachments(db, { id: "u", conversationId: "c" }, [second, first])]).toEqual(["c"]);
    expect(findMessage(db, "u")?.attachments).toEqual([
      { id: second, ...attachment("b.pdf"), characters: 6, text: undefined },
      { id: first, ...attachment("a.pdf"), characters: 5, text: undefined },
    ]);
    expect(listMessages(db, "c")[0]?.attachments).toHaveLength(2);
    expect(
      textsByMessage(db, "c")
        .get("u")
        ?.map(({ text }) => text),
    ).toEqual(["Danube", "Rhine"]);
    expect(listUnsent(db)).toEqual({});
    expect(deleteUnsent(db, first)).toBeUndefined();
    expect(attachedText(db, first).text).toBe("Rhine");
  });

  it("of another message are copied within a conversation, and never out of one", () => {
    const id = insertAttachment(db, attachment("a.pdf"), { messageId: "u", position: 0 });
    insertMessage(db, {
      id: "u2",
      conversationId: "c",
      parentId: null,
      role: "user",
      state: "complete",
      createdAt: 2,
      text: "",
    });
    sendAttachments(db, { id: "u2", conversationId: "c" }, [id]);
    expect(findMessage(db, "u2")?.attachments).toMatchObject([{ name: "a.pdf" }]);
    expect(findMessage(db, "u")?.attachments).toMatchObject([{ id }]);
    expect(() => sendAttachments(db, { id: "v", conversationId: "d" }, [id])).toThrow(/not there any more/);
    expect(() => sendAttachments(db, { id: "v", conversationId: "d" }, ["none"])).toThrow(/not there any more/);
  });

  it("go with a copy of their message, and go when it goes", () => {
    insertAttachment(db, attachment("a.pdf"), { messageId: "u", position: 0 });
    const copy = copyMessages(db, [{ id: "u", parentId: null }], "d").get("u");
    expect(listMessages(db, "d").find(({ id }) => id === copy)?.attachments).toMatchObject([{ name: "a.pdf" }]);
    insertAttachment(db, attachment("b.pdf"), { draftKey: "c" });
    updateConversation(db, "c", { deletedAt: 1 });
    purgeConversations(db, 2);
    purgeUnsent(db);
    expect(db.all(db.build.selectFrom("attachments").select("name"))).toEqual([{ name: "a.pdf" }]);
  });

  it("are found through their indexes", () => {
    expect(db.plan(unsentQuery(db, "c"))).toContain("attachments_by_draft");
    expect(db.plan(sentQuery(db, "c"))).toContain("attachments_by_message");
  });
});
