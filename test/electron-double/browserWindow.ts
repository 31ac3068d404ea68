/**
 * BrowserWindow: a Chromium page with Electron's constructor and lifecycle; its outside is windowFrame.ts.
 *
 * The double stands only for hardened windows: a window that asks for Node in the page, for no sandbox or no context
 * isolation, or for webviews is refused, because the double could not show what such a window does.
 */
import { preventable, type PreventableEvent } from "./events.ts";
import { record } from "./record.ts";
import { appEvents, isReady, windowGone } from "./runtime.ts";
import { session as sessions, type Session } from "./session.ts";
import { WebContents } from "./webContents.ts";
import { WindowFrame } from "./windowFrame.ts";

const windows = new Map<number, BrowserWindow>();
let nextId = 1;
let focusedId = 0;

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
  if (!wrong) return;
  throw new Error(
    `electron-double: webPreferences.${wrong[0]} weakens the window; the double only runs hardened windows`,
  );
}

export class BrowserWindow extends WindowFrame {
  readonly id: number;
  readonly webContents: WebContents;
  #title: string;
  #destroyed = false;

  constructor(options: Electron.BrowserWindowConstructorOptions = {}) {
    super(options);
    if (!isReady()) throw new Error("Cannot create BrowserWindow before app is ready");
    const preferences = options.webPreferences ?? {};
    checkHardened(preferences);
    this.id = nextId++;
    this.#title = options.title ?? "";
    const { width, height } = this.getBounds();
    const asked = preferences.session as unknown as Session | undefined;
    const owner = asked ?? sessions.fromPartition(preferences.partition ?? "");
    this.webContents = new WebContents(owner, preferences.preload, { width, height });
    windows.set(this.id, this);
    record("BrowserWindow", "constructor", [options]);
    this.#listen(options);
    if (this.isVisible()) focusedId = this.id;
    appEvents.emit("browser-window-created", {}, this);
  }

  static getAllWindows(): BrowserWindow[] {
    return openWindows();
  }

  static getFocusedWindow(): BrowserWindow | null {
    return BrowserWindow.fromId(focusedId);
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
    this.closeUnlessPrevented();
  }

  /** @returns false when a listener of 'close' prevented it. */
  closeUnlessPrevented(): boolean {
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

  override focus(): void {
    focusedId = this.id;
    this.webContents.focus();
    this.emit("focus", {});
  }

  blur(): void {
    if (focusedId === this.id) focusedId = 0;
    this.emit("blur", {});
  }

  isFocused(): boolean {
    return focusedId === this.id;
  }

  getTitle(): string {
    return this.#title;
  }

  setTitle(title: string): void {
    this.#title = title;
  }

  protected override onResized(size: { width: number; height: number }): void {
    this.webContents.resize(size);
  }

  #listen(options: Electron.BrowserWindowConstructorOptions): void {
    const contents = this.webContents;
    contents.once("did-finish-load", () => this.emit("ready-to-show", {}));
    contents.once("destroyed", () => this.#onGone());
    contents.on("page-title-updated", (event: PreventableEvent, title: string) => {
      this.emit("page-title-updated", event, title, true);
      if (!event.defaultPrevented) this.#title = title;
    });
    contents.on("electron-double:window-open", (url: string, answer: Electron.WindowOpenHandlerResponse) => {
      if (answer.action !== "allow") return;
      const child = new BrowserWindow({ ...options, ...answer.overrideBrowserWindowOptions });
      void child.loadURL(url);
    });
  }

  #onGone(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    windows.delete(this.id);
    this.blur();
    this.emit("closed");
    appEvents.emit(windowGone);
  }
}
