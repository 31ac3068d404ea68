// The preload script: one CommonJS file, because a sandboxed preload can require nothing but `electron`.
import { join } from "node:path";
import { defineConfig } from "vite";
import { productFolder, repositoryRoot } from "./vite.destination.ts";

export default defineConfig({
  root: repositoryRoot,
  publicDir: false,
  build: {
    outDir: productFolder(),
    emptyOutDir: false,
    target: "chrome152",
    minify: false,
    sourcemap: "inline",
    rolldownOptions: {
      input: join(repositoryRoot, "electron/preload/preload.ts"),
      external: ["electron"],
      output: { format: "cjs", codeSplitting: false, entryFileNames: "preload.cjs" },
    },
  },
});
