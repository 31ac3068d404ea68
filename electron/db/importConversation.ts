// Stores a conversation that came as a file: rows under new ids, all or none.
import { randomUUID } from "node:crypto";
import type { NewAttachment } from "../contract/attachments.ts";
import type { Message, Run } from "../contract/chat.ts";
import { insertAttachment } from "./attachments.ts";
import type { Database } from "./database.ts";
import { saveTrace } from "./expertTraces.ts";
import { finishRun, insertRun } from "./runs.ts";

export interface MessageToImport {
  readonly id: string;
  readonly parentId: string | null;
  readonly role: Message["role"];
  readonly state: Message["state"];
  readonly createdAt: number;
  readonly parts: Message["parts"];
  readonly attachments: readonly NewAttachment[];
  readonly run: Run | null;
  /** An expert trace in base64; what is in it is checked when it is read. */
  readonly trace?: string | null;
}

/** @param messages parents before their children. @returns new id by old id. */
export function importMessages(
  db: Database,
  conversationId: string,
  messages: readonly MessageToImport[],
): ReadonlyMap<string, string> {
  const newIds = new Map<string, string>();
  const renamed = (id: string | null): string | null => (id === null ? null : (newIds.get(id) ?? null));
  db.transaction(() => {
    for (const { id, parentId, role, state, createdAt, parts, attachments, run, trace } of messages) {
      const messageId = randomUUID();
      newIds.set(id, messageId);
      db.run(
        db.build.insertInto("messages").values({
          id: messageId,
          conversation_id: conversationId,
          parent_id: renamed(parentId),
          role,
          state: state === "generating" ? "interrupted" : state,
          created_at: Math.round(createdAt),
        }),
      );
      for (const [position, { type, text }] of parts.entries()) {
        db.run(
          db.build.insertInto("message_parts").values({ message_id: messageId, position, type, text, indexed: 1 }),
        );
      }
      for (const [position, attachment] of attachments.entries()) {
        insertAttachment(db, attachment, { messageId, position });
      }
      if (trace != null) saveTrace(db, messageId, Buffer.from(trace, "base64"));
      if (run === null) continue;
      const runId = randomUUID();
      insertRun(db, { ...run, id: runId, messageId });
      const prompt = run.prompt === null ? null : { ...run.prompt, firstMessageId: renamed(run.prompt.firstMessageId) };
      finishRun(db, runId, { ...run, prompt });
    }
  });
  return newIds;
}
