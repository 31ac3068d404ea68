// The messages table with its parts: the tree of a conversation. A whole message is put together here from messages,
// message_parts, attachments, runs and expert_traces.
import type { Selectable } from "kysely";
import type { Message, MessagePart } from "../contract/chat.ts";
import { attachmentsOf, sentByMessage } from "./attachments.ts";
import type { Database } from "./database.ts";
import { runOfRow } from "./runs.ts";
import type { MessagesTable, RunsTable } from "./schema.ts";

export interface NewMessage {
  readonly id: string;
  readonly conversationId: string;
  readonly parentId: string | null;
  readonly role: Message["role"];
  readonly state: Message["state"];
  readonly createdAt: number;
  readonly text: string;
}

/** The text joins the search index at once unless the message is still being written. */
export function insertMessage(db: Database, message: NewMessage): void {
  db.run(
    db.build.insertInto("messages").values({
      id: message.id,
      conversation_id: message.conversationId,
      parent_id: message.parentId,
      role: message.role,
      state: message.state,
      created_at: message.createdAt,
    }),
  );
  db.run(
    db.build.insertInto("message_parts").values({
      message_id: message.id,
      position: 0,
      type: "text",
      text: message.text,
      indexed: message.state === "generating" ? 0 : 1,
    }),
  );
}

export const growTextQuery = (db: Database, messageId: string, text: string) =>
  db.build.updateTable("message_parts").set({ text }).where("message_id", "=", messageId).where("position", "=", 0);

/** A flush of a growing answer; the whole text, so that a flush that failed is made good by the next. */
export function growText(db: Database, messageId: string, text: string): void {
  db.run(growTextQuery(db, messageId, text));
}

/** The last flush: text, state and search index together. Call inside a transaction. */
export function finishMessage(db: Database, messageId: string, state: Message["state"], text: string): void {
  db.run(db.build.updateTable("messages").set({ state }).where("id", "=", messageId));
  db.run(
    db.build
      .updateTable("message_parts")
      .set({ text, indexed: 1 })
      .where("message_id", "=", messageId)
      .where("position", "=", 0),
  );
}

export const generatingQuery = (db: Database) =>
  db.build.selectFrom("messages").select("id").where("state", "=", "generating");

/** After a start: no run survives the process. @returns how many messages had been left half written. */
export function interruptLeftovers(db: Database): number {
  return db.transaction(() => {
    const ids = db.all(generatingQuery(db)).map((row) => row.id);
    for (const id of ids) {
      db.run(db.build.updateTable("messages").set({ state: "interrupted" }).where("id", "=", id));
      db.run(db.build.updateTable("message_parts").set({ indexed: 1 }).where("message_id", "=", id));
    }
    return ids.length;
  });
}

export const messagesQuery = (db: Database, conversationId: string) =>
  db.build.selectFrom("messages").selectAll().where("conversation_id", "=", conversationId).orderBy("seq");

const idsOf = (db: Database, conversationId: string) =>
  db.build.selectFrom("messages").select("id").where("conversation_id", "=", conversationId);

/**
 * The whole tree of a conversation, oldest first, without deleted messages: their children hang on the nearest ancestor
 * that is still there.
 */
