// What SQLite's result codes mean to a user: one sentence with cause and way out each. Anything else passes unchanged.
import { AppError, type AppErrorCode } from "../contract/errors.ts";

interface Meaning {
  readonly prefix: string;
  readonly code: AppErrorCode;
  readonly sentence: (folder: string) => string;
}

/** First match wins, so special cases stand above their family. */
const meanings: readonly Meaning[] = [
  { prefix: "SQLITE_FULL", code: "disk-full", sentence: fullSentence },
  // The shared-memory file of the write-ahead log could not grow.
  { prefix: "SQLITE_IOERR_SHMSIZE", code: "disk-full", sentence: fullSentence },
  { prefix: "SQLITE_READONLY", code: "read-only", sentence: readOnlySentence },
  { prefix: "SQLITE_CANTOPEN", code: "read-only", sentence: readOnlySentence },
  { prefix: "SQLITE_PERM", code: "read-only", sentence: readOnlySentence },
  {
    prefix: "SQLITE_CORRUPT",
    code: "bad-file",
    sentence: (folder) =>
      `The database in ${folder} is damaged; restart Conclave, which sets the damaged file aside and starts a new one.`,
  },
  {
    prefix: "SQLITE_NOTADB",
    code: "bad-file",
    sentence: (folder) =>
      `The database in ${folder} is not a database; restart Conclave, which sets the file aside and starts a new one.`,
  },
  {
    prefix: "SQLITE_BUSY",
    code: "conflict",
    sentence: (folder) => `Another program is using the database in ${folder}; close it and try again.`,
  },
  {
    prefix: "SQLITE_IOERR",
    code: "io",
    sentence: (folder) => `The disk that holds ${folder} did not answer as it should; check the disk and try again.`,
  },
];

function fullSentence(folder: string): string {
  return `The disk that holds ${folder} is full; free some space, and Conclave saves what is waiting by itself.`;
}

function readOnlySentence(folder: string): string {
  return `Conclave may not write to ${folder}; make the folder writable or choose another one.`;
}

const systemCodes: Readonly<Record<string, string>> = {
  ENOSPC: "SQLITE_FULL",
  EDQUOT: "SQLITE_FULL",
  EROFS: "SQLITE_READONLY",
  EACCES: "SQLITE_READONLY",
  EPERM: "SQLITE_READONLY",
};

/** @returns an AppError for a known SQLite or file system code, else the error itself. */
export function toAppError(error: unknown, folder: string): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string" || error instanceof AppError) {
    return error;
  }
  const code = systemCodes[error.code] ?? error.code;
  const meaning = meanings.find((candidate) => code.startsWith(candidate.prefix));
  return meaning === undefined
    ? error
    : new AppError(meaning.code, meaning.sentence(folder), `${error.code}: ${error.message}`);
}
