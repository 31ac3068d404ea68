// Which inputs a build step has, and one hash over them. A product is stale when the hash of its inputs differs from the
// stamp its last successful build left in out/stamps, or when a product is gone. Contents are hashed, not dates, so
// switching branches back and forth costs nothing.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

/** Files below `root` under the given files and folders, sorted, `/`-separated, without tests unless asked for. */
export function inputFiles(root: string, inputs: readonly string[], keep: (path: string) => boolean): string[] {
  const files: string[] = [];
  const visit = (path: string): void => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path)) visit(join(path, name));
      return;
    }
    const name = relative(root, path).split(sep).join("/");
    if (keep(name)) files.push(name);
  };
  for (const input of inputs) visit(join(root, input));
  return files.toSorted();
}

export function fingerprint(root: string, files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files) {
    const bytes = readFileSync(join(root, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

export class Stamp {
  readonly #path: string;

  constructor(root: string, step: string) {
    this.#path = join(root, "out", "stamps", step);
  }

  matches(hash: string): boolean {
    return existsSync(this.#path) && readFileSync(this.#path, "utf8") === hash;
  }

  /** Before a build: an interrupted one must not look finished. */
  clear(): void {
    rmSync(this.#path, { force: true });
  }

  set(hash: string): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, hash);
  }
}
