// Where a Vite build puts its products. Forge's Vite plugin insists on `.vite/`; everything else (npm start, the tests)
// uses out/app. Both have the same shape, so code finds its neighbours relative to its own file in either place:
//   main.js web.js host.js chat.js chunk-*.js preload.cjs renderer/index.html package.json
import { fileURLToPath } from "node:url";

export const repositoryRoot = fileURLToPath(new URL("..", import.meta.url));

/** Absolute folder for the products of this build; `FORGE_VITE_KIND` is set by Forge's build workers. */
export function productFolder(): string {
  const folder = process.env["FORGE_VITE_KIND"] === undefined ? "../out/app" : "../.vite/build";
  return fileURLToPath(new URL(folder, import.meta.url));
}
