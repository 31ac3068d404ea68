// The attachments table: each row belongs to a message or to a draft. Lists leave the text out, which may be megabytes.
import { randomUUID } from "node:crypto";
import type { Selectable } from "kysely";
import { type Attachment, attachmentFactsSchema, type NewAttachment } from "../contract/attachments.ts";
import { AppError } from "../contract/errors.ts";
import type { Database } from "./database.ts";
import type { AttachmentsTable } from "./schema.ts";

const facts = ["id", "name", "kind", "language", "bytes", "characters", "facts"] as const;
type FactRow = Pick<Selectable<AttachmentsTable>, (typeof facts)[number]>;

const toAttachment = (row: FactRow): Attachment => ({
  id: row.id,
  name: row.name,
  kind: row.kind,
  language: row.language,
  bytes: row.bytes,
  characters: row.characters,
  facts: attachmentFactsSchema.safeParse(JSON.parse(row.facts)).data ?? {},
});

/** What the prompt and an export need of one. */
export type AttachedText = Pick<NewAttachment, "name" | "kind" | "language" | "bytes" | "facts" | "text">;

type Place = { readonly draftKey: string } | { readonly messageId: string; readonly position: number };

/** @returns its id. */
export function insertAttachment(db: Database, attachment: NewAttachment, place: Place): string {
  const id = randomUUID();
  const { name, kind, language, bytes, text } = attachment;
  db.run(
    db.build.insertInto("attachments").values({
      id,
      ...("draftKey" in place
        ? { message_id: null, draft_key: place.draftKey }
        : { message_id: place.messageId, draft_key: null, position: place.position }),
      name,
      kind,
      language,
      bytes,
      characters: text.length,
      facts: JSON.stringify(attachment.facts),
      text,
    }),
  );
  return id;
}

/** Unsent ones by conversation, in the order of their coming; '' is the conversation that does not exist yet. */
export function listUnsent(db: Database): Record<string, Attachment[]> {
  const lists: Record<string, Attachment[]> = {};
  const query = db.build.selectFrom("attachments").select([...facts, "draft_key"]);
  for (const row of db.all(query.where("draft_key", "is not", null).orderBy("seq"))) {
    (lists[row.draft_key ?? ""] ??= []).push(toAttachment(row));
  }
  return lists;
}

export const unsentQuery = (db: Database, draftKey: string) =>
  db.build.selectFrom("attachments").select(facts).where("draft_key", "=", draftKey).orderBy("seq");

export const unsentOf = (db: Database, draftKey: string): Attachment[] =>
  db.all(unsentQuery(db, draftKey)).map(toAttachment);

const messagesOf = (db: Database, conversationId: string) =>
  db.build.selectFrom("messages").select("id").where("conversation_id", "=", conversationId);

export const sentQuery = (db: Database, conversationId: string) =>
  db.build
    .selectFrom("attachments")
    .select([...facts, "message_id"])
    .where("message_id", "in", messagesOf(db, conversationId))
    .orderBy("position");

/** Of a conversation's messages, by message. */
export function sentByMessage(db: Database, conversationId: string): ReadonlyMap<string | null, Attachment[]> {
  const groups = Map.groupBy(db.all(sentQuery(db, conversationId)), (row) => row.message_id);
  return new Map([...groups].map(([messageId, rows]) => [messageId, rows.map(toAttachment)]));
}

export function attachmentsOf(db: Database, messageId: string): Attachment[] {
  const query = db.build.selectFrom("attachments").select(facts).where("message_id", "=", messageId);
  return db.all(query.orderBy("position")).map(toAttachment);
}

/** With their text, by message. */
export function textsByMessage(db: Database, conversationId: string): ReadonlyMap<string, AttachedText[]> {
  const query = db.build
    .selectFrom("attachments")
    .selectAll()
    .where("message_id", "in", messagesOf(db, conversationId))
    .orderBy("position");
  const texts = new Map<string, AttachedText[]>();
  for (const row of db.all(query)) {
    if (row.message_id === null) continue;
    const list = texts.get(row.message_id) ?? [];
    list.push({ ...toAttachment(row), text: row.text });
    texts.set(row.message_id, list);
  }
  return texts;
}

const byId = (db: Database, id: string) => db.build.selectFrom("attachments").selectAll().where("id", "=", id);

/** @throws AppError 'not-found'. */
export function attachedText(db: Database, id: string): AttachedText {
  const row = db.first(byId(db, id));
  if (row === undefined) throw new AppError("not-found", "This attachment is not there any more; attach it again.");
  return { ...toAttachment(row), text: row.text };
}

/** @returns the draft it stood beside; undefined when there was no such unsent one. */
export function deleteUnsent(db: Database, id: string): string | undefined {
  const draftKey = db.first(byId(db, id))?.draft_key ?? undefined;
  if (draftKey !== undefined) db.run(db.build.deleteFrom("attachments").where("id", "=", id));
  return draftKey;
}

/**
 * Gives a new message its attachments: unsent ones become its own, another message's of the same conversation are copied.
 * @returns the drafts that lost some. @throws AppError 'not-found'.
 */
export function sendAttachments(
  db: Database,
  message: { readonly id: string; readonly conversationId: string },
  ids: readonly string[],
): ReadonlySet<string> {
  const drafts = new Set<string>();
  for (const [position, id] of ids.entries()) {
    const row = db.first(byId(db, id));
    const owner = row?.message_id == null ? null : db.first(ownerQuery(db, row.message_id))?.conversation_id;
    if (row === undefined || (owner !== null && owner !== message.conversationId)) {
      throw new AppError("not-found", "One of the attachments is not there any more; attach it again.");
    }
    if (row.draft_key === null) {
      insertAttachment(db, { ...toAttachment(row), text: row.text }, { messageId: message.id, position });
      continue;
    }
    drafts.add(row.draft_key);
    const sent = { message_id: message.id, draft_key: null, position };
    db.run(db.build.updateTable("attachments").set(sent).where("id", "=", id));
  }
  return drafts;
}

const ownerQuery = (db: Database, messageId: string) =>
  db.build.selectFrom("messages").select("conversation_id").where("id", "=", messageId);

/** Unsent ones of conversations that are gone for good. */
export function purgeUnsent(db: Database): void {
  db.run(
    db.build
      .deleteFrom("attachments")
      .where("draft_key", "is not", null)
      .where("draft_key", "!=", "")
      .where("draft_key", "not in", db.build.selectFrom("conversations").select("id")),
  );
}
