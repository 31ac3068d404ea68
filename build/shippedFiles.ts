// What a package contains. One list, read by forge.config.ts when it packages and by the packaging test; everything not
// named here stays out: sources, tests, scripts, development dependencies.

export type Target = `${string}-${string}`;

/** Folders and files of the repository that ship, relative to the root. @param target such as "linux-x64". */
export function shippedPaths(target: Target): readonly string[] {
  return [
    "package.json",
    "LICENSE",
    ".vite/build",
    "native/package.json",
    "native/index.cjs",
    "out/native/conclave.node",
    "node_modules/better-sqlite3/package.json",
    "node_modules/better-sqlite3/LICENSE",
    "node_modules/better-sqlite3/lib",
    `node_modules/better-sqlite3/prebuilds/${target}.node`,
  ];
}

/** Copied beside the asar into the resources folder (so: resources/default), because weights are memory-mapped. */
export const extraResources: readonly string[] = ["models/default"];

/** Native code is loaded from disk by the system's loader, so it lies beside the asar, under app.asar.unpacked. */
export const unpackedFromAsar = "**/*.node";

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
