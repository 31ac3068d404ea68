// Where the app's own files lie. All products of the build are neighbours in one folder (out/app, or .vite/build inside a
// package), two below the app's root, and code is bundled into that folder; so everything is found from this module's URL.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Places {
  /** The built renderer. */
  readonly renderer: string;
  /** Entry of the engine process. */
  readonly engineHost: string;
  readonly preload: string;
  /** Folders that may hold the embedded model, best first. */
  readonly models: readonly string[];
  readonly version: string;
}

/** @param resources Electron's resources folder, where a package keeps the weights beside the archive. */
export function places(resources?: string, products = fileURLToPath(new URL(".", import.meta.url))): Places {
  const manifest = JSON.parse(readFileSync(join(products, "package.json"), "utf8")) as { version: string };
  return {
    renderer: join(products, "renderer"),
    engineHost: join(products, "host.js"),
    preload: join(products, "preload.cjs"),
    models: [
      join(products, "..", "..", "models", "default"),
      ...(resources === undefined ? [] : [join(resources, "default")]),
    ],
    version: manifest.version,
  };
}
