/**
 * The peer's installation: node-llama-cpp with its prebuilt CPU library, in a folder of its own so that neither the app
 * nor `npm ci` ever sees it. Installed on first use from the lockfile beside it; nothing is compiled, no script runs.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const peerFolder = fileURLToPath(new URL("./peer", import.meta.url));

/** The package with the CPU library, by platform and architecture. On a Mac with Apple silicon Metal and CPU are one. */
const prebuilt: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

function versionIn(path: string): string | null {
  if (!existsSync(path)) return null;
  const { version } = JSON.parse(readFileSync(path, "utf8")) as { version?: string };
  return version ?? null;
}

function wantedVersion(): string {
  const { dependencies } = JSON.parse(readFileSync(join(peerFolder, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const version = dependencies["node-llama-cpp"];
  if (version === undefined) throw new Error(`${peerFolder}/package.json names no peer`);
  return version;
}

async function npm(args: readonly string[]): Promise<void> {
  const script = process.env.npm_execpath;
  const [command, first] = script?.endsWith(".js") === true ? [process.execPath, [script]] : ["npm", []];
  await promisify(execFile)(command, [...first, ...args, "--ignore-scripts", "--omit=optional", "--loglevel=error"], {
    cwd: peerFolder,
    shell: command === "npm" && process.platform === "win32",
  });
}

/** Version of the installed peer, after installing it if it is missing or another one. Throws with one sentence. */
export async function ensurePeer(say: (line: string) => void): Promise<string> {
  const wanted = wantedVersion();
  const platform = prebuilt[`${process.platform}-${process.arch}`];
  if (platform === undefined)
    throw new Error(`node-llama-cpp has no prebuilt CPU library for ${process.platform}-${process.arch}`);
  const modules = join(peerFolder, "node_modules");
  const installed = [`node-llama-cpp`, `@node-llama-cpp/${platform}`].map((name) =>
    versionIn(join(modules, name, "package.json")),
  );
  if (installed.every((version) => version === wanted)) return wanted;
  say(`Installing node-llama-cpp ${wanted} for comparison ...`);
  // Its optional packages are prebuilt libraries for every GPU, gigabytes of them; only this machine's CPU one is wanted.
  // Not `npm ci`: it refuses a lockfile from which a registry left out another platform's package.
  await npm(["install", "--no-save"]);
  await npm(["install", "--no-save", `@node-llama-cpp/${platform}@${wanted}`]);
  return wanted;
}
