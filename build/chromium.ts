// Finds a Chromium for the end-to-end tests: the one Playwright downloaded, else the system's, else Debian's package,
// which it installs where it may. Owns that search only; the tests get the path in CONCLAVE_CHROMIUM.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { run, toStderr } from "./run.ts";

const systemPaths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** Path of an installed Chromium or Chrome, or null. CONCLAVE_CHROMIUM overrides the search. */
export function findChromium(): string | null {
  const chosen = process.env["CONCLAVE_CHROMIUM"];
  if (chosen !== undefined && chosen !== "") return chosen;
  return [chromium.executablePath(), ...systemPaths].find((path) => existsSync(path)) ?? null;
}

/** Installs Debian's Chromium as root or through sudo without a password; never asks for one. */
async function installFromDebian(): Promise<void> {
  const prefix = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  const apt = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium"]]) {
    const [command = "", ...rest] = [...apt, ...args];
    const { status } = await run(command, rest, { stdio: toStderr, timeout: 600_000 });
    if (status !== 0) return;
  }
}

/** @throws one sentence that says how to get a Chromium when there is none and none can be installed. */
export async function ensureChromium(): Promise<string> {
  const present = findChromium();
  if (present !== null) return present;
  if (process.platform === "linux" && existsSync("/usr/bin/apt-get")) {
    process.stderr.write("Installing Chromium from Debian's packages for the end-to-end tests ...\n");
    await installFromDebian();
  }
  const installed = findChromium();
  if (installed !== null) return installed;
  throw new Error(
    "No Chromium was found for the end-to-end tests and none could be installed; install the package `chromium`, run `npx playwright install chromium`, or set CONCLAVE_CHROMIUM to a browser's path",
  );
}
