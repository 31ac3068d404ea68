/**
 * The app object: readiness, paths, the single-instance lock and the order of events on the way out.
 *
 * `startApp` is called by register.ts after the production main file has been loaded, so importing the double in a unit
 * test starts nothing.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Browser } from "./browser.ts";
import { openWindows } from "./browserWindow.ts";
import { watchDownloads } from "./downloads.ts";
import { preventable } from "./events.ts";
import { InstanceLock } from "./instanceLock.ts";
import { record } from "./record.ts";
import { appEvents, becomeReady, isReady, windowGone } from "./runtime.ts";
import { session } from "./session.ts";
import { strict } from "./strict.ts";
import { endUtilityProcesses } from "./utilityProcess.ts";

type PathName = Parameters<Electron.App["getPath"]>[0];

const paths = new Map<string, string>();
const readiness = Promise.withResolvers<void>();
let lock: InstanceLock | undefined;
let browser: Browser | undefined;
let quitting = false;
let leaving = false;
let sandboxed = false;

/** The package that owns the main file: where Electron reads name and version. */
function manifest(): { folder: string; name: string; productName?: string; version: string } {
  let folder = dirname(resolve(process.argv[1] ?? "."));
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  const file = join(folder, "package.json");
  const found = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as { name?: string; productName?: string; version?: string })
    : {};
  return { folder, name: "Electron", version: "0.0.0", ...found };
}

function defaultPath(name: PathName): string {
  const config = process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config");
  const asked = commandLine.getSwitchValue("user-data-dir");
  switch (name) {
    case "home":
      return homedir();
    case "appData":
      return config;
    case "userData":
    case "sessionData":
      return asked === "" ? join(config, members.getName()) : resolve(asked);
    case "logs":
      return join(members.getPath("userData"), "logs");
    case "crashDumps":
      return join(members.getPath("userData"), "Crashpad");
    case "temp":
      return tmpdir();
    case "exe":
      return process.execPath;
    case "desktop":
      return join(homedir(), "Desktop");
    case "documents":
      return join(homedir(), "Documents");
    case "downloads":
      return join(homedir(), "Downloads");
    default:
      throw new Error(`Failed to get '${name}' path`);
  }
}

function mustBeEarly(method: string): void {
  if (isReady()) throw new Error(`${method} can only be called before app is ready`);
}

/** before-quit, then every window may object, then will-quit, then quit. */
async function quitInOrder(): Promise<void> {
  const before = preventable({});
  app.emit("before-quit", before);
  if (before.defaultPrevented) return;
  quitting = true;
  for (const window of openWindows()) {
    if (!window.closeUnlessPrevented()) {
      quitting = false;
      return;
    }
  }
  const will = preventable({});
  app.emit("will-quit", will);
  quitting = false;
  if (will.defaultPrevented) return;
  await endUtilityProcesses();
  leaving = true;
  await browser?.close();
  members.exit(0);
}

const commandLine = {
  hasSwitch: (name: string) => process.argv.some((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`)),
  getSwitchValue: (name: string) =>
    process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3) ?? "",
  appendSwitch: (name: string, value?: string) => {
    record("app.commandLine", "appendSwitch", [name, value]);
    process.argv.push(value === undefined ? `--${name}` : `--${name}=${value}`);
  },
  appendArgument: (value: string) => void process.argv.push(value),
  removeSwitch: (name: string) => {
    process.argv = process.argv.filter((arg) => arg !== `--${name}` && !arg.startsWith(`--${name}=`));
  },
} satisfies Electron.CommandLine;

const members = {
  commandLine,
  isPackaged: false,
  /** Only macOS has one. */
  dock: undefined,
  name: (manifest().productName ?? manifest().name) as string,
  whenReady: () => readiness.promise,
  isReady,
  quit: (): void => void quitInOrder(),
  exit: (code = 0): void => {
    app.emit("quit", {}, code);
    process.exit(code);
  },
  relaunch: (options?: Electron.RelaunchOptions) => record("app", "relaunch", [options]),
  focus: (options?: Electron.FocusOptions) => record("app", "focus", [options]),
  hide: () => record("app", "hide", []),
  show: () => record("app", "show", []),
  getAppPath: (): string => manifest().folder,
  getPath: (name: PathName): string => paths.get(name) ?? defaultPath(name),
  setPath: (name: string, path: string) => void paths.set(name, path),
  setAppLogsPath: (path?: string) => void paths.set("logs", path ?? defaultPath("logs")),
  getVersion: (): string => manifest().version,
  getName: (): string => members.name,
  setName: (name: string) => {
    members.name = name;
  },
  getLocale: () => "en-GB",
  getSystemLocale: () => "en-GB",
  getPreferredSystemLanguages: () => ["en-GB"],
  enableSandbox: () => {
    mustBeEarly("app.enableSandbox()");
    sandboxed = true;
  },
  disableHardwareAcceleration: () => mustBeEarly("app.disableHardwareAcceleration()"),
  requestSingleInstanceLock: (additionalData?: object): boolean => {
    mkdirSync(members.getPath("userData"), { recursive: true });
    lock ??= new InstanceLock(members.getPath("userData"), (argv, cwd, data) =>
      app.emit("second-instance", {}, argv, cwd, data),
    );
    return lock.acquire(additionalData);
  },
  hasSingleInstanceLock: () => lock?.held ?? false,
  releaseSingleInstanceLock: () => lock?.release(),
  setAppUserModelId: (id: string) => record("app", "setAppUserModelId", [id]),
  setAsDefaultProtocolClient: (protocol: string) => (record("app", "setAsDefaultProtocolClient", [protocol]), true),
  setAboutPanelOptions: (options: Electron.AboutPanelOptionsOptions) =>
    record("app", "setAboutPanelOptions", [options]),
  showAboutPanel: () => record("app", "showAboutPanel", []),
  setBadgeCount: (count?: number) => (record("app", "setBadgeCount", [count]), false),
  addRecentDocument: (path: string) => record("app", "addRecentDocument", [path]),
  setJumpList: () => "ok" as const,
  getAppMetrics: () => [],
  getGPUFeatureStatus: () => ({}) as Electron.GPUFeatureStatus,
  isAccessibilitySupportEnabled: () => false,
  setAccessibilitySupportEnabled: (enabled: boolean) => record("app", "setAccessibilitySupportEnabled", [enabled]),
} satisfies Partial<Electron.App>;

export const app = strict("app", Object.assign(appEvents, members));

export function isSandboxEnabled(): boolean {
  return sandboxed;
}

/** The last window has gone: without a listener Electron quits. */
function onWindowGone(): void {
  if (openWindows().length > 0 || quitting) return;
  if (app.listenerCount("window-all-closed") === 0) members.quit();
  else app.emit("window-all-closed");
}

export async function startApp(): Promise<void> {
  browser = await Browser.start();
  const { connection } = browser;
  process.once("exit", () => browser?.kill());
  connection.browser.once("closed", () => {
    if (!leaving) members.exit(1);
  });
  process.once("SIGTERM", members.quit);
  process.once("SIGINT", members.quit);
  await watchDownloads(connection, browser.profile, (event, item) =>
    session.defaultSession.emit("will-download", event, item, openWindows()[0]?.webContents),
  );
  appEvents.on(windowGone, onWindowGone);
  app.emit("will-finish-launching");
  becomeReady(browser);
  readiness.resolve();
  app.emit("ready", {}, {});
}
