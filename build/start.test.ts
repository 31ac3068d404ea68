// `npm start` where there is no display: the real script, the real web entry.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { repositoryRoot } from "./vite.destination.ts";

let data = "";
let running: ChildProcess | undefined;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "conclave-start-"));
});
afterEach(async () => {
  if (running?.exitCode === null && running.signalCode === null) {
    const ended = once(running, "close");
    running.kill("SIGTERM");
    await ended;
  }
  rmSync(data, { recursive: true, force: true });
});

/** Starts the app without a display and resolves with its lines when it has told its address. */
async function start(
  args: readonly string[],
): Promise<{ lines: string[]; address: string; stop: () => Promise<number> }> {
  const { DISPLAY: _x, WAYLAND_DISPLAY: _wayland, ...env } = process.env;
  const child = spawn(process.execPath, [join(repositoryRoot, "build/start.ts"), "--port", "0", ...args], {
    env: { ...env, CONCLAVE_DATA: data },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running = child;
  const lines: string[] = [];
  const stop = async (): Promise<number> => {
    const ended = once(child, "close");
    child.kill("SIGTERM");
    const [status] = (await ended) as [number | null];
    return status ?? -1;
  };
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const found = /http:\/\/127\.0\.0\.1:\d+\/\S*/.exec(line)?.[0];
      if (found !== undefined) resolve(found);
    });
    child.on("close", () =>
      reject(new Error(`the app ended without telling its address; it said: ${lines.join(" | ")}`)),
    );
  });
  return { lines, address, stop };
}

// The script builds what is stale first; in `npm test` nothing is, so the limit only matters when this file runs alone.
describe.runIf(process.platform === "linux")("without a display", { timeout: 300_000 }, () => {
  it("says in one line why it opens in the browser, serves the app there, and ends when told", async () => {
    const { lines, address, stop } = await start([]);
    try {
      expect(lines).toHaveLength(2);
      expect(lines[0]).toMatch(/^Opening Conclave in the browser .* because there is no display [^.]*\.$/);
      // The one-time address gives the browser its cookie and sends it to the app.
      const door = await fetch(address);
      expect(door.status).toBe(200);
      const cookie = door.headers
        .getSetCookie()
        .map((line) => line.split(";")[0] ?? "")
        .join("; ");
      const page = await fetch(new URL("/", address), { headers: { cookie } });
      expect(await page.text()).toMatch(/<div id="root">/);
    } finally {
      expect(await stop()).toBe(0);
    }
    await expect(fetch(address)).rejects.toThrow();
  });

  it("gives no reason when the browser was asked for", async () => {
    const { lines, stop } = await start(["--web"]);
    expect(await stop()).toBe(0);
    expect(lines).toHaveLength(1);
  });
});
