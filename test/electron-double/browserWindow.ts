/**
 * BrowserWindow: a Chromium page with Electron's constructor, lifecycle and geometry.
 *
 * The double stands only for hardened windows: a window that asks for Node in the page, for no sandbox or no context
 * isolation, or for webviews is refused, because the double could not show what such a window does.
 */
import { EventEmitter } from "node:events";
import { app, onWindowClosed } from "./app.ts";
import { preventable } from "./events.ts";
import { record } from "./record.ts";
import { session as sessions, type Session } from "./session.ts";
import { WebContents } from "./webContents.ts";

const windows = new Map<number, BrowserWindow>();
let nextId = 1;
let focused: BrowserWindow | null = null;

export function openWindows(): BrowserWindow[] {
  return [...windows.values()];
}

function checkHardened(preferences: Electron.WebPreferences): void {
  const wrong = Object.entries({
    nodeIntegration: preferences.nodeIntegration === true,
    nodeIntegrationInSubFrames: preferences.nodeIntegrationInSubFrames === true,
    nodeIntegrationInWorker: preferences.nodeIntegrationInWorker === true,
    contextIsolation: preferences.contextIsolation === false,
    sandbox: preferences.sandbox === false,
    webSecurity: preferences.webSecurity === false,
    allowRunningInsecureContent: preferences.allowRunningInsecureContent === true,
    webviewTag: preferences.webviewTag === true,
  }).find(([, isWrong]) => isWrong);
  if (wrong)
    throw new Error(
      `electron-double: webPreferences.${wrong[0]} weakens the window; the double only runs hardened windows`,
    );
}

export class BrowserWindow extends EventEmitter {
  readonly id: number;
  readonly webContents: WebContents;
  readonly options: Electron.BrowserWindowConstructorOptions;
  #bounds: Electron.Rectangle;
  #title: string;
  #visible: boolean;
  #state: "normal" | "minimized" | "maximized" | "fullscreen" = "normal";
  #destroyed = false;

