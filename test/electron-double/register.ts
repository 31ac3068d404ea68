/**
 * Load with `node --import .../register.ts out/app/main.js`: makes the bare specifier `electron` mean the double, gives the
 * process the facts Electron's main process has, and starts the app once the main file has been evaluated.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { app, startApp } from "./app.ts";
import { listenToTest } from "./control.ts";

const door = new URL("./electron.ts", import.meta.url).href;
const { version } = JSON.parse(
  readFileSync(new URL("../../node_modules/electron/package.json", import.meta.url), "utf8"),
) as { version: string };

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === "electron" || specifier === "electron/main") return { url: door, shortCircuit: true };
    return next(specifier, context);
  },
});

Object.defineProperties(process, {
  versions: { value: Object.freeze({ ...process.versions, electron: version, chrome: "150.0.0.0" }) },
  type: { value: "browser" },
  resourcesPath: { value: app.getAppPath() },
  defaultApp: { value: true },
});

listenToTest();
// The main file is evaluated after this module; Electron, too, becomes ready only after that.
setImmediate(() => void startApp());
