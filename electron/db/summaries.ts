// The summaries table: what stands in for turns that no longer fit.
import { randomUUID } from "node:crypto";
import type { Selectable } from "kysely";
import type { Summary } from "../contract/summaries.ts";
import type { Database } from "./database.ts";
import type { SummariesTable } from "./schema.ts";

const toSummary = (row: Selectable<SummariesTable>): Summary => ({
  id: row.id,
  conversationId: row.conversation_id,
  firstMessageId: row.first_message_id,
  text: row.text,
  messages: row.messages,
  edited: row.edited === 1,
  createdAt: row.created_at,
});

/** @returns its id. */
export function insertSummary(
  db: Database,
  summary: Omit<Summary, "id" | "edited">,
  edited = false,
  id: string = randomUUID(),
): string {
  db.run(
    db.build.insertInto("summaries").values({
      id,
      conversation_id: summary.conversationId,
      first_message_id: summary.firstMessageId,
      text: summary.text,
      messages: summary.messages,
      edited: edited ? 1 : 0,
      created_at: summary.createdAt,
      deleted_at: null,
    }),
  );
  return id;
}

export const summariesQuery = (db: Database, conversationId: string) =>
  db.build
    .selectFrom("summaries")
    .selectAll()
    .where("conversation_id", "=", conversationId)
    .where("deleted_at", "is", null)
    .orderBy("seq");

/** Oldest first, without hidden ones. */
export const listSummaries = (db: Database, conversationId: string): Summary[] =>
  db.all(summariesQuery(db, conversationId)).map(toSummary);

/** Also a hidden one. */
export function findSummary(db: Database, id: string): Summary | undefined {
  const row = db.first(db.build.selectFrom("summaries").selectAll().where("id", "=", id));
  return row === undefined ? undefined : toSummary(row);
}

export function updateSummary(
  db: Database,
  id: string,
  change: { readonly text: string } | { readonly deletedAt: number | null },
): void {
  const values = "text" in change ? { text: change.text, edited: 1 } : { deleted_at: change.deletedAt };
  db.run(db.build.updateTable("summaries").set(values).where("id", "=", id));
}

/** @param newIds of the copied messages by their old ones; a summary whose message was not copied stays behind. */
export function copySummaries(db: Database, from: string, to: string, newIds: ReadonlyMap<string, string>): void {
  for (const summary of listSummaries(db, from)) {
    const firstMessageId = newIds.get(summary.firstMessageId);
    if (firstMessageId !== undefined) {
      insertSummary(db, { ...summary, conversationId: to, firstMessageId }, summary.edited);
    }
  }
}
