// Full-text search over finished messages and what was attached to them. The trigram index answers terms of three characters or more; shorter ones
// (common in Chinese and Japanese) are looked for in the texts themselves.
import { sql } from "kysely";
import type { SearchHit } from "../contract/chat.ts";
import type { Database } from "./database.ts";
import { matchStart, snippetOf } from "./searchSnippet.ts";

const maxTerms = 16;
/** Characters of an attachment from which its snippet is made, and how many of them stand before the first term. */
const excerpt = 2_000;
const leadIn = 200;

export function searchTerms(query: string): string[] {
  return query
    .split(/\s+/u)
    .filter((term) => term !== "")
    .slice(0, maxTerms);
}

/** Three code points make a trigram. */
const isIndexed = (term: string): boolean => [...term].length >= 3;

const quoted = (term: string): string => `"${term.replaceAll('"', '""')}"`;
const likePattern = (term: string): string => `%${term.replaceAll(/[\\%_]/g, (character) => `\\${character}`)}%`;

export function searchQuery(db: Database, terms: readonly string[], limit: number) {
  const indexed = terms.filter(isIndexed);
  const short = terms.filter((term) => !isIndexed(term));
  const match = indexed.map(quoted).join(" AND ");
  let query = db.build
    .selectFrom("message_parts")
    .innerJoin("messages", "messages.id", "message_parts.message_id")
    .innerJoin("conversations", "conversations.id", "messages.conversation_id")
    .select(["messages.id", "messages.seq", "messages.conversation_id", "conversations.title", "message_parts.text"])
    .where("conversations.deleted_at", "is", null)
    .where("messages.deleted_at", "is", null)
    .where("message_parts.indexed", "=", 1)
    // The index hands out its rows newest first by itself, so that a word of every message costs no more than a rare one.
    .$if(match !== "", (found) =>
      found
        .innerJoin("message_search", "message_search.rowid", "message_parts.seq")
        .where(sql<boolean>`message_search MATCH ${match}`)
        .orderBy("message_search.rowid", "desc"),
    )
    .$if(match === "", (all) => all.orderBy("message_parts.seq", "desc"))
    .limit(limit);
  for (const term of short) {
    query = query.where(sql<boolean>`message_parts.text LIKE ${likePattern(term)} ESCAPE '\\'`);
  }
  return query;
}

/** The same over what was sent with messages: names and texts. Of a text no more is read than a snippet needs. */
export function attachmentSearchQuery(db: Database, terms: readonly string[], limit: number) {
  const indexed = terms.filter(isIndexed);
  const match = indexed.map(quoted).join(" AND ");
  const first = (terms[0] ?? "").toLowerCase();
  const place = sql<number>`max(1, instr(lower(attachments.text), ${first}) - ${leadIn})`;
  let query = db.build
    .selectFrom("attachments")
    .innerJoin("messages", "messages.id", "attachments.message_id")
    .innerJoin("conversations", "conversations.id", "messages.conversation_id")
    .select(["messages.id", "messages.seq", "messages.conversation_id", "conversations.title", "attachments.name"])
    .select(sql<string>`substr(attachments.text, ${place}, ${excerpt})`.as("text"))
    .where("conversations.deleted_at", "is", null)
    .where("messages.deleted_at", "is", null)
    .$if(match !== "", (found) =>
      found
        .innerJoin("attachment_search", "attachment_search.rowid", "attachments.seq")
        .where(sql<boolean>`attachment_search MATCH ${match}`)
        .orderBy("attachment_search.rowid", "desc"),
    )
    .$if(match === "", (all) => all.orderBy("attachments.seq", "desc"))
    .limit(limit);
  for (const term of terms.filter((candidate) => !isIndexed(candidate))) {
    const pattern = likePattern(term);
    query = query.where(
      sql<boolean>`(attachments.text LIKE ${pattern} ESCAPE '\\' OR attachments.name LIKE ${pattern} ESCAPE '\\')`,
    );
  }
  return query;
}

/**
 * Messages that contain every term, or one of whose attachments does, newest first and each once; a term matches inside words,
 * without regard to case or accents.
 */
export function searchMessages(db: Database, query: string, limit: number, untitled: string): SearchHit[] {
  const terms = searchTerms(query);
  if (terms.length === 0) return [];
  const said = db.all(searchQuery(db, terms, limit)).map((row) => ({ ...row, snippet: snippetOf(row.text, terms) }));
  const attached = db.all(attachmentSearchQuery(db, terms, limit)).map((row) => {
    const words = snippetOf(row.text, terms);
    return { ...row, snippet: words.includes(matchStart) ? `${row.name}: ${words}` : snippetOf(row.name, terms) };
  });
  const byMessage = new Map([...attached, ...said].map((row) => [row.id, row]));
  return [...byMessage.values()]
    .toSorted((a, b) => b.seq - a.seq)
    .slice(0, limit)
    .map((row) => ({
      conversationId: row.conversation_id,
      conversationTitle: row.title === "" ? untitled : row.title,
      messageId: row.id,
      snippet: row.snippet,
    }));
}
