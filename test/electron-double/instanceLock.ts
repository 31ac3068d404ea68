/**
 * The single-instance lock: a file with the owner's pid in the user-data folder. A second instance leaves a note with its
 * arguments, which the owner finds and announces. A lock whose owner is dead is free.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, watch, writeFileSync, type FSWatcher } from "node:fs";
import { join } from "node:path";

type Note = { argv: string[]; cwd: string; data: unknown };

export class InstanceLock {
  held = false;
  readonly #file: string;
  readonly #notes: string;
  readonly #announce: (argv: string[], cwd: string, data: unknown) => void;
  #watcher: FSWatcher | undefined;

  constructor(folder: string, announce: (argv: string[], cwd: string, data: unknown) => void) {
    this.#file = join(folder, "SingletonLock.double");
    this.#notes = join(folder, "SingletonNotes.double");
    this.#announce = announce;
    process.once("exit", () => this.release());
  }

  acquire(data: unknown): boolean {
    if (this.held) return true;
    mkdirSync(this.#notes, { recursive: true });
    if (!this.#take()) {
      writeFileSync(
        join(this.#notes, `${process.pid}.json`),
        JSON.stringify({ argv: process.argv, cwd: process.cwd(), data } satisfies Note),
      );
      return false;
    }
    this.held = true;
    this.#watcher = watch(this.#notes, () => this.#readNotes());
    this.#watcher.unref();
    return true;
  }

  release(): void {
    if (!this.held) return;
    this.held = false;
    this.#watcher?.close();
    rmSync(this.#file, { force: true });
  }

  #take(): boolean {
    try {
      writeFileSync(this.#file, String(process.pid), { flag: "wx" });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const owner = Number(readFileSync(this.#file, "utf8"));
      if (isAlive(owner)) return false;
      rmSync(this.#file, { force: true });
      return this.#take();
    }
  }

  #readNotes(): void {
    for (const name of readdirSync(this.#notes)) {
      const path = join(this.#notes, name);
      const text = readFileSync(path, "utf8");
      // The writer may not be done; the next change event brings us back.
      if (!text.endsWith("}")) continue;
      rmSync(path);
      const { argv, cwd, data } = JSON.parse(text) as Note;
      this.#announce(argv, cwd, data);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
