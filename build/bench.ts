// `npm run bench [-- FILE OPTIONS]`: builds the engine if stale and hands over to its own bench, by default on the
// embedded model. What is measured, and how, belongs to native/tools.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildAll } from "./buildAll.ts";
import { run } from "./run.ts";
import { repositoryRoot } from "./vite.destination.ts";

function embeddedModel(): string {
  const folder = join(repositoryRoot, "models", "default");
  const file = readdirSync(folder).find((name) => name.endsWith(".gguf"));
  if (file === undefined) throw new Error(`there is no model in ${folder}; name a GGUF file to measure`);
  return join(folder, file);
}

try {
  await buildAll(["native"]);
  const args = process.argv.slice(2);
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const target = named ? args : [embeddedModel(), ...args];
  process.exitCode = (await run(join(repositoryRoot, "out/native/conclave"), ["bench", ...target])).status;
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
