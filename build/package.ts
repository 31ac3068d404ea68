// `npm run package` and `npm run make`: builds the engine, lets Forge package the app into out/package, and with
// --installers makes the installers of this system: Forge's own (deb, zip) and electron-builder's from the same folder.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildAll } from "./buildAll.ts";
import { obtainElectron } from "./desktop.ts";
import { run, tool } from "./run.ts";
import { repositoryRoot } from "./vite.destination.ts";

const forge = tool("@electron-forge/cli/dist/electron-forge.js");
const builder = tool("electron-builder/cli.js");

async function must(title: string, script: string, args: readonly string[]): Promise<void> {
  const { status } = await run(process.execPath, [script, ...args]);
  if (status !== 0) throw new Error(`${title} failed with status ${status}; its own message is above`);
}

async function makePackage(installers: boolean): Promise<void> {
  await buildAll(["native"]);
  const electron = await obtainElectron(process.env);
  if ("reason" in electron) throw new Error(`the app cannot be packaged, because ${electron.reason}`);
  if (!installers) return must("Packaging", forge, ["package"]);
  await must("Making the deb and zip packages", forge, ["make"]);
  const folder = join(repositoryRoot, "out", "package", `Conclave-${process.platform}-${process.arch}`);
  if (!existsSync(folder)) throw new Error(`Forge reported success but ${folder} does not exist`);
  const prepackaged = process.platform === "darwin" ? join(folder, "Conclave.app") : folder;
  await must("Making the installers", builder, [
    "--prepackaged",
    prepackaged,
    "--config",
    "build/electronBuilder.config.ts",
    "--publish",
    "never",
  ]);
}

try {
  await makePackage(process.argv.includes("--installers"));
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
