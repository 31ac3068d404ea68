// Full-text search over finished messages. The trigram index answers terms of three characters or more; shorter ones
// (common in Chinese and Japanese) are looked for in the texts themselves.
import { sql } from "kysely";
import type { SearchHit } from "../contract/chat.ts";
import type { Database } from "./database.ts";
import { snippetOf } from "./searchSnippet.ts";

const maxTerms = 16;

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
    .select(["messages.id", "messages.conversation_id", "conversations.title", "message_parts.text"])
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

/** Messages that contain every term, newest first; a term matches inside words, without regard to case or accents. */
export function searchMessages(db: Database, query: string, limit: number, untitled: string): SearchHit[] {
  const terms = searchTerms(query);
  if (terms.length === 0) return [];
  return db.all(searchQuery(db, terms, limit)).map((row) => ({
    conversationId: row.conversation_id,
    conversationTitle: row.title === "" ? untitled : row.title,
    messageId: row.id,
    snippet: snippetOf(row.text, terms),
  }));
}
