/**
 * Sessions: permissions, web requests, custom schemes. Each partition is a browser context of its own.
 *
 * Permission handlers are asked ahead of time, whenever they are set and before each load, and Chromium is told the
 * answers; so a denied permission is denied in the page, though the handler does not see the moment of asking.
 */
import { EventEmitter } from "node:events";
import { record } from "./record.ts";
import { SchemeHandlers, toChromium } from "./protocol.ts";
import { appEvents, isReady, theBrowser } from "./runtime.ts";
import { strict } from "./strict.ts";
import type { WebContents } from "./webContents.ts";
import { WebRequest } from "./webRequest.ts";

type RequestHandler = NonNullable<Parameters<Electron.Session["setPermissionRequestHandler"]>[0]>;
type CheckHandler = NonNullable<Parameters<Electron.Session["setPermissionCheckHandler"]>[0]>;
type Permission = Parameters<RequestHandler>[1] & Parameters<CheckHandler>[1];

/** Electron's names and the DevTools names of what each covers. */
const permissionNames: readonly (readonly [electron: string, chromium: readonly string[]])[] = [
  ["clipboard-read", ["clipboard-read"]],
  ["clipboard-sanitized-write", ["clipboard-write"]],
  ["geolocation", ["geolocation"]],
  ["notifications", ["notifications"]],
  ["media", ["camera", "microphone"]],
  ["midi", ["midi"]],
  ["idle-detection", ["idle-detection"]],
  ["display-capture", ["display-capture"]],
  ["storage-access", ["storage-access"]],
  ["window-management", ["window-management"]],
  ["sensors", ["accelerometer", "gyroscope", "magnetometer", "ambient-light-sensor"]],
  ["local-fonts", ["local-fonts"]],
  ["persistent-storage", ["persistent-storage"]],
];

const partitions = new Map<string, Session>();

export class Session extends EventEmitter {
  readonly schemes = new SchemeHandlers();
  readonly protocol = strict("protocol", this.schemes);
  readonly webRequest = new WebRequest();
  readonly partition: string;
  readonly pages = new Set<WebContents>();
  #context: Promise<string | undefined> | undefined;
  #requestHandler: RequestHandler | null = null;
  #checkHandler: CheckHandler | null = null;

  constructor(partition: string) {
    super();
    this.partition = partition;
  }

  isPersistent(): boolean {
    return this.partition === "" || this.partition.startsWith("persist:");
  }

  /** The browser context of this partition; undefined is Chromium's default one. */
  context(): Promise<string | undefined> {
    this.#context ??= this.partition === "" ? Promise.resolve(undefined) : theBrowser().createContext();
    return this.#context;
  }

  setPermissionRequestHandler(handler: RequestHandler | null): void {
    this.#requestHandler = handler;
    this.#refresh();
  }

  setPermissionCheckHandler(handler: CheckHandler | null): void {
    this.#checkHandler = handler;
    this.#refresh();
  }

  setDevicePermissionHandler(handler: unknown): void {
    record("session", "setDevicePermissionHandler", [handler]);
  }

  setDisplayMediaRequestHandler(handler: unknown): void {
    record("session", "setDisplayMediaRequestHandler", [handler]);
  }

  setSpellCheckerEnabled(enable: boolean): void {
    record("session", "setSpellCheckerEnabled", [enable]);
  }

  setSpellCheckerLanguages(languages: string[]): void {
    record("session", "setSpellCheckerLanguages", [languages]);
  }

  setSpellCheckerDictionaryDownloadURL(url: string): void {
    record("session", "setSpellCheckerDictionaryDownloadURL", [url]);
  }

  setCertificateVerifyProc(verify: unknown): void {
    record("session", "setCertificateVerifyProc", [verify]);
  }

  setUserAgent(userAgent: string): void {
    record("session", "setUserAgent", [userAgent]);
  }

  async setProxy(config: Electron.ProxyConfig): Promise<void> {
    record("session", "setProxy", [config]);
  }

  async clearCache(): Promise<void> {
    record("session", "clearCache", []);
  }

  async clearStorageData(options?: Electron.ClearStorageDataOptions): Promise<void> {
    record("session", "clearStorageData", [options]);
  }

  async closeAllConnections(): Promise<void> {
    record("session", "closeAllConnections", []);
  }

  enableNetworkEmulation(options: Electron.EnableNetworkEmulationOptions): void {
    record("session", "enableNetworkEmulation", [options]);
  }

  /** Tells Chromium what the handlers answer for `contents` and the page it is about to show. */
  async applyPermissions(contents: WebContents, url: string): Promise<void> {
    const browserContextId = await this.context();
    const { origin } = new URL(toChromium(url));
    if (origin === "null") return;
    for (const [name, chromiumNames] of permissionNames) {
      const setting = (await this.#allows(contents, name as Permission, url)) ? "granted" : "denied";
      for (const chromiumName of chromiumNames) {
        await theBrowser().connection.browser.send("Browser.setPermission", {
          permission: { name: chromiumName },
          setting,
          origin,
          ...(browserContextId === undefined ? {} : { browserContextId }),
        });
      }
    }
  }

  /** As Electron: no handler allows; the check handler rules queries, the request handler rules prompts; both must agree here. */
  async #allows(contents: WebContents, permission: Permission, url: string): Promise<boolean> {
    const page = contents as unknown as Electron.WebContents;
    const details = { isMainFrame: true, requestingUrl: url };
    if (this.#checkHandler && !this.#checkHandler(page, permission, originOf(url), details)) return false;
    const ask = this.#requestHandler;
    if (!ask) return true;
    return new Promise((resolve) => ask(page, permission, resolve, details));
  }

  #refresh(): void {
    for (const page of this.pages) page.refreshPermissions();
  }
}

/** As Electron hands it to a check handler: scheme, host and a slash. Node gives a custom scheme no origin. */
function originOf(url: string): string {
  return `${/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(url)?.[0] ?? url}/`;
}

function fromPartition(partition: string): Session {
  if (!isReady()) throw new Error("Session can only be received when app is ready");
  const known = partitions.get(partition);
  if (known) return known;
  const made = strict("session", new Session(partition));
  partitions.set(partition, made);
  appEvents.emit("session-created", made);
  return made;
}

export const session = strict("session module", {
  fromPartition,
  get defaultSession(): Session {
    return fromPartition("");
  },
});
