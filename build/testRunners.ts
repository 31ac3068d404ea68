// Vitest and Playwright as stages of `npm test`: runs each with its usual output for people and a JSON report for the
// count. A run that failed without a failed test (a file that does not load, a server that does not start) counts as one
// failure, so that nothing broken can look green.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ensureChromium } from "./chromium.ts";
import { noWindowReason, obtainElectron } from "./desktop.ts";
import { run, tool } from "./run.ts";
import { type Counts, none } from "./testCounts.ts";
import { repositoryRoot } from "./vite.destination.ts";

const vitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
});

const playwrightReport = z.object({
  stats: z.object({ expected: z.number(), unexpected: z.number(), flaky: z.number(), skipped: z.number() }),
});

/** Counts of a Vitest JSON report. @param status exit status of the run that wrote it. */
export function countVitest(report: unknown, status: number): Counts {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = vitestReport.parse(report);
  const failed = numFailedTests === 0 && status !== 0 ? 1 : numFailedTests;
  return { passed: numPassedTests, failed, skipped: numPendingTests + numTodoTests };
}

/**
 * Counts of a Playwright JSON report. A test that passed only on its second try counts as passed, and as `unsteady`: on a
 * loaded machine a real browser may be late once, and whoever reads the end of the run shall know that it was.
 */
export function countPlaywright(report: unknown, status: number): Counts & { unsteady: number } {
  const { expected, unexpected, flaky, skipped } = playwrightReport.parse(report).stats;
  const failed = unexpected === 0 && status !== 0 ? 1 : unexpected;
  return { passed: expected + flaky, failed, skipped, unsteady: flaky };
}

function freshReport(name: string): string {
  const path = join(repositoryRoot, "out", "test", name);
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  return path;
}

function countReport(path: string, status: number, count: (report: unknown, status: number) => Counts): Counts {
  if (!existsSync(path)) return { ...none, failed: 1 };
  return count(JSON.parse(readFileSync(path, "utf8")), status);
}

export async function runUnit(): Promise<Counts> {
  const report = freshReport("unit.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const { status } = await run(process.execPath, [tool("vitest/vitest.mjs"), "run", ...reporters]);
  return countReport(report, status, countVitest);
}

async function runPlaywright(name: string, projects: readonly string[], env: NodeJS.ProcessEnv): Promise<Counts> {
  const report = freshReport(`${name}.json`);
  const args = ["test", "--config", "test/e2e/playwright.config.ts", "--retries=1", "--reporter=list,json"];
  const { status } = await run(
    process.execPath,
    [tool("@playwright/test/cli.js"), ...args, ...projects.map((project) => `--project=${project}`)],
    { env: { ...process.env, ...env, PLAYWRIGHT_JSON_OUTPUT_NAME: report } },
  );
  return countReport(report, status, (parsed, exitStatus) => {
    const { unsteady, ...counts } = countPlaywright(parsed, exitStatus);
    if (unsteady > 0) console.log(`${unsteady} of them passed only on the second try (listed above as "flaky").`);
    return counts;
  });
}

/** The specs on both entries that need no Electron: the web entry, and electron/main on the stand-in. */
export async function runEndToEnd(): Promise<Counts> {
  const chromium = await ensureChromium();
  return runPlaywright("e2e", ["web", "electron-double"], { CONCLAVE_CHROMIUM: chromium });
}

/** The same specs on the real Electron; where it cannot run, says so and counts as one skipped test. */
export async function runElectron(): Promise<Counts> {
  const surroundings = { platform: process.platform, env: process.env, uid: undefined };
  let reason = noWindowReason(surroundings);
  if (reason === null) {
    const electron = await obtainElectron(process.env);
    if ("path" in electron) return runPlaywright("electron", ["electron"], { CONCLAVE_ELECTRON: electron.path });
    reason = electron.reason;
  }
  console.log(`SKIPPED: nothing was tested on the real Electron, because ${reason}.`);
  return { ...none, skipped: 1 };
}
