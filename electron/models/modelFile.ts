// A model file as the file system sees it: that it is there and a plain file, its size and time. Its content is read
// only in the engine process.
import { realpath, stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { AppError } from "../contract/errors.ts";

export interface ModelFile {
  /** Without symbolic links, so that one file is registered once. */
  readonly path: string;
  /** The file's name without its extension. */
  readonly name: string;
  readonly bytes: number;
  /** Whole milliseconds since 1970. */
  readonly changedAt: number;
}

const sentences: Readonly<Record<string, string>> = {
  ENOENT: "it is not there; put it back, or remove the entry from the list",
  ENOTDIR: "it is not there; put it back, or remove the entry from the list",
  EACCES: "Conclave may not read it; change its permissions",
  EPERM: "Conclave may not read it; change its permissions",
  ELOOP: "its symbolic links lead in a circle",
  ENAMETOOLONG: "its path is longer than the system allows",
};

/** @throws AppError 'not-found', 'io' or 'bad-argument'. */
export async function readModelFile(path: string): Promise<ModelFile> {
  try {
    const real = await realpath(path);
    const facts = await stat(real);
    if (!facts.isFile()) {
      throw new AppError("bad-argument", `${path} is not a file; choose a file that ends in .gguf.`);
    }
    return { path: real, name: basename(real, extname(real)), bytes: facts.size, changedAt: Math.trunc(facts.mtimeMs) };
  } catch (error) {
    if (error instanceof AppError || !(error instanceof Error) || !("code" in error)) throw error;
    const code = String(error.code);
    const missing = code === "ENOENT" || code === "ENOTDIR";
    throw new AppError(
      missing ? "not-found" : "io",
      `The model file ${path} cannot be used: ${sentences[code] ?? error.message}.`,
    );
  }
}

/** @returns the first path that names a file. */
export async function findFile(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      return (await readModelFile(path)).path;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return undefined;
}
