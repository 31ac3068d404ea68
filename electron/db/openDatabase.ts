// Opens the one database file of a data folder and brings it to the newest schema. Owns what happens to a file that is
// damaged (set aside under another name, never overwritten), too new (refused) or too old (backed up, then migrated), and
// keeps a second Conclave out of the same folder.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError } from "../contract/errors.ts";
import { createDatabase, type Database } from "./database.ts";
import { type Migration, migrations } from "./migrations/migrations.ts";
import { loadSqlite, type SqliteConnection } from "./sqlite.ts";
import { toAppError } from "./sqliteError.ts";

export const databaseFileName = "conclave.sqlite";
const backupFolderName = "backups";
const keptBackups = 5;
const busyTimeoutMs = 5000;
const lockTimeoutMs = 3000;
/** 'Cncl' in SQLite's file header: tells our file from any other SQLite file. */
const applicationId = 0x436e636c;

export interface OpenedDatabase {
  readonly database: Database;
  /** Sentences for the user about what had to be done. */
  readonly warnings: readonly string[];
}

export interface OpenOptions {
  /** For tests: an older list makes an older file. */
  readonly migrations?: readonly Migration[];
  readonly now?: () => Date;
}

/**
 * @param folder created when missing.
 * @throws AppError 'read-only', 'disk-full' or 'io' for the folder, 'unsupported' for a file of a newer version,
 * 'conflict' when another Conclave has the folder.
 */
export function openDatabase(folder: string, options: OpenOptions = {}): OpenedDatabase {
  const now = options.now ?? (() => new Date());
  try {
    makeFolder(folder);
    const lock = lockFolder(folder);
    try {
      const { connection, warnings } = openChecked(folder, now);
      try {
        migrate(connection, folder, options.migrations ?? migrations, now);
      } catch (error) {
        connection.close();
        throw error;
      }
      const database = createDatabase(connection, folder);
      return { database: { ...database, close: () => (database.close(), void lock.close()) }, warnings };
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    throw toAppError(error, folder);
  }
}

/** Not mkdir's own `recursive`, which reports a read-only disk as a missing folder. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) {
    if (statSync(folder).isDirectory()) return;
    throw new AppError(
      "bad-argument",
      `${folder} is not a folder, so no conversations can be kept in it; choose another place.`,
    );
  }
  if (dirname(folder) !== folder) makeFolder(dirname(folder));
  mkdirSync(folder);
}

/** The operating system drops the lock with the process, so a crash leaves nothing to clean up. */
function lockFolder(folder: string): SqliteConnection {
  const connection = new (loadSqlite())(join(folder, "conclave.lock"), { timeout: lockTimeoutMs });
  try {
    connection.pragma("journal_mode = MEMORY");
    connection.exec("BEGIN EXCLUSIVE");
    return connection;
  } catch (error) {
    connection.close();
    if (error instanceof Error && "code" in error && error.code === "SQLITE_BUSY") {
      throw new AppError(
        "conflict",
        `Conclave is already running with the data folder ${folder}; use its window, or start with another folder.`,
      );
    }
    throw error;
  }
}

function openChecked(folder: string, now: () => Date): { connection: SqliteConnection; warnings: string[] } {
  const file = join(folder, databaseFileName);
  try {
    return { connection: open(file), warnings: [] };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const aside = setAside(file, now());
    return {
      connection: open(file),
      warnings: [
        `The database was damaged (${error.message}); it was set aside as ${aside} and a new, empty one was started.`,
      ],
    };
  }
}

class DamagedFile extends Error {}

function isDamage(error: unknown): error is Error {
  if (error instanceof DamagedFile) return true;
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return false;
  return error.code.startsWith("SQLITE_CORRUPT") || error.code.startsWith("SQLITE_NOTADB");
}

function open(file: string): SqliteConnection {
  const connection = new (loadSqlite())(file, { timeout: busyTimeoutMs });
  try {
    connection.pragma("journal_mode = WAL");
    connection.pragma("synchronous = NORMAL");
    connection.pragma("foreign_keys = ON");
    const verdict = connection.pragma("quick_check(1)", { simple: true });
    if (verdict !== "ok") throw new DamagedFile(String(verdict));
    const owner = connection.pragma("application_id", { simple: true });
    const version = connection.pragma("user_version", { simple: true });
    if (owner !== applicationId && (version !== 0 || hasTables(connection))) {
      throw new DamagedFile("it is another program's file");
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function hasTables(connection: SqliteConnection): boolean {
  return connection.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== undefined;
}

/** Renames the file with its log, so that a recovery tool finds both. @returns the new path. */
function setAside(file: string, time: Date): string {
  const base = `${file.replace(/\.sqlite$/, "")}.damaged-${stamp(time)}`;
  let target = `${base}.sqlite`;
  for (let attempt = 2; existsSync(target); attempt += 1) target = `${base}-${attempt}.sqlite`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(file + suffix)) renameSync(file + suffix, target + suffix);
  }
  return target;
}

function migrate(connection: SqliteConnection, folder: string, list: readonly Migration[], now: () => Date): void {
  const current = Number(connection.pragma("user_version", { simple: true }));
  const newest = list.at(-1)?.version ?? 0;
  if (current > newest) {
    throw new AppError(
      "unsupported",
      `The database in ${folder} has schema ${current} and this Conclave knows schemas up to ${newest}; install the newer Conclave that wrote it, or start with another data folder.`,
    );
  }
  // Once, as the older version left it: copies of the steps between would push that one out.
  if (current > 0 && current < newest) backUp(connection, folder, current, now());
  for (const migration of list.slice(current)) {
    connection
      .transaction(() => {
        connection.exec(migration.sql);
        connection.pragma(`application_id = ${applicationId}`);
        connection.pragma(`user_version = ${migration.version}`);
      })
      .immediate();
  }
}

/** A whole copy of an existing database before it is changed. A database made in this very start has nothing to lose. */
function backUp(connection: SqliteConnection, folder: string, version: number, time: Date): void {
  if (connection.prepare("SELECT 1 FROM conversations UNION ALL SELECT 1 FROM settings LIMIT 1").get() === undefined) {
    return;
  }
  const backups = join(folder, backupFolderName);
  makeFolder(backups);
  const base = join(backups, `schema-${version}-${stamp(time)}`);
  let target = `${base}.sqlite`;
  for (let attempt = 2; existsSync(target); attempt += 1) target = `${base}-${attempt}.sqlite`;
  connection.prepare("VACUUM INTO ?").run(target);
  const oldFirst = readdirSync(backups)
    .filter((name) => /^schema-\d+-.*\.sqlite$/.test(name))
    .toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)));
  for (const name of oldFirst.slice(0, -keptBackups)) rmSync(join(backups, name));
}

const timeOf = (backupName: string): string => backupName.replace(/^schema-\d+-/, "");

/** 2026-11-21T14-40-40-123: sorts by time and is a file name on every system. */
function stamp(time: Date): string {
  return time.toISOString().replaceAll(/[:.]/g, "-").replace("Z", "");
}
