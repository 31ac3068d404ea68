// `npm start`: builds what is stale and opens the app, on Electron where that can be had, else through its web entry,
// saying in one line why. Owns the choice between the two; flags other than --web go to the app.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { buildAll } from "./buildAll.ts";
import { hasDisplay, noWindowReason, obtainElectron, type Surroundings } from "./desktop.ts";
import { run } from "./run.ts";
import { repositoryRoot } from "./vite.destination.ts";

/** An Electron that ends with an error this soon never showed a window. */
const openedAfterMilliseconds = 10_000;

const surroundings: Surroundings = { platform: process.platform, env: process.env, uid: process.getuid?.() };

/** Opens an address in the user's browser; a missing opener is no error, the address has been printed. */
function openInBrowser(address: string): void {
  const openers: Partial<Record<NodeJS.Platform, [string, ...string[]]>> = {
    darwin: ["open"],
    win32: ["cmd", "/c", "start", ""],
  };
  const [command, ...args] = openers[process.platform] ?? ["xdg-open"];
  spawn(command, [...args, address], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref();
}

/** Runs the web entry to its end. It prints its own address; the first one printed is opened where there is a display. */
function runWeb(args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(repositoryRoot, "out/app/web.js"), ...args], {
      cwd: repositoryRoot,
      stdio: ["inherit", "pipe", "inherit"],
    });
    let opened = !hasDisplay(surroundings);
    // Whoever read our output may leave (`npm start | head -1`); the app goes on.
    process.stdout.on("error", () => child.stdout.resume());
    createInterface({ input: child.stdout }).on("line", (line) => {
      process.stdout.write(`${line}\n`);
      const address = /http:\/\/127\.0\.0\.1:[^\s"]+/.exec(line)?.[0];
      if (opened || address === undefined) return;
      opened = true;
      openInBrowser(address);
    });
    process.on("SIGTERM", () => child.kill("SIGTERM")).on("SIGHUP", () => child.kill("SIGHUP"));
    process.on("SIGINT", () => undefined);
    child.on("close", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 1)));
  });
}

/** Runs the desktop app; null when it never came up, so that the web entry can take over. */
async function runDesktop(path: string, args: readonly string[]): Promise<number | null> {
  const began = performance.now();
  const { status } = await run(path, [join(repositoryRoot, "out/app"), ...args]);
  const endedEarly = performance.now() - began < openedAfterMilliseconds;
  return status !== 0 && status < 128 && endedEarly ? null : status;
}

async function start(args: readonly string[]): Promise<number> {
  const rest = args.filter((arg) => arg !== "--web");
  await buildAll();
  if (rest.length < args.length) return runWeb(rest);
  let reason = noWindowReason(surroundings);
  if (reason === null) {
    const electron = await obtainElectron(process.env);
    if ("path" in electron) {
      const status = await runDesktop(electron.path, rest);
      if (status !== null) return status;
      reason = "Electron ended with an error before it showed a window";
    } else {
      reason = electron.reason;
    }
  }
  process.stdout.write(`Opening Conclave in the browser instead of its own window, because ${reason}.\n`);
  return runWeb(rest);
}

try {
  process.exitCode = await start(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