  constructor(options: Electron.BrowserWindowConstructorOptions = {}) {
    super();
    if (!app.isReady()) throw new Error("Cannot create BrowserWindow before app is ready");
    const preferences = options.webPreferences ?? {};
    checkHardened(preferences);
    this.id = nextId++;
    this.options = options;
    this.#bounds = { x: options.x ?? 0, y: options.y ?? 0, width: options.width ?? 800, height: options.height ?? 600 };
    this.#title = options.title ?? app.getName();
    this.#visible = options.show ?? true;
    const { width, height } = this.#bounds;
    const owner =
      (preferences.session as unknown as Session | undefined) ?? sessions.fromPartition(preferences.partition ?? "");
    this.webContents = new WebContents(owner, preferences.preload, { width, height });
    windows.set(this.id, this);
    record("BrowserWindow", "constructor", [options]);
    this.webContents.once("did-finish-load", () => this.emit("ready-to-show", {}));
    this.webContents.once("destroyed", () => this.#onGone());
    this.webContents.on("page-title-updated", (event, title: string) => {
      this.emit("page-title-updated", event, title, true);
      if (!event.defaultPrevented) this.#title = title;
    });
    this.webContents.on("electron-double:window-open", (url: string, answer: Electron.WindowOpenHandlerResponse) => {
      if (answer.action !== "allow") return;
      const child = new BrowserWindow({ ...options, ...answer.overrideBrowserWindowOptions });
      void child.loadURL(url);
    });
    if (this.#visible) focused = this;
    app.emit("browser-window-created", {}, this);
  }

  static getAllWindows(): BrowserWindow[] {
    return openWindows();
  }

  static getFocusedWindow(): BrowserWindow | null {
    return focused;
  }

  static fromId(id: number): BrowserWindow | null {
    return windows.get(id) ?? null;
  }

  static fromWebContents(contents: unknown): BrowserWindow | null {
    return openWindows().find((window) => window.webContents === contents) ?? null;
  }

  loadURL(url: string): Promise<void> {
    return this.webContents.loadURL(url);
  }

  reload(): void {
    this.webContents.reload();
  }

  /** Asks: a listener of 'close' may prevent it. */
  close(): void {
    void this.closeAndWait();
  }

  /** @returns false when a listener of 'close' prevented it. */
  async closeAndWait(): Promise<boolean> {
    if (this.#destroyed) return true;
    const event = preventable({});
    this.emit("close", event);
    if (event.defaultPrevented) return false;
    this.destroy();
    return true;
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.webContents.destroy();
    this.#onGone();
  }

  isDestroyed(): boolean {
    return this.#destroyed;
  }

  show(): void {
    this.#visible = true;
    this.emit("show", {});
    this.focus();
  }

  showInactive(): void {
    this.#visible = true;
    this.emit("show", {});
  }

  hide(): void {
    this.#visible = false;
    this.emit("hide", {});
  }

  isVisible(): boolean {
    return this.#visible;
  }

  focus(): void {
    focused = this;
    this.webContents.focus();
    this.emit("focus", {});
  }

  blur(): void {
    if (focused === this) focused = null;
    this.emit("blur", {});
  }

  isFocused(): boolean {
    return focused === this;
  }

  minimize(): void {
    this.#become("minimized", "minimize");
  }

  maximize(): void {
    this.#become("maximized", "maximize");
  }

  unmaximize(): void {
    this.#become("normal", "unmaximize");
  }

  restore(): void {
    this.#become("normal", "restore");
  }

  setFullScreen(on: boolean): void {
    this.#become(on ? "fullscreen" : "normal", on ? "enter-full-screen" : "leave-full-screen");
  }

  isMinimized(): boolean {
    return this.#state === "minimized";
  }

  isMaximized(): boolean {
    return this.#state === "maximized";
  }

  isFullScreen(): boolean {
    return this.#state === "fullscreen";
  }

  getBounds(): Electron.Rectangle {
    return { ...this.#bounds };
  }

  getNormalBounds(): Electron.Rectangle {
    return { ...this.#bounds };
  }

  getContentBounds(): Electron.Rectangle {
    return { ...this.#bounds };
  }

  setBounds(bounds: Partial<Electron.Rectangle>): void {
    this.#bounds = { ...this.#bounds, ...bounds };
    const { width, height } = this.#bounds;
    this.webContents.tell("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    this.emit("resize", {});
  }

  getSize(): number[] {
    return [this.#bounds.width, this.#bounds.height];
  }

  setSize(width: number, height: number): void {
    this.setBounds({ width, height });
  }

  getPosition(): number[] {
    return [this.#bounds.x, this.#bounds.y];
  }

  setPosition(x: number, y: number): void {
    this.setBounds({ x, y });
  }

  getTitle(): string {
    return this.#title;
  }

  setTitle(title: string): void {
    this.#title = title;
  }

  center(): void {
    this.#chrome("center");
  }

  setMinimumSize(width: number, height: number): void {
    this.#chrome("setMinimumSize", width, height);
  }

  setMenu(menu: unknown): void {
    this.#chrome("setMenu", menu);
  }

  removeMenu(): void {
    this.#chrome("removeMenu");
  }

  setMenuBarVisibility(visible: boolean): void {
    this.#chrome("setMenuBarVisibility", visible);
  }

  setAutoHideMenuBar(hide: boolean): void {
    this.#chrome("setAutoHideMenuBar", hide);
  }

  setBackgroundColor(color: string): void {
    this.#chrome("setBackgroundColor", color);
  }

  setTitleBarOverlay(options: Electron.TitleBarOverlayOptions): void {
    this.#chrome("setTitleBarOverlay", options);
  }

  setWindowButtonVisibility(visible: boolean): void {
    this.#chrome("setWindowButtonVisibility", visible);
  }

  setProgressBar(progress: number): void {
    this.#chrome("setProgressBar", progress);
  }

  setIcon(icon: unknown): void {
    this.#chrome("setIcon", icon);
  }

  setContentProtection(enable: boolean): void {
    this.#chrome("setContentProtection", enable);
  }

  flashFrame(flash: boolean): void {
    this.#chrome("flashFrame", flash);
  }

  moveTop(): void {
    this.#chrome("moveTop");
  }

  /** Window furniture that headless Chromium has not got: remembered for the test. */
  #chrome(method: string, ...args: unknown[]): void {
    record("BrowserWindow", method, args);
  }

  #become(state: "normal" | "minimized" | "maximized" | "fullscreen", event: string): void {
    this.#state = state;
    this.emit(event, {});
  }

  #onGone(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    windows.delete(this.id);
    if (focused === this) focused = null;
    this.emit("closed");
    onWindowClosed();
  }
}

/** The double's classes against Electron's: a method that Electron renames or retypes stops compiling here. */
type Checked =
  | "loadURL"
  | "close"
  | "destroy"
  | "isDestroyed"
  | "show"
  | "hide"
  | "focus"
  | "isFocused"
  | "minimize"
  | "maximize"
  | "restore"
  | "setFullScreen"
  | "isMinimized"
  | "isMaximized"
  | "isFullScreen"
  | "getBounds"
  | "getNormalBounds"
  | "setBounds"
  | "getSize"
  | "setSize"
  | "getTitle"
  | "setTitle"
  | "setMenuBarVisibility"
  | "setBackgroundColor"
  | "setTitleBarOverlay";
type CheckedContents =
  | "send"
  | "setWindowOpenHandler"
  | "executeJavaScript"
  | "reload"
  | "getURL"
  | "getTitle"
  | "isLoading"
  | "isDestroyed"
  | "openDevTools"
  | "closeDevTools"
  | "setZoomFactor"
  | "getZoomFactor"
  | "insertCSS"
  | "id";
export type WindowMatches = BrowserWindow extends Pick<Electron.BrowserWindow, Checked> ? true : never;
export type ContentsMatch = WebContents extends Pick<Electron.WebContents, CheckedContents> ? true : never;
export const matches: [WindowMatches, ContentsMatch] = [true, true];
