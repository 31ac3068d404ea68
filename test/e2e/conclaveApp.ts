// The one fixture of the end-to-end tests: a fresh app with its own data folder, on the entry its project names.
// On failure it attaches the screen and what the app printed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, type Browser, type Page } from "@playwright/test";
import { chromiumPath } from "../electron-double/browser.ts";
import { electronPath, startOnElectron } from "./entries/electron.ts";
import { startOnDouble } from "./entries/electronDouble.ts";
import type { Entry, StartedApp } from "./entries/entry.ts";
import { startWebEntry } from "./entries/web.ts";

export interface EntryOption {
  readonly entry: Entry;
}

export class ConclaveApp {
  readonly entry: Entry;
  readonly dataFolder: string;
  readonly #browser: Browser;
  #started: StartedApp | undefined;

  constructor(entry: Entry, dataFolder: string, browser: Browser) {
    this.entry = entry;
    this.dataFolder = dataFolder;
    this.#browser = browser;
  }

  /** The window or tab of the app as it runs now; another one after `restart`. */
  get page(): Page {
    return this.running.page;
  }

  get running(): StartedApp {
    if (this.#started === undefined) throw new Error("The app is not running");
    return this.#started;
  }

  /** @param composerName what the message box is called in the app's language. */
  async start(composerName = "Message"): Promise<Page> {
    this.#started = await this.#startEntry();
    await this.page.getByRole("textbox", { name: composerName }).waitFor({ timeout: 30_000 });
    return this.page;
  }

  /** Closes the app as a user does and opens it again on the same data. `between` may change what lies on disk. */
  async restart(between: () => void | Promise<void> = () => undefined, composerName?: string): Promise<Page> {
    await this.close();
    await between();
    return this.start(composerName);
  }

  killEngine(): Promise<void> {
    return this.running.killEngine();
  }

  async close(): Promise<void> {
    const started = this.#started;
    this.#started = undefined;
    await started?.close();
  }

  #startEntry(): Promise<StartedApp> {
    switch (this.entry) {
      case "web":
        return startWebEntry(this.dataFolder, this.#browser);
      case "electron-double":
        return startOnDouble(this.dataFolder);
      case "electron":
        return startOnElectron(this.dataFolder);
    }
  }
}

export const test = base.extend<EntryOption & { conclaveApp: ConclaveApp }, { chromiumBrowser: Browser }>({
  entry: ["web", { option: true }],
  chromiumBrowser: [
    async ({ playwright }, use) => {
      const browser = await playwright.chromium.launch({
        executablePath: chromiumPath(),
        args: ["--no-sandbox", "--disable-gpu"],
      });
      await use(browser);
      await browser.close();
    },
    { scope: "worker" },
  ],
  conclaveApp: async ({ entry, chromiumBrowser }, use, testInfo) => {
    testInfo.skip(
      entry === "electron" && electronPath() === undefined,
      "No Electron binary: nothing is tested on the real Electron. Use npm run test:electron.",
    );
    const folder = mkdtempSync(join(tmpdir(), "conclave-e2e-"));
    const app = new ConclaveApp(entry, folder, chromiumBrowser);
    try {
      await app.start();
      await use(app);
      if (testInfo.status !== testInfo.expectedStatus) {
        await testInfo.attach("screen", { body: await app.page.screenshot(), contentType: "image/png" });
        await testInfo.attach("log", { body: app.running.log(), contentType: "text/plain" });
      }
    } finally {
      await app.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

export { expect } from "@playwright/test";
