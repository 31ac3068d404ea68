/**
 * What every part of the double needs to know about the running app: whether it is ready, its Chromium, and the events of
 * the `app` object. A leaf, so that the parts do not need each other for it.
 */
import { EventEmitter } from "node:events";
import type { Browser } from "./browser.ts";

/** The emitter that production sees as `app`. */
export const appEvents = new EventEmitter();

/** Emitted on `appEvents` when a window has gone; not an event of Electron's. */
export const windowGone = "electron-double:window-gone";

let browser: Browser | undefined;

export function isReady(): boolean {
  return browser !== undefined;
}

export function theBrowser(): Browser {
  if (!browser) throw new Error("electron-double: Chromium is not running before app is ready");
  return browser;
}

export function becomeReady(started: Browser): void {
  browser = started;
}
