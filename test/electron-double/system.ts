/**
 * The small modules around the desktop. What leaves the app (a browser, a file manager, a notification) is recorded and
 * does not happen; what the app reads back (clipboard, secrets, theme) works.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { app } from "./app.ts";
import { openWindows } from "./browserWindow.ts";
import { record, takeAnswer } from "./record.ts";
import { strict } from "./strict.ts";

export const shell = strict("shell", {
  openExternal: async (url: string, options?: Electron.OpenExternalOptions) => {
    record("shell", "openExternal", [url, options]);
  },
  /** Electron answers with '' for success, or the reason; the test may prepare a reason. */
  openPath: async (path: string) => {
    record("shell", "openPath", [path]);
    return String(takeAnswer("openPath") ?? "");
  },
  showItemInFolder: (path: string) => record("shell", "showItemInFolder", [path]),
  trashItem: async (path: string) => record("shell", "trashItem", [path]),
  beep: () => record("shell", "beep", []),
} satisfies Partial<Electron.Shell>);

let clipboardText = "";
export const clipboard = strict("clipboard", {
  readText: async () => clipboardText,
  writeText: async (text: string) => {
    clipboardText = text;
  },
  clear: () => {
    clipboardText = "";
  },
} satisfies Partial<Electron.Clipboard>);

let source: Electron.NativeTheme["themeSource"] = "system";
const theme = Object.assign(new EventEmitter(), {
  shouldUseHighContrastColors: false,
  shouldUseInvertedColorScheme: false,
  inForcedColorsMode: false,
  prefersReducedTransparency: false,
});
export const nativeTheme = strict(
  "nativeTheme",
  Object.defineProperties(theme, {
    shouldUseDarkColors: { enumerable: true, get: () => source === "dark" },
    themeSource: {
      enumerable: true,
      get: () => source,
      set: (wanted: Electron.NativeTheme["themeSource"]) => {
        source = wanted;
        const features = [{ name: "prefers-color-scheme", value: wanted === "system" ? "" : wanted }];
        for (const window of openWindows()) window.webContents.tell("Emulation.setEmulatedMedia", { features });
        theme.emit("updated");
      },
    },
  }) as typeof theme & Pick<Electron.NativeTheme, "themeSource" | "shouldUseDarkColors">,
);

/** As Electron on Linux without a keyring: reversible, and `getSelectedStorageBackend` says so. */
function storageKey(): Buffer {
  const file = join(app.getPath("userData"), "safeStorage.double");
  mkdirSync(dirname(file), { recursive: true });
  if (!existsSync(file)) writeFileSync(file, randomBytes(32));
  return readFileSync(file);
}

export const safeStorage = strict("safeStorage", {
  isEncryptionAvailable: () => app.isReady(),
  getSelectedStorageBackend: () => "basic_text" as const,
  setUsePlainTextEncryption: (use: boolean) => record("safeStorage", "setUsePlainTextEncryption", [use]),
  encryptString: (text: string) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", storageKey(), nonce);
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([Buffer.from("v10"), nonce, cipher.getAuthTag(), body]);
  },
  decryptString: (sealed: Buffer) => {
    if (sealed.subarray(0, 3).toString() !== "v10")
      throw new Error("Error while decrypting the ciphertext provided to safeStorage.decryptString.");
    const decipher = createDecipheriv("aes-256-gcm", storageKey(), sealed.subarray(3, 15));
    decipher.setAuthTag(sealed.subarray(15, 31));
    return decipher.update(sealed.subarray(31), undefined, "utf8") + decipher.final("utf8");
  },
} satisfies Partial<Electron.SafeStorage>);

export const powerMonitor = strict(
  "powerMonitor",
  Object.assign(new EventEmitter(), {
    onBatteryPower: false,
    isOnBatteryPower: () => false,
    getSystemIdleTime: () => 0,
    getSystemIdleState: () => "active" as const,
    getCurrentThermalState: () => "nominal" as const,
  }),
);

let blockers = 0;
export const powerSaveBlocker = strict("powerSaveBlocker", {
  start: (type: "prevent-app-suspension" | "prevent-display-sleep") => (
    record("powerSaveBlocker", "start", [type]),
    ++blockers
  ),
  stop: (id: number) => (record("powerSaveBlocker", "stop", [id]), true),
  isStarted: (id: number) => id <= blockers,
} satisfies Partial<Electron.PowerSaveBlocker>);

const area = { x: 0, y: 0, width: 1920, height: 1080 };
const display = {
  id: 1,
  label: "Double",
  bounds: area,
  workArea: area,
  size: { width: 1920, height: 1080 },
  workAreaSize: { width: 1920, height: 1080 },
  scaleFactor: 1,
  rotation: 0,
  internal: true,
};
export const screen = strict(
  "screen",
  Object.assign(new EventEmitter(), {
    getPrimaryDisplay: () => display,
    getAllDisplays: () => [display],
    getDisplayMatching: () => display,
    getDisplayNearestPoint: () => display,
    getCursorScreenPoint: () => ({ x: 0, y: 0 }),
  }),
);

export class Notification extends EventEmitter {
  readonly title: string;
  readonly body: string;

  constructor(options: Electron.NotificationConstructorOptions = {}) {
    super();
    this.title = options.title ?? "";
    this.body = options.body ?? "";
  }

  static isSupported(): boolean {
    return true;
  }

  show(): void {
    record("Notification", "show", [this.title, this.body]);
    this.emit("show", {});
  }

  close(): void {
    this.emit("close", {});
  }
}
