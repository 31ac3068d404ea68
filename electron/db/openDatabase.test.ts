import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { insertConversation, listConversations } from "./conversations.ts";
import { insertMessage } from "./messages.ts";
import { migrations } from "./migrations/migrations.ts";
import { databaseFileName, openDatabase } from "./openDatabase.ts";
import { loadSqlite, nodeComplaint } from "./sqlite.ts";

const newest = migrations.length;
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "conclave-open-"));
  file = join(folder, databaseFileName);
});
afterEach(() => rmSync(folder, { recursive: true }));

function fill(conversations: number): void {
  const { database } = openDatabase(folder);
  for (let index = 0; index < conversations; index += 1) {
    insertConversation(database, { id: `c${index}`, title: `Conversation ${index}`, createdAt: index });
    insertMessage(database, {
      id: `m${index}`,
      conversationId: `c${index}`,
      parentId: null,
      role: "user",
      state: "complete",
      createdAt: index,
      text: `Text number ${index} `.repeat(100),
    });
  }
  database.close();
}

function overwrite(position: number, bytes: Uint8Array): void {
  const handle = openSync(file, "r+");
  writeSync(handle, bytes, 0, bytes.length, position);
  closeSync(handle);
}

const asideFiles = (): string[] => readdirSync(folder).filter((name) => name.includes(".damaged-"));

describe("opening", () => {
  it("makes the folder, uses a write-ahead log and enforces foreign keys", () => {
    const { database, warnings } = openDatabase(join(folder, "deep", "er"));
    expect(warnings).toEqual([]);
    expect(database.allRaw).toBeTypeOf("function");
    expect(existsSync(join(folder, "deep", "er", `${databaseFileName}-wal`))).toBe(true);
    expect(() =>
      insertMessage(database, {
        id: "m",
        conversationId: "no",
        parentId: null,
        role: "user",
        state: "complete",
        createdAt: 1,
        text: "",
      }),
    ).toThrow(/FOREIGN KEY/);
    database.close();
  });

  it("gives back what was stored", () => {
    fill(3);
    const { database } = openDatabase(folder);
    expect(listConversations(database)).toHaveLength(3);
    database.close();
  });

  it("keeps a second Conclave out of the same folder, and lets it in afterwards", () => {
    const { database } = openDatabase(folder);
    expect(() => openDatabase(folder)).toThrow(/already running/);
    database.close();
    openDatabase(folder).database.close();
  });

  it("refuses a database of a newer Conclave and leaves it as it is", () => {
    fill(1);
    const connection = new (loadSqlite())(file);
    connection.pragma("user_version = 99");
    connection.close();
    const before = readFileSync(file);
    expect(() => openDatabase(folder)).toThrow(new RegExp(`schema 99.*up to ${newest}.*install the newer`));
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(asideFiles()).toEqual([]);
  });

  it("undoes a migration that fails half way, backup kept", () => {
    fill(2);
    const broken = {
      version: newest + 1,
      name: "broken",
      sql: "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);",
    };
    expect(() => openDatabase(folder, { migrations: [...migrations, broken] })).toThrow(/nowhere/);
    expect(readdirSync(join(folder, "backups"))).toHaveLength(1);
    const { database } = openDatabase(folder);
    expect(listConversations(database)).toHaveLength(2);
    database.close();
  });

  it("keeps the five newest backups", () => {
    fill(1);
    let list = migrations;
    for (let version = newest + 1; version <= newest + 7; version += 1) {
      list = [
        ...list,
        { version, name: "next", sql: `CREATE TABLE t${version} (x) STRICT`.replace("(x)", "(x TEXT)") },
      ];
      const now = () => new Date(2026, 0, version);
      openDatabase(folder, { migrations: list, now }).database.close();
    }
    expect(
      readdirSync(join(folder, "backups"))
        .map((name) => Number(name.split("-")[1]))
        .toSorted((a, b) => a - b),
    ).toEqual([2, 3, 4, 5, 6].map((later) => newest + later));
  });
});

describe("a damaged file", () => {
  it.each([
    ["that is no database", () => writeFileSync(file, "this is not a database, it is a letter".repeat(200))],
    ["with a torn page", () => (fill(200), overwrite(4096 * 5, new Uint8Array(4096 * 20).fill(0x5a)))],
    ["cut short", () => (fill(200), writeFileSync(file, readFileSync(file).subarray(0, 4096 * 9 + 100)))],
    ["with a torn header", () => (fill(5), overwrite(0, new Uint8Array(100).fill(1)))],
  ])("%s is set aside unchanged, and a new one is started", (_reason, damage) => {
    damage();
    const before = readFileSync(file);
    const { database, warnings } = openDatabase(folder);
    expect(listConversations(database)).toEqual([]);
    insertConversation(database, { id: "c", title: "", createdAt: 1 });
    database.close();
    expect(warnings).toHaveLength(1);
    const [aside, ...more] = asideFiles().filter((name) => name.endsWith(".sqlite"));
    expect(more).toEqual([]);
    expect(warnings[0]).toContain(String(aside));
    expect(readFileSync(join(folder, String(aside))).equals(before)).toBe(true);
  });

  it("that is another program's database is set aside too, not changed", () => {
    const connection = new (loadSqlite())(file);
    connection.exec("CREATE TABLE theirs (x); PRAGMA user_version = 1");
    connection.close();
    const { database, warnings } = openDatabase(folder);
    database.close();
    expect(warnings[0]).toContain("another program's file");
  });

  it("never overwrites an earlier one", () => {
    const now = () => new Date(2026, 0, 1);
    for (let round = 0; round < 3; round += 1) {
      writeFileSync(file, `not a database ${round}`.repeat(100));
      openDatabase(folder, { now }).database.close();
      copyFileSync(join(folder, databaseFileName), join(folder, "new.sqlite"));
    }
    expect(asideFiles().filter((name) => name.endsWith(".sqlite"))).toHaveLength(3);
  });
});

describe("an unusable place", () => {
  it("is a sentence when the folder is a file", () => {
    writeFileSync(join(folder, "file"), "");
    expect(() => openDatabase(join(folder, "file"))).toThrow(/is not a folder.*choose another/);
  });

  it("is a sentence when the database is a folder", () => {
    mkdirSync(file);
    expect(() => openDatabase(folder)).toThrow(/may not write to/);
  });
});

it("says which Node is needed before it loads what would crash an older one", () => {
  expect(nodeComplaint("20.20.2")).toMatch(/22\.12 or newer and this is Node 20\.20\.2/);
  expect(nodeComplaint("22.11.0")).not.toBeNull();
  expect(nodeComplaint("22.12.0")).toBeNull();
  expect(nodeComplaint("24.0.0")).toBeNull();
  expect(() => loadSqlite("20.20.2")).toThrow(/npm start/);
});
