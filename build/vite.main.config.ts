// Everything that runs in Node or in Electron's main and utility processes, as ES modules that share chunks. Native code
// stays outside: better-sqlite3 finds its own binary, and the addon's door is imported by the path that leads to it from
// the product folder. All chunks lie in that one folder, so neighbours are found from any of them.
import { builtinModules } from "node:module";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { productFolder, repositoryRoot } from "./vite.destination.ts";

/** Product name -> source. Each is started by its own command or process. */
export const nodeEntries = {
  main: "electron/main/main.ts",
  web: "electron/web/main.ts",
  host: "electron/engine/host.ts",
  chat: "electron/cli/chat.ts",
};

// ws loads the last two when they happen to be installed and works without them.
const external = ["electron", "better-sqlite3", "bufferutil", "utf-8-validate", ...builtinModules, /^node:/];

/** native/index.cjs stays a file of its own, two folders above every product. */
function addonDoor(): Plugin {
  return {
    name: "conclave:addon-door",
    enforce: "pre",
    resolveId(source) {
      return /(?:^|\/)native\/index\.cjs$/.test(source) ? { id: "../../native/index.cjs", external: true } : null;
    },
  };
}

/** Chunks are named after what they hold, so those of an earlier build can outlive their reason. */
function withoutOldChunks(): Plugin {
  return {
    name: "conclave:without-old-chunks",
    buildStart() {
      const folder = productFolder();
      const names = existsSync(folder) ? readdirSync(folder) : [];
      for (const name of names.filter((file) => file.startsWith("chunk-"))) rmSync(join(folder, name));
    },
  };
}

/** Electron started on the product folder takes the app's name and version from a package.json in it. */
function identity(): Plugin {
  const manifest: unknown = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  const { name, productName, version } = manifest as Record<string, unknown>;
  return {
    name: "conclave:identity",
    generateBundle() {
      const source = JSON.stringify({ name, productName, version, type: "module", main: "main.js" }, null, 2);
      this.emitFile({ type: "asset", fileName: "package.json", source: `${source}\n` });
    },
  };
}

export default defineConfig({
  root: repositoryRoot,
  publicDir: false,
  plugins: [addonDoor(), withoutOldChunks(), identity()],
  resolve: { conditions: ["node", "import", "module", "default"], mainFields: ["module", "main"] },
  ssr: {
    noExternal: true,
    external: ["better-sqlite3"],
    resolve: { conditions: ["node", "import", "module", "default"] },
  },
  build: {
    // Code for Node: `new URL(..., import.meta.url)` is an address on disk there, not an asset to bundle.
    ssr: true,
    outDir: productFolder(),
    emptyOutDir: false,
    target: "node24",
    minify: false,
    sourcemap: true,
    lib: {
      entry: Object.fromEntries(Object.entries(nodeEntries).map(([name, path]) => [name, join(repositoryRoot, path)])),
      formats: ["es"],
      fileName: (_format, name) => `${name}.js`,
    },
    rolldownOptions: {
      platform: "node",
      external,
      makeAbsoluteExternalsRelative: false,
      output: { chunkFileNames: "chunk-[name].js" },
    },
  },
});
