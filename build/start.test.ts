// `npm start` where there is no display: the real script, the real web entry.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { repositoryRoot } from "./vite.destination.ts";

let data = "";
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "conclave-start-"));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

/** Starts the app without a display and resolves with its lines when it has told its address. */
async function start(
  args: readonly string[],
): Promise<{ lines: string[]; address: string; stop: () => Promise<number> }> {
  const { DISPLAY: _x, WAYLAND_DISPLAY: _wayland, ...env } = process.env;
  const child = spawn(process.execPath, [join(repositoryRoot, "build/start.ts"), "--port", "0", ...args], {
    env: { ...env, CONCLAVE_DATA: data },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const stop = async (): Promise<number> => {
    const ended = once(child, "close");
    child.kill("SIGTERM");
    const [status] = (await ended) as [number | null];
    return status ?? -1;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    const address = /http:\/\/127\.0\.0\.1:\d+\/\S*/.exec(line)?.[0];
    if (address !== undefined) return { lines, address, stop };
  }
  throw new Error(`the app ended without telling its address; it said: ${lines.join(" | ")}`);
}

describe.runIf(process.platform === "linux")("without a display", () => {
  it("says in one line why it opens in the browser, serves the app there, and ends when told", async () => {
    const { lines, address, stop } = await start([]);
    try {
      expect(lines).toHaveLength(2);
      expect(lines[0]).toMatch(/^Opening Conclave in the browser .* because there is no display [^.]*\.$/);
      const page = await fetch(address);
      expect(page.status).toBe(200);
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
