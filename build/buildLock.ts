// One build at a time in one checkout: `npm start` beside `npm test` must not write the same products at once. The lock
// is a file that holds its owner's process id, so one left behind by a killed build is recognised and taken over.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

function tryTake(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
    return false;
  }
}

function ownerOf(path: string): number | null {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

/** Runs `work` while holding the lock file; waits for another living owner, saying so once. */
export async function withLock<T>(path: string, say: (line: string) => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  while (!tryTake(path)) {
    const owner = ownerOf(path);
    if (owner !== null && owner > 0 && !isAlive(owner)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!told) say("Waiting for another build in this folder to end ...");
    told = true;
    await delay(200);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
