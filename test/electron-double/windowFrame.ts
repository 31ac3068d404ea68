/** The outside of a window: size, state, visibility and furniture. Headless Chromium shows none of it; the app's view is kept. */
import { EventEmitter } from "node:events";
import { record } from "./record.ts";

type WindowState = "normal" | "minimized" | "maximized" | "fullscreen";

export abstract class WindowFrame extends EventEmitter {
  #bounds: Electron.Rectangle;
  #visible: boolean;
  #state: WindowState = "normal";

  constructor({ x = 0, y = 0, width = 800, height = 600, show = true }: Electron.BrowserWindowConstructorOptions) {
    super();
    this.#bounds = { x, y, width, height };
    this.#visible = show;
  }

  protected abstract onResized(size: { width: number; height: number }): void;
  abstract focus(): void;

  show(): void {
    this.showInactive();
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
    return this.getBounds();
  }

  getContentBounds(): Electron.Rectangle {
    return this.getBounds();
  }

  setBounds(bounds: Partial<Electron.Rectangle>): void {
    this.#bounds = { ...this.#bounds, ...bounds };
    this.onResized(this.#bounds);
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

  center(): void {
    record("BrowserWindow", "center", []);
  }

  moveTop(): void {
    record("BrowserWindow", "moveTop", []);
  }

  setMinimumSize(width: number, height: number): void {
    record("BrowserWindow", "setMinimumSize", [width, height]);
  }

  setMenu(menu: unknown): void {
    record("BrowserWindow", "setMenu", [menu]);
  }

  removeMenu(): void {
    record("BrowserWindow", "removeMenu", []);
  }

  setMenuBarVisibility(visible: boolean): void {
    record("BrowserWindow", "setMenuBarVisibility", [visible]);
  }

  setAutoHideMenuBar(hide: boolean): void {
    record("BrowserWindow", "setAutoHideMenuBar", [hide]);
  }

  setBackgroundColor(color: string): void {
    record("BrowserWindow", "setBackgroundColor", [color]);
  }

  setTitleBarOverlay(options: Electron.TitleBarOverlayOptions): void {
    record("BrowserWindow", "setTitleBarOverlay", [options]);
  }

  setWindowButtonVisibility(visible: boolean): void {
    record("BrowserWindow", "setWindowButtonVisibility", [visible]);
  }

  setProgressBar(progress: number): void {
    record("BrowserWindow", "setProgressBar", [progress]);
  }

  setIcon(icon: unknown): void {
    record("BrowserWindow", "setIcon", [icon]);
  }

  setContentProtection(enable: boolean): void {
    record("BrowserWindow", "setContentProtection", [enable]);
  }

  flashFrame(flash: boolean): void {
    record("BrowserWindow", "flashFrame", [flash]);
  }

  #become(state: WindowState, event: string): void {
    this.#state = state;
    this.emit(event, {});
  }
}
