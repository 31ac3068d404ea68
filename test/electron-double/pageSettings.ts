/** The settings of a page that change nothing here, or only its scale: zoom, developer tools, throttling. */
import { EventEmitter } from "node:events";
import { record } from "./record.ts";

export abstract class PageSettings extends EventEmitter {
  #zoom = 1;
  #size: { width: number; height: number };

  constructor(size: { width: number; height: number }) {
    super();
    this.#size = size;
  }

  abstract tell(method: string, params: Record<string, unknown>): void;

  /** Device metrics under which the page sees what a window of this size and zoom shows. */
  get metrics(): Record<string, unknown> {
    const scaled = (pixels: number): number => Math.round(pixels / this.#zoom);
    const { width, height } = this.#size;
    return { width: scaled(width), height: scaled(height), deviceScaleFactor: this.#zoom, mobile: false };
  }

  resize(size: { width: number; height: number }): void {
    this.#size = size;
    this.tell("Emulation.setDeviceMetricsOverride", this.metrics);
  }

  setZoomFactor(factor: number): void {
    this.#zoom = factor;
    this.tell("Emulation.setDeviceMetricsOverride", this.metrics);
  }

  getZoomFactor(): number {
    return this.#zoom;
  }

  setZoomLevel(level: number): void {
    this.setZoomFactor(1.2 ** level);
  }

  getZoomLevel(): number {
    return Math.log(this.#zoom) / Math.log(1.2);
  }

  async setVisualZoomLevelLimits(minimum: number, maximum: number): Promise<void> {
    record("webContents", "setVisualZoomLevelLimits", [minimum, maximum]);
  }

  openDevTools(options?: Electron.OpenDevToolsOptions): void {
    record("webContents", "openDevTools", [options]);
  }

  closeDevTools(): void {
    record("webContents", "closeDevTools", []);
  }

  toggleDevTools(): void {
    record("webContents", "toggleDevTools", []);
  }

  isDevToolsOpened(): boolean {
    return false;
  }

  setIgnoreMenuShortcuts(ignore: boolean): void {
    record("webContents", "setIgnoreMenuShortcuts", [ignore]);
  }

  setBackgroundThrottling(allowed: boolean): void {
    record("webContents", "setBackgroundThrottling", [allowed]);
  }

  setWebRTCIPHandlingPolicy(policy: string): void {
    record("webContents", "setWebRTCIPHandlingPolicy", [policy]);
  }
}
