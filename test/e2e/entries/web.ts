// The web entry: out/app/web.js on a free port, its one-time address opened in the test's Chromium.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Browser, Page } from "@playwright/test";
import { cleanEnvironment, repositoryRoot, type StartedApp } from "./entry.ts";

const startMilliseconds = 60_000;

interface Server {
  readonly url: string;
  readonly child: ChildProcess;
  log(): string;
}

async function startServer(dataFolder: string): Promise<Server> {
  const child = spawn(process.execPath, [join(repositoryRoot, "out/app/web.js"), "--print-json"], {
    cwd: repositoryRoot,
    env: cleanEnvironment(dataFolder),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const failed = (reason: string): void => reject(new Error(`The web entry ${reason}:\n${log}`));
  const timer = setTimeout(() => failed(`gave no address within ${startMilliseconds} ms`), startMilliseconds);
  child.once("exit", (code) => failed(`ended with ${String(code)}`));
  createInterface({ input: child.stdout }).on("line", (line) => {
    log += `${line}\n`;
    const address = /"url":\s*"(http:\/\/127\.0\.0\.1:[^"]+)"/.exec(line)?.[1];
    if (address !== undefined) resolve(address);
  });
  try {
    return { url: await promise, child, log: () => log };
  } finally {
    clearTimeout(timer);
  }
}

/** Processes started by `parent` whose command line names the engine's host. */
function engineProcesses(parent: number): number[] {
  const rows = execFileSync("ps", ["-e", "-o", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n");
  return rows.flatMap((row) => {
    const [, pid = "", ppid = "", args = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
    return Number(ppid) === parent && /host\.js/.test(args) ? [Number(pid)] : [];
  });
}

/** The page's own dialog asks; "Open link" opens a tab, whose request is caught before it leaves the machine. */
async function answerLink(
  page: Page,
  click: () => Promise<void>,
  answer: "open" | "cancel",
): Promise<readonly string[]> {
  const opened: string[] = [];
  await page.context().route(/^https?:\/\/(?!127\.0\.0\.1)/, (route) => {
    opened.push(route.request().url());
    return route.fulfill({ body: "outside" });
  });
  await click();
  const dialog = page.getByRole("dialog", { name: "Open this link?" });
  if (answer === "cancel") {
    await dialog.getByRole("button", { name: "Cancel" }).click();
    return opened;
  }
  const tab = page.context().waitForEvent("page");
  await dialog.getByRole("button", { name: "Open link" }).click();
  await (await tab).waitForLoadState();
  await (await tab).close();
  return opened;
}

export async function startWebEntry(dataFolder: string, browser: Browser): Promise<StartedApp> {
  const server = await startServer(dataFolder);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  await page.goto(server.url);
  return {
    page,
    origin: new URL(server.url).origin,
    log: server.log,
    async killEngine() {
      const engines = engineProcesses(server.child.pid ?? 0);
      if (engines.length === 0) throw new Error(`There is no engine process to kill:\n${server.log()}`);
      for (const pid of engines) process.kill(pid, "SIGKILL");
    },
    answerLink: (click, answer) => answerLink(page, click, answer),
    async saveOffered(click) {
      const download = page.waitForEvent("download");
      await click();
      return (await download).path();
    },
    async addModelFile(path) {
      await page.getByRole("textbox", { name: "Path of a GGUF file" }).fill(path);
      await page.getByRole("button", { name: "Add", exact: true }).click();
    },
    async close() {
      await context.close();
      if (server.child.exitCode !== null) return;
      const ended = once(server.child, "exit");
      server.child.kill("SIGTERM");
      await ended;
    },
  };
}
