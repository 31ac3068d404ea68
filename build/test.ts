// `npm test`: brings the products up to date and runs every stage, or those named as arguments, in order. Owns the order,
// the closing count and the exit status: a failing stage never hides a later one. Each plain check counts as one test.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildAll } from "./buildAll.ts";
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

async function check(script: string, args: readonly string[]): Promise<Counts> {
  const { status } = await run(process.execPath, [tool(script), ...args]);
  return { ...none, [status === 0 ? "passed" : "failed"]: 1 };
}

async function layers(): Promise<Counts> {
  const violations = checkLayers();
  for (const violation of violations) console.log(describeViolation(violation));
  return { ...none, [violations.length === 0 ? "passed" : "failed"]: 1 };
}

/** Every out/native/*_test: exit status 0, and the counts in its last line; one that gives none counts as failed. */
async function native(): Promise<Counts> {
  const folder = join(repositoryRoot, "out", "native");
  const programs = readdirSync(folder).filter((name) => /_test(\.exe)?$/.test(name));
  if (programs.length === 0) {
    console.log("There are no native tests in out/native.");
    return { ...none, failed: 1 };
  }
  let total = none;
  for (const program of programs.toSorted()) {
    const { status, lastLine } = await runCapturing(join(folder, program));
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

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

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

async function build(): Promise<Counts> {
  return buildAll().then(
    () => none,
    (error: unknown) => {
      console.log(`Error: ${describe(error)}. The stages that need the products are tried all the same.`);
      return { ...none, failed: 1 };
    },
  );
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
