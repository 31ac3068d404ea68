// Entry of the desktop app: lifecycle only. Builds the services once, opens the window on them, and stores everything
// before the process ends.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { app, BrowserWindow, dialog, session } from "electron";
import { type App, createApp } from "../app/createApp.ts";
import { dataFolder } from "../app/dataFolder.ts";
import { createLog } from "../app/log.ts";
import { places } from "../app/places.ts";
import { AppError } from "../contract/errors.ts";
import { defaultSettings, languageFor, type Settings } from "../contract/settings.ts";
import { createEngineClient } from "../engine/engineClient.ts";
import { guardDownloads } from "./downloads.ts";
import { serveIpc } from "./ipc.ts";
import { lockDownContents, lockDownSession } from "./lockDown.ts";
import { openMainWindow } from "./mainWindow.ts";
import { setMenu } from "./menu.ts";
import { nativeTexts } from "./nativeTexts.ts";
import { openExternalSafe } from "./openExternalSafe.ts";
import { registerPageScheme, servePage } from "./pageScheme.ts";
import { spawnWithUtilityProcess } from "./spawnUtility.ts";

const { values: given } = parseArgs({
  args: process.argv.slice(1),
  strict: false,
  options: { data: { type: "string" } },
});
const folder = dataFolder(typeof given.data === "string" ? given.data : undefined);
const log = createLog(join(folder, "logs"));
const { renderer, engineHost, preload, models, version } = places(process.resourcesPath);
/** What the menu and the dialogs say. */
let texts = nativeTexts.en;

app.enableSandbox();
registerPageScheme();
keepBrowserFilesIn(join(folder, "browser"));
lockDownContents((what, url) => log.warning("denied", { what, url }));

if (app.requestSingleInstanceLock()) {
  app.whenReady().then(start).catch(fail);
} else {
  app.exit(0);
}

/** Chromium's own files too: one folder holds all there is, and a second data folder is a second Conclave. */
function keepBrowserFilesIn(browserFolder: string): void {
  try {
    mkdirSync(browserFolder, { recursive: true });
    app.setPath("userData", browserFolder);
  } catch (error) {
    // The same folder refuses the database in a moment, and that is said in a dialog.
    log.error("no browser folder", { error: String(error) });
  }
}

function currentWindow(): BrowserWindow | null {
  return BrowserWindow.getFocusedWindow() ?? BrowserWindow.getAllWindows()[0] ?? null;
}

/** The menu and the dialogs speak as the page does. */
function speak({ language }: Pick<Settings, "language">): void {
  texts = nativeTexts[language === "system" ? languageFor(app.getPreferredSystemLanguages()) : language];
  setMenu(app.isPackaged, texts);
}

function start(): void {
  speak(defaultSettings);
  lockDownSession(session.defaultSession, (what, url) => log.warning("denied", { what, url }));
  guardDownloads(session.defaultSession, app.getPath("downloads"), {
    onDenied: (what, url) => log.warning("denied", { what, url }),
    onFailed: (path) => dialog.showErrorBox("Conclave", `${path} ${texts.notSaved}`),
  });
  servePage(renderer, (error) => log.error("page failed", { error: String(error) }));
  const services = createApp({
    version,
    entry: "desktop",
    dataFolder: folder,
    modelFolders: models,
    engine: createEngineClient({ spawn: spawnWithUtilityProcess(engineHost) }),
    log,
    pickModelFile,
    openExternal: (url) => openExternalSafe(url, currentWindow(), texts),
  });
  services.handlers.settings
    .get({})
    .then(speak, (error: unknown) => log.error("no settings", { error: String(error) }));
  services.subscribe(({ service, event, payload }) => {
    if (service === "settings" && event === "changed") speak(payload as Settings);
  });
  const ipc = serveIpc(services, (channel) => log.warning("denied", { what: "call", channel }));
  const open = (): BrowserWindow => openMainWindow(preload, (window) => ipc.admit(window.webContents));
  open();
  app.on("second-instance", () => {
    const window = currentWindow() ?? open();
    if (window.isMinimized()) window.restore();
    window.focus();
  });
  app.on("activate", () => {
    if (BrowserWindow.getAllWindows().length === 0) open();
  });
  app.on("window-all-closed", () => {
    if (process.platform !== "darwin") app.quit();
  });
  closeBeforeQuit(services);
}

/** Electron does not wait for promises on the way out, so the first quit is held back until everything is stored. */
function closeBeforeQuit(services: App): void {
  let closed = false;
  app.on("will-quit", (event) => {
    if (closed) return;
    event.preventDefault();
    services
      .close()
      .catch((error: unknown) => log.error("closing failed", { error: String(error) }))
      .finally(() => {
        closed = true;
        app.quit();
      });
  });
}

async function pickModelFile(): Promise<string | null> {
  const parent = currentWindow();
  const options = {
    title: texts.useModelFile,
    properties: ["openFile" as const],
    filters: [
      { name: texts.ggufModels, extensions: ["gguf"] },
      { name: texts.allFiles, extensions: ["*"] },
    ],
  };
  const { canceled, filePaths } = await (parent === null
    ? dialog.showOpenDialog(options)
    : dialog.showOpenDialog(parent, options));
  return canceled ? null : (filePaths[0] ?? null);
}

function fail(error: unknown): void {
  const message = error instanceof AppError ? error.message : String(error instanceof Error ? error.stack : error);
  log.error("not started", { error: message });
  dialog.showErrorBox(texts.cannotStart, message);
  app.exit(1);
}
