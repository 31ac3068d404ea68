// Stores a conversation that came as a file: rows under new ids, all or none.
import { randomUUID } from "node:crypto";
import type { NewAttachment } from "../contract/attachments.ts";
import type { Message, Run } from "../contract/chat.ts";
import type { Summary } from "../contract/summaries.ts";
import { insertAttachment } from "./attachments.ts";
import type { Database } from "./database.ts";
import { saveTrace } from "./expertTraces.ts";
import { finishRun, insertRun } from "./runs.ts";
import { insertSummary } from "./summaries.ts";

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

export type SummaryToImport = Omit<Summary, "conversationId">;

/** @param messages parents before their children. @returns new id by old id. */
export function importMessages(
  db: Database,
  conversationId: string,
  messages: readonly MessageToImport[],
  summaries: readonly SummaryToImport[] = [],
): ReadonlyMap<string, string> {
  const newIds = new Map<string, string>();
  const newSummaryIds = new Map(summaries.map(({ id }) => [id, randomUUID()]));
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
      finishRun(db, runId, { ...run, prompt: renamedPrompt(run.prompt, newIds, newSummaryIds) });
    }
    for (const { id, edited, ...summary } of summaries) {
      const firstMessageId = newIds.get(summary.firstMessageId);
      if (firstMessageId === undefined) continue;
      const createdAt = Math.round(summary.createdAt);
      insertSummary(db, { ...summary, createdAt, conversationId, firstMessageId }, edited, newSummaryIds.get(id));
    }
  });
  return newIds;
}

/** A summary that did not come along leaves its old name: that there was one is part of the record. */
function renamedPrompt(
  prompt: Run["prompt"],
  messages: ReadonlyMap<string, string>,
  summaries: ReadonlyMap<string, string>,
): Run["prompt"] {
  if (prompt === null) return null;
  const { firstMessageId, summaryId } = prompt;
  return {
    ...prompt,
    firstMessageId: firstMessageId === null ? null : (messages.get(firstMessageId) ?? null),
    summaryId: summaryId === null ? null : (summaries.get(summaryId) ?? summaryId),
  };
}
