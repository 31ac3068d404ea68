// What a package contains. One list, read by forge.config.ts when it packages and by the packaging test; everything not
// named here stays out: sources, tests, scripts, development dependencies.

import { cpSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";

export type Target = `${string}-${string}`;

/**
 * Beside the addon, which looks for it there once it has found a driver. Only where `npm run build:cuda` has made it: a package
 * without it computes on the processor.
 */
export const cudaLibrary = (target: Target): string =>
  target.startsWith("win32") ? "conclave_cuda.dll" : "libconclave_cuda.so";

/** Folders and files of the repository that ship, relative to the root. @param target such as "linux-x64". */
export function shippedPaths(target: Target): readonly string[] {
  return [
    "package.json",
    "LICENSE",
    ".vite/build",
    "native/package.json",
    "native/index.cjs",
    "out/native/conclave.node",
    `out/native/${cudaLibrary(target)}`,
    "node_modules/better-sqlite3/package.json",
    "node_modules/better-sqlite3/LICENSE",
    "node_modules/better-sqlite3/lib",
    `node_modules/better-sqlite3/prebuilds/${target}.node`,
  ];
}

/**
 * Copied into the package's resources folder, beside the asar, because weights are memory-mapped. Forge copies a folder
 * under its own name, so what ships of models/ is staged first; there it is resources/models.
 */
export const stagedModels = "out/resources/models";
const shippedModels = ["default", "catalog.json"];

/** Brings out/resources/models up to date. @throws one sentence when there is no embedded model. */
export function stageModels(root: string): void {
  const from = join(root, "models");
  if (!existsSync(join(from, "default"))) throw new Error(`the embedded model is missing: ${join(from, "default")}`);
  rmSync(join(root, stagedModels), { recursive: true, force: true });
  for (const name of shippedModels) {
    if (existsSync(join(from, name))) cpSync(join(from, name), join(root, stagedModels, name), { recursive: true });
  }
}

/** Native code is loaded from disk by the system's loader, so it lies beside the asar, under app.asar.unpacked. */
export const unpackedFromAsar = "**/{*.node,libconclave_cuda.so,conclave_cuda.dll}";

/** Stays out wherever it lies. */
const never = /(?:\.map|\.d\.ts|\.test\.[cm]?[jt]sx?)$/;

/**
 * @param path `/`-separated, relative to the root, of a file or of a folder that is about to be walked.
 * @returns whether it ships, or may contain something that does.
 */
export function isShipped(path: string, target: Target): boolean {
  if (path === "") return true;
  if (never.test(path)) return false;
  return shippedPaths(target).some(
    (shipped) => path === shipped || path.startsWith(`${shipped}/`) || shipped.startsWith(`${path}/`),
  );
}
