import { afterEach, beforeEach, expect, it } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../openDatabase.ts";
import { loadSqlite } from "../sqlite.ts";
import { conversationsMigration } from "./0001-conversations.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "conclave-0001-"))));
afterEach(() => rmSync(folder, { recursive: true }));

it("makes schema 1 from nothing: strict tables, and every foreign key has an index to follow it back", () => {
  openDatabase(folder, { migrations: [conversationsMigration] }).database.close();
  const connection = new (loadSqlite())(join(folder, "conclave.sqlite"));
  try {
    expect(connection.pragma("user_version", { simple: true })).toBe(1);
    const tables = connection
      .prepare<[], { name: string; strict: number }>(
        "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'",
      )
      .all();
    expect(tables.filter((table) => table.strict === 0)).toEqual([]);
    expect(tables.map((table) => table.name).toSorted()).toEqual([
      "conversations",
      "message_parts",
      "messages",
      "models",
      "runs",
      "settings",
    ]);
    const unindexed = connection
      .prepare<[], { column: string }>(
        `SELECT t.name || '.' || f."from" AS "column" FROM pragma_table_list t, pragma_foreign_key_list(t.name) f
         WHERE t.schema = 'main' AND NOT EXISTS (
           SELECT 1 FROM pragma_index_list(t.name) l, pragma_index_info(l.name) i WHERE i.seqno = 0 AND i.name = f."from")`,
      )
      .all();
    expect(unindexed).toEqual([]);
  } finally {
    connection.close();
  }
});
