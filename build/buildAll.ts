// Builds what is stale: the native engine (cmake-js), the Node and Electron code, the preload script and the renderer
// (Vite). Owns out/native, out/app and out/stamps. Prints nothing when all is fresh; all chatter goes to stderr, because
// `npm run chat` owns stdout.
//
// cmake-js is kept for what it knows about Windows (finding Visual Studio, the delay-load hook, an import library from
// node-api-headers). native/package.json declares Node-API versions, and that is what keeps cmake-js from downloading
// Node's headers: it then takes them from the npm package node-api-headers.
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { withLock } from "./buildLock.ts";
import { fingerprint, inputFiles, Stamp } from "./fingerprint.ts";
import { type Ended, run, tool, toStderr } from "./run.ts";
import { repositoryRoot } from "./vite.destination.ts";

export type StepName = "native" | "app" | "preload" | "renderer";

interface Step {
  readonly title: string;
  readonly inputs: readonly string[];
  readonly products: readonly string[];
  readonly build: () => Promise<Ended>;
}

const shared = ["package-lock.json", "build/vite.destination.ts"];

function viteBuild(config: string): Promise<Ended> {
  return run(process.execPath, [tool("vite/bin/vite.js"), "build", "--config", config, "--logLevel", "warn"], {
    stdio: toStderr,
  });
}

function nativeBuild(): Promise<Ended> {
  const headers = [tool("node-api-headers/include"), tool("node-addon-api")].map((path) => path.replaceAll("\\", "/"));
  const args = ["build", "--directory", "native", "--out", "out/native", "--config", "Release", "--log-level", "warn"];
  args.push("--parallel", String(availableParallelism()), `--CDCONCLAVE_NODE_API_INCLUDE=${headers.join(";")}`);
  // The generator that plain `cmake -S native -B out/native` picks, so both can share the folder.
  if (process.platform !== "win32") args.push("--prefer-make");
  return run(process.execPath, [tool("cmake-js/bin/cmake-js"), ...args], { stdio: toStderr });
}

export const steps: Readonly<Record<StepName, Step>> = {
  native: {
    title: "native engine",
    inputs: ["native", "package-lock.json"],
    products: ["out/native/conclave.node", `out/native/conclave${process.platform === "win32" ? ".exe" : ""}`],
    build: nativeBuild,
  },
  app: {
    title: "application",
    inputs: ["electron", "native/index.d.ts", "build/vite.main.config.ts", ...shared],
    products: ["main", "web", "host", "chat"].map((name) => `out/app/${name}.js`),
    build: () => viteBuild("build/vite.main.config.ts"),
  },
  preload: {
    title: "preload script",
    inputs: ["electron/preload", "electron/contract", "build/vite.preload.config.ts", ...shared],
    products: ["out/app/preload.cjs"],
    build: () => viteBuild("build/vite.preload.config.ts"),
  },
  renderer: {
    title: "renderer",
    inputs: ["renderer", "electron/contract", "build/vite.renderer.config.ts", ...shared],
    products: ["out/app/renderer/index.html"],
    build: () => viteBuild("build/vite.renderer.config.ts"),
  },
};

export const allSteps: readonly StepName[] = ["native", "app", "preload", "renderer"];

/** TypeScript tests are no part of a product; native tests are built with the engine. */
export function isInput(path: string): boolean {
  return !/\.test\.tsx?$/.test(path) && !path.endsWith(".md");
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function buildStep(name: StepName): Promise<void> {
  const step = steps[name];
  const stamp = new Stamp(repositoryRoot, name);
  const hash = fingerprint(repositoryRoot, inputFiles(repositoryRoot, step.inputs, isInput));
  if (stamp.matches(hash) && step.products.every((path) => existsSync(join(repositoryRoot, path)))) return;
  say(`Building the ${step.title} ...`);
  stamp.clear();
  const began = performance.now();
  const { status, complaint } = await step.build();
  if (status !== 0) throw new Error(complaint ?? `building the ${step.title} failed; the messages above say why`);
  const missing = step.products.filter((path) => !existsSync(join(repositoryRoot, path)));
  if (missing.length > 0) throw new Error(`building the ${step.title} did not produce ${missing.join(", ")}`);
  stamp.set(hash);
  say(`Built the ${step.title} in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
}

/** Brings the named products up to date. Throws with one sentence when a step fails. */
export async function buildAll(names: readonly StepName[] = allSteps): Promise<void> {
  await withLock(join(repositoryRoot, "out", "build.lock"), say, async () => {
    for (const name of names) await buildStep(name);
  });
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const names = allSteps.filter((name) => asked.length === 0 || asked.includes(name));
  const unknown = asked.filter((name) => !allSteps.some((known) => known === name));
  if (unknown.length > 0) {
    say(`There is no build step called ${unknown.join(", ")}; the steps are ${allSteps.join(", ")}.`);
    process.exitCode = 2;
  } else {
    await buildAll(names).catch((error: unknown) => {
      say(`Error: ${error instanceof Error ? error.message : String(error)}.`);
      process.exitCode = 1;
    });
  }
}
