import { copyFileSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findConversation, listConversations, updateConversation } from "../conversations.ts";
import type { Database } from "../database.ts";
import { readTrace, saveTrace } from "../expertTraces.ts";
import { interruptLeftovers, listMessages } from "../messages.ts";
import { openDatabase } from "../openDatabase.ts";
import { searchMessages } from "../search.ts";
import { loadSqlite } from "../sqlite.ts";

const schema1 = join(import.meta.dirname, "../../../test/fixtures/databases/schema-1.sqlite");
let folder: string;
let db: Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-0002-"));
  copyFileSync(schema1, join(folder, "conclave.sqlite"));
  db = openDatabase(folder).database;
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

describe("a database of schema 1, as an older Conclave left it", () => {
  it("keeps every row", () => {
    expect(listConversations(db).map(({ id, title, pinned }) => ({ id, title, pinned }))).toEqual([
      { id: "c1", title: "A fox in winter", pinned: false },
      { id: "c2", title: "New chat", pinned: false },
    ]);
    expect(findConversation(db, "c3", true)?.title).toBe("Thrown away");
    const messages = listMessages(db, "c1");
    expect(messages.map(({ id, parentId, state }) => [id, parentId, state])).toEqual([
      ["u1", null, "complete"],
      ["a1", "u1", "complete"],
      ["a2", "u1", "interrupted"],
      ["u2", "a1", "complete"],
      ["a3", "u2", "generating"],
    ]);
    expect(messages[1]?.run).toMatchObject({
      seed: 7,
      sampler: { temperature: 0.5, seed: 7 },
      timings: { firstTokenMs: 30.5 },
    });
    expect(searchMessages(db, "zurich", 5, "").map((hit) => hit.messageId)).toEqual(["a1"]);
  });

  it("can do what schema 2 brings", () => {
    updateConversation(db, "c1", { pinned: true });
    expect(findConversation(db, "c1")?.pinned).toBe(true);
    saveTrace(db, "a1", new Uint8Array([7]));
    expect(listMessages(db, "c1")[1]?.hasTrace).toBe(true);
    expect([...(readTrace(db, "a1") ?? [])]).toEqual([7]);
    expect(interruptLeftovers(db)).toBe(1);
    expect(searchMessages(db, "then came", 5, "").map((hit) => hit.messageId)).toEqual(["a3"]);
  });

  it("was backed up whole before it was changed", () => {
    const names = readdirSync(join(folder, "backups")).toSorted();
    expect(names).toHaveLength(1);
    const [name] = names;
    expect(name).toMatch(/^schema-1-\d{4}-.*\.sqlite$/);
    const backup = new (loadSqlite())(join(folder, "backups", String(name)), { readonly: true });
    try {
      expect(backup.pragma("user_version", { simple: true })).toBe(1);
      expect(backup.prepare("SELECT count(*) AS n FROM messages").get()).toEqual({ n: 5 });
    } finally {
      backup.close();
    }
  });

  it("is not backed up or changed again at the next start", () => {
    db.close();
    db = openDatabase(folder).database;
    expect(readdirSync(join(folder, "backups"))).toHaveLength(1);
  });
});
