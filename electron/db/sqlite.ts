// The one place that loads better-sqlite3. Its native part needs Node-API 10; on an older Node loading it ends the process
// without a word, so the version is checked before.
import { createRequire } from "node:module";
import type SqliteConstructor from "better-sqlite3";
import { AppError } from "../contract/errors.ts";

export type SqliteConnection = SqliteConstructor.Database;
export type SqliteStatement = SqliteConstructor.Statement<unknown[]>;

const oldestNode: readonly [number, number] = [22, 12];

/** @returns one sentence that says what to do, or null when this Node will do. */
export function nodeComplaint(version: string): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor, wantedMinor] = oldestNode;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return null;
  return `Conclave needs Node ${wantedMajor}.${wantedMinor} or newer and this is Node ${version}; start it with "npm start", which uses the Node it installed.`;
}

let loaded: typeof SqliteConstructor | undefined;

/** @throws AppError 'unsupported' on an older Node. */
export function loadSqlite(nodeVersion: string = process.versions.node): typeof SqliteConstructor {
  const complaint = nodeComplaint(nodeVersion);
  if (complaint !== null) throw new AppError("unsupported", complaint);
  loaded ??= createRequire(import.meta.url)("better-sqlite3") as typeof SqliteConstructor;
  return loaded;
}
