// `npm test`: brings the products up to date and runs every stage, or those named as arguments, in order. Owns the order,
// the closing count and the exit status: a failing stage never hides a later one. Each plain check counts as one test.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { allSteps, buildAll } from "./buildAll.ts";
import { checkLayers, describeViolation } from "./layers.ts";
import { run, tool } from "./run.ts";
import { add, type Counts, countsLine, none, parseCountsLine } from "./testCounts.ts";
import { runElectron, runEndToEnd, runUnit } from "./testRunners.ts";
import { repositoryRoot } from "./vite.destination.ts";
import { runCapturing } from "./runCapturing.ts";

interface Stage {
  readonly title: string;
  /** Whether it needs the built products. */
  readonly built: boolean;
  /** Part of `npm test` without arguments. */
  readonly byDefault: boolean;
  readonly run: () => Promise<Counts>;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function check(script: string, args: readonly string[]): Promise<Counts> {
  const { status } = await run(process.execPath, [tool(script), ...args]);
  return { ...none, [status === 0 ? "passed" : "failed"]: 1 };
}

async function layers(): Promise<Counts> {
  const violations = checkLayers();
  for (const violation of violations) console.log(describeViolation(violation));
  return { ...none, [violations.length === 0 ? "passed" : "failed"]: 1 };
}

/**
 * One program for each native/test/*_test.cpp: exit status 0, and the counts in its last line; one that gives none counts
 * as failed. The sources are listed, not the programs, so that neither a missing nor a left-over program goes unnoticed.
 */
async function native(): Promise<Counts> {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const programs = readdirSync(join(repositoryRoot, "native", "test"))
    .filter((name) => name.endsWith("_test.cpp"))
    .map((name) => name.replace(/\.cpp$/, suffix));
  if (programs.length === 0) throw new Error("there is no native test in native/test");
  let total = none;
  for (const program of programs.toSorted()) {
    const { status, lastLine } = await runCapturing(join(repositoryRoot, "out", "native", program)).catch(
      (error: unknown) => ({ status: describe(error), lastLine: "" }),
    );
    const counts = parseCountsLine(lastLine);
    if (counts === null || (status !== 0 && counts.failed === 0)) {
      console.log(`${program} ended with status ${status} and without reporting what failed.`);
      total = add(total, { ...(counts ?? none), failed: 1 });
    } else {
      total = add(total, counts);
    }
  }
  return total;
}

const stages: Readonly<Record<string, Stage>> = {
  types: {
    title: "types",
    built: false,
    byDefault: true,
    run: () => check("typescript/bin/tsc", ["--project", "."]),
  },
  lint: { title: "lint", built: false, byDefault: true, run: () => check("oxlint/bin/oxlint", ["--deny-warnings"]) },
  format: { title: "format", built: false, byDefault: true, run: () => check("oxfmt/bin/oxfmt", ["--check"]) },
  layers: { title: "layers", built: false, byDefault: true, run: layers },
  native: { title: "native tests", built: true, byDefault: true, run: native },
  unit: { title: "unit and integration tests", built: true, byDefault: true, run: runUnit },
  e2e: { title: "end-to-end tests", built: true, byDefault: true, run: runEndToEnd },
  electron: { title: "end-to-end tests on Electron", built: true, byDefault: false, run: runElectron },
};

async function runStage(stage: Stage): Promise<Counts> {
  console.log(`\n== ${stage.title} ==`);
  const began = performance.now();
  const counts = await stage.run().catch((error: unknown): Counts => {
    console.log(`Error: ${describe(error)}.`);
    return { ...none, failed: 1 };
  });
  console.log(`-- ${stage.title}: ${countsLine(counts)} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return counts;
}

/** Each step by itself: an engine that does not compile must not keep the renderer's tests from running. */
async function build(): Promise<Counts> {
  let counts = none;
  for (const name of allSteps) {
    await buildAll([name]).catch((error: unknown) => {
      console.log(`Error: ${describe(error)}. The stages that need it are tried all the same.`);
      counts = add(counts, { ...none, failed: 1 });
    });
  }
  return counts;
}

async function test(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => stages[name] === undefined);
  if (unknown.length > 0) {
    console.error(
      `There is no test stage called ${unknown.join(", ")}; the stages are ${Object.keys(stages).join(", ")}.`,
    );
    return 2;
  }
  const chosen = Object.entries(stages)
    .filter(([name, { byDefault }]) => (names.length === 0 ? byDefault : names.includes(name)))
    .map(([, stage]) => stage);
  let total = chosen.some(({ built }) => built) ? await build() : none;
  for (const stage of chosen) total = add(total, await runStage(stage));
  console.log(`\n${countsLine(total)}`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await test(process.argv.slice(2));
