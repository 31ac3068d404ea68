// The drafts table: unsent text by conversation id; the empty key is the conversation that does not exist yet.
import type { Database } from "./database.ts";

export function listDrafts(db: Database): Record<string, string> {
  return Object.fromEntries(db.all(db.build.selectFrom("drafts").selectAll()).map(({ key, text }) => [key, text]));
}

/** @param text '' forgets it. */
export function saveDraft(db: Database, key: string, text: string): void {
  if (text === "") {
    db.run(db.build.deleteFrom("drafts").where("key", "=", key));
    return;
  }
  db.run(
    db.build
      .insertInto("drafts")
      .values({ key, text })
      .onConflict((conflict) => conflict.column("key").doUpdateSet({ text })),
  );
}

/** Those of conversations that are gone for good. */
export function purgeDrafts(db: Database): void {
  db.run(
    db.build
      .deleteFrom("drafts")
      .where("key", "!=", "")
      .where("key", "not in", db.build.selectFrom("conversations").select("id")),
  );
}