export function listMessages(db: Database, conversationId: string): Message[] {
  const stored = db.all(messagesQuery(db, conversationId));
  const parentOf = new Map(stored.map((row) => [row.id, row]));
  const shownParent = (row: Selectable<MessagesTable>): string | null => {
    let parent = row.parent_id === null ? undefined : parentOf.get(row.parent_id);
    // A parent is always older than its children, so the walk ends.
    while (parent !== undefined && parent.deleted_at !== null) {
      parent = parent.parent_id === null ? undefined : parentOf.get(parent.parent_id);
    }
    return parent?.id ?? null;
  };
  const rows = stored
    .filter((row) => row.deleted_at === null)
    .map((row) => (row.parent_id === null ? row : { ...row, parent_id: shownParent(row) }));
  const parts = Map.groupBy(
    db.all(
      db.build
        .selectFrom("message_parts")
        .selectAll()
        .where("message_id", "in", idsOf(db, conversationId))
        .orderBy("position"),
    ),
    (part) => part.message_id,
  );
  const runs = new Map(
    db
      .all(db.build.selectFrom("runs").selectAll().where("message_id", "in", idsOf(db, conversationId)))
      .map((run) => [run.message_id, run]),
  );
  const traced = new Set(
    db
      .all(
        db.build.selectFrom("expert_traces").select("message_id").where("message_id", "in", idsOf(db, conversationId)),
      )
      .map((row) => row.message_id),
  );
  const attached = sentByMessage(db, conversationId);
  return rows.map((row) => {
    const { id } = row;
    return toMessage(row, parts.get(id) ?? [], attached.get(id) ?? [], runs.get(id), traced.has(id));
  });
}

const messageQuery = (db: Database, id: string) => db.build.selectFrom("messages").selectAll().where("id", "=", id);

/** The conversation of a message that was deleted and not yet purged; undefined when there is none. */
export function conversationOfDeleted(db: Database, id: string): string | undefined {
  return db.first(messageQuery(db, id).where("deleted_at", "is not", null))?.conversation_id;
}

/** Hides it (a time) or shows it again (null). */
export function setMessageDeleted(db: Database, id: string, deletedAt: number | null): void {
  db.run(db.build.updateTable("messages").set({ deleted_at: deletedAt }).where("id", "=", id));
}

export const deletedMessagesQuery = (db: Database, deletedBefore: number) =>
  db.build.selectFrom("messages").select(["id", "parent_id"]).where("deleted_at", "<", deletedBefore);

/** Really deletes; the children move to the parent first, or they would go too. @returns how many messages. */
export function purgeMessages(db: Database, deletedBefore: number): number {
  return db.transaction(() => {
    const gone = db.all(deletedMessagesQuery(db, deletedBefore));
    for (const { id } of gone) {
      // Read again: an earlier round may have moved it.
      const parentId = db.first(messageQuery(db, id))?.parent_id ?? null;
      db.run(db.build.updateTable("messages").set({ parent_id: parentId }).where("parent_id", "=", id));
      db.run(db.build.deleteFrom("messages").where("id", "=", id));
    }
    return gone.length;
  });
}

/** One message as it is shown; undefined also when it is deleted. */
export function findMessage(db: Database, id: string): Message | undefined {
  const stored = db.first(messageQuery(db, id));
  if (stored === undefined || stored.deleted_at !== null) return undefined;
  let parent = stored.parent_id === null ? undefined : db.first(messageQuery(db, stored.parent_id));
  while (parent !== undefined && parent.deleted_at !== null) {
    parent = parent.parent_id === null ? undefined : db.first(messageQuery(db, parent.parent_id));
  }
  const row = { ...stored, parent_id: parent?.id ?? null };
  const parts = db.all(
    db.build.selectFrom("message_parts").selectAll().where("message_id", "=", id).orderBy("position"),
  );
  const run = db.first(db.build.selectFrom("runs").selectAll().where("message_id", "=", id));
  const trace = db.first(db.build.selectFrom("expert_traces").select("message_id").where("message_id", "=", id));
  return toMessage(row, parts, attachmentsOf(db, id), run, trace !== undefined);
}

function toMessage(
  row: Selectable<MessagesTable>,
  parts: readonly { type: MessagePart["type"]; text: string }[],
  attachments: Message["attachments"],
  run: Selectable<RunsTable> | undefined,
  hasTrace: boolean,
): Message {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    parentId: row.parent_id,
    role: row.role,
    state: row.state,
    createdAt: row.created_at,
    parts: parts.map(({ type, text }) => ({ type, text })),
    attachments,
    run: run === undefined ? null : runOfRow(run),
    hasTrace,
  };
}
