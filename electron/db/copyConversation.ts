// Copies messages with their parts, attachments, runs and traces into another conversation, under new ids. Whole rows are copied inside
// SQLite, so that nothing about an answer is lost on the way.
import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { runPromptSchema } from "../contract/chat.ts";
import type { Database } from "./database.ts";

export interface CopiedMessage {
  readonly id: string;
  /** As shown: never a deleted message. */
  readonly parentId: string | null;
}

/**
 * @param messages parents before their children; all of one conversation.
 * @returns new id by old id.
 */
export function copyMessages(
  db: Database,
  messages: readonly CopiedMessage[],
  conversationId: string,
): ReadonlyMap<string, string> {
  const newIds = new Map<string, string>();
  db.transaction(() => {
    for (const { id, parentId } of messages) {
      const copy = randomUUID();
      newIds.set(id, copy);
      const parent = parentId === null ? null : (newIds.get(parentId) ?? null);
      db.allRaw(sql`
        INSERT INTO messages (id, conversation_id, parent_id, role, state, created_at)
        SELECT ${copy}, ${conversationId}, ${parent}, role,
          CASE state WHEN 'generating' THEN 'interrupted' ELSE state END, created_at
        FROM messages WHERE id = ${id} RETURNING seq`);
      db.allRaw(sql`
        INSERT INTO message_parts (message_id, position, type, text, indexed)
        SELECT ${copy}, position, type, text, 1 FROM message_parts WHERE message_id = ${id} RETURNING seq`);
      copyAttachments(db, id, copy);
      copyRunAndTrace(db, id, copy, newIds);
    }
  });
  return newIds;
}

function copyAttachments(db: Database, id: string, copy: string): void {
  db.allRaw(sql`
    INSERT INTO attachments (id, message_id, position, name, kind, language, bytes, characters, facts, text)
    SELECT lower(hex(randomblob(16))), ${copy}, position, name, kind, language, bytes, characters, facts, text
    FROM attachments WHERE message_id = ${id} RETURNING seq`);
}

function copyRunAndTrace(db: Database, id: string, copy: string, newIds: ReadonlyMap<string, string>): void {
  const run = db.first(db.build.selectFrom("runs").selectAll().where("message_id", "=", id));
  if (run !== undefined) {
    const prompt = run.prompt === null ? null : withNewIds(run.prompt, newIds);
    db.run(db.build.insertInto("runs").values({ ...run, id: randomUUID(), message_id: copy, prompt }));
  }
  db.allRaw(sql`
    INSERT INTO expert_traces (message_id, trace)
    SELECT ${copy}, trace FROM expert_traces WHERE message_id = ${id} RETURNING message_id`);
}

/** The record of a prompt names the first message that the model saw, which has a new id in the copy. */
function withNewIds(json: string, newIds: ReadonlyMap<string, string>): string {
  const prompt = runPromptSchema.parse(JSON.parse(json));
  const { firstMessageId } = prompt;
  return JSON.stringify({
    ...prompt,
    firstMessageId: firstMessageId === null ? null : (newIds.get(firstMessageId) ?? null),
  });
}
