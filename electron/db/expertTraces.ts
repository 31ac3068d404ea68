// The expert_traces table: one compact blob per answer; what is in it is the experts service's business.
import { sql } from "kysely";
import { type AppliedTemplate, runPromptSchema } from "../contract/chat.ts";
import type { Database } from "./database.ts";

export function saveTrace(db: Database, messageId: string, trace: Uint8Array): void {
  db.run(
    db.build
      .insertInto("expert_traces")
      .values({ message_id: messageId, trace })
      .onConflict((conflict) => conflict.column("message_id").doUpdateSet({ trace })),
  );
}

export function readTrace(db: Database, messageId: string): Uint8Array | undefined {
  return db.first(db.build.selectFrom("expert_traces").select("trace").where("message_id", "=", messageId))?.trace;
}

export interface TraceStorage {
  readonly answers: number;
  readonly bytes: number;
}

const ofConversation = (conversationId: string | null) =>
  conversationId === null
    ? sql``
    : sql`WHERE message_id IN (SELECT id FROM messages WHERE conversation_id = ${conversationId})`;

/** What the traces of a conversation take, or of all (null). */
export function traceStorage(db: Database, conversationId: string | null): TraceStorage {
  const [row] = db.allRaw<TraceStorage>(sql`
    SELECT count(*) AS answers, coalesce(sum(length(trace)), 0) AS bytes
    FROM expert_traces ${ofConversation(conversationId)}`);
  return row ?? { answers: 0, bytes: 0 };
}

/** @returns how many there were. */
export const deleteTraces = (db: Database, conversationId: string | null): number =>
  db.allRaw(sql`DELETE FROM expert_traces ${ofConversation(conversationId)} RETURNING message_id`).length;

/** Traces of a conversation's messages, newest first, as long as all together stay below `maxBytes`. */
export function tracesByMessage(
  db: Database,
  conversationId: string,
  maxBytes: number,
): ReadonlyMap<string, Uint8Array> {
  const rows = db.allRaw<{ message_id: string; bytes: number }>(sql`
    SELECT message_id, length(trace) AS bytes FROM expert_traces
    JOIN messages ON messages.id = message_id WHERE conversation_id = ${conversationId} ORDER BY seq DESC`);
  const found = new Map<string, Uint8Array>();
  let left = maxBytes;
  for (const { message_id, bytes } of rows) {
    if (bytes > left) break;
    left -= bytes;
    const trace = readTrace(db, message_id);
    if (trace !== undefined) found.set(message_id, trace);
  }
  return found;
}

/** An answer with a trace, and what it may be told apart by. */
export interface TracedAnswer {
  readonly messageId: string;
  readonly conversationId: string;
  readonly title: string;
  readonly folderId: string | null;
  readonly folder: string | null;
  readonly template: AppliedTemplate | null;
  /** '' unless asked for. */
  readonly text: string;
}

const tracedQuery = (db: Database, modelId: string) =>
  db.build
    .selectFrom("expert_traces")
    .innerJoin("messages", "messages.id", "expert_traces.message_id")
    .innerJoin("runs", "runs.message_id", "messages.id")
    .innerJoin("conversations", "conversations.id", "messages.conversation_id")
    .where("runs.model_id", "=", modelId)
    .where("messages.deleted_at", "is", null)
    .where("conversations.deleted_at", "is", null);

export const tracedAnswersQuery = (db: Database, modelId: string, limit: number) =>
  tracedQuery(db, modelId)
    .leftJoin("folders", "folders.id", "conversations.folder_id")
    .select([
      "messages.id as messageId",
      "messages.conversation_id as conversationId",
      "conversations.title as title",
      "conversations.folder_id as folderId",
      "folders.name as folder",
      "runs.prompt as prompt",
    ])
    .orderBy("messages.seq", "desc")
    .limit(limit);

/** A model's answers that have a trace, newest first; deleted ones are left out. */
export function listTracedAnswers(db: Database, modelId: string, limit: number, withText: boolean): TracedAnswer[] {
  return db.all(tracedAnswersQuery(db, modelId, limit)).map(({ prompt, ...answer }) => ({
    ...answer,
    template: templateOf(prompt),
    text: withText ? textOf(db, answer.messageId) : "",
  }));
}

export const countTracedAnswers = (db: Database, modelId: string): number =>
  db.first(tracedQuery(db, modelId).select(({ fn }) => fn.countAll<number>().as("answers")))?.answers ?? 0;

/** A record that this version does not understand names no template. */
function templateOf(prompt: string | null): AppliedTemplate | null {
  if (prompt === null) return null;
  return runPromptSchema.safeParse(JSON.parse(prompt)).data?.template ?? null;
}

const textOf = (db: Database, messageId: string): string =>
  db
    .all(
      db.build
        .selectFrom("message_parts")
        .select("text")
        .where("message_id", "=", messageId)
        .where("type", "=", "text")
        .orderBy("position"),
    )
    .map(({ text }) => text)
    .join("");
