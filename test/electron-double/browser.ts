/**
 * The one Chromium behind the double: starts it headless with a throw-away profile, and opens pages in it.
 *
 * It may assume Linux and a Chromium on disk (CONCLAVE_CHROMIUM, or Debian's). The DevTools port listens on loopback; the
 * test process attaches its own Playwright client to it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CdpConnection, ignoreGone, type CdpParams, type CdpSession } from "./cdp.ts";

const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Headless and quiet: nothing is fetched that a page did not ask for. */
const switches = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-startup-window",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-default-apps",
  "--disable-extensions",
  "--disable-breakpad",
  "--disable-dev-shm-usage",
  "--metrics-recording-only",
  "--password-store=basic",
  "--use-mock-keychain",
  "--force-color-profile=srgb",
  "--hide-scrollbars",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
  "--disable-background-timer-throttling",
  "--disable-features=HttpsUpgrades,Translate,OptimizationHints",
  "--remote-debugging-address=127.0.0.1",
  "--remote-debugging-port=0",
];

/** @returns the path of a Chromium. @throws with the way out when there is none. */
export function chromiumPath(): string {
  const wanted = process.env["CONCLAVE_CHROMIUM"];
  const found = [wanted, ...candidates].find((path) => path !== undefined && existsSync(path));
  if (found === undefined) {
    throw new Error("No Chromium found. Install it (apt-get install chromium) or set CONCLAVE_CHROMIUM to its path.");
  }
  return found;
}

export class Browser {
  readonly endpoint: string;
  readonly connection: CdpConnection;
  readonly #process: ChildProcess;
  readonly profile: string;
  /** Pages that `openPage` made; every other page is a pop-up. */
  readonly #own = new Set<string>();
  #creating: Promise<void> = Promise.resolve();

  private constructor(child: ChildProcess, profile: string, endpoint: string, connection: CdpConnection) {
    this.#process = child;
    this.profile = profile;
    this.endpoint = endpoint;
    this.connection = connection;
  }

  static async start(): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "electron-double-"));
    const child = spawn(chromiumPath(), [...switches, `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const endpoint = await announcedEndpoint(child);
    const connection = await CdpConnection.open(endpoint);
    const browser = new Browser(child, profile, endpoint, connection);
    await browser.#watchForPopups();
    return browser;
  }

  /**
   * A page may open no window by itself, also not by a link without an opener: a new page is held before its first request
   * and closed, unless it is one of ours.
   */
  async #watchForPopups(): Promise<void> {
    const { browser } = this.connection;
    browser.on("Target.attachedToTarget", ({ targetInfo, sessionId, waitingForDebugger }: CdpParams) => {
      if (waitingForDebugger !== true) return;
      const { targetId, type } = targetInfo as { targetId: string; type: string };
      const held = this.connection.session(String(sessionId));
      const isPopup = (): boolean => type === "page" && !this.#own.has(targetId);
      void this.#creating
        .then(async () => {
          if (isPopup()) await this.#closePopup(targetId, held);
          else await held.send("Runtime.runIfWaitingForDebugger");
        })
        .catch(ignoreGone);
    });
    await browser.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: true, flatten: true });
  }

  /** A held pop-up can hold its opener's thread too, so it is let go, with its requests caught, and then closed. */
  async #closePopup(targetId: string, held: CdpSession): Promise<void> {
    await held.send("Fetch.enable", { patterns: [{ urlPattern: "*" }] });
    await held.send("Runtime.runIfWaitingForDebugger");
    await this.connection.browser.send("Target.closeTarget", { targetId });
  }

  /** @param contextId a browser context from `createContext`, or undefined for the default one. */
  async openPage(
    contextId: string | undefined,
    width: number,
    height: number,
  ): Promise<{ targetId: string; session: CdpSession }> {
    const { browser } = this.connection;
    const created = browser.send("Target.createTarget", {
      url: "about:blank",
      newWindow: true,
      width,
      height,
      ...(contextId === undefined ? {} : { browserContextId: contextId }),
    });
    this.#creating = created.then(({ targetId: own }) => void this.#own.add(String(own)), ignoreGone);
    const { targetId } = await created;
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    return { targetId: String(targetId), session: this.connection.session(String(sessionId)) };
  }

  async createContext(): Promise<string> {
    const { browserContextId } = await this.connection.browser.send("Target.createBrowserContext", {
      disposeOnDetach: false,
    });
    return String(browserContextId);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 3000);
    await this.connection.browser.send("Browser.close").catch(ignoreGone);
    await ended;
    clearTimeout(timer);
  }

  /** Synchronous, so that it also works from a process 'exit' handler. */
  kill(): void {
    this.#process.kill("SIGKILL");
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 3 });
  }
}

function announcedEndpoint(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = "";
    const timer = setTimeout(
      () => reject(new Error(`Chromium did not open its DevTools port within 30 s:\n${log}`)),
      30_000,
    );
    child.stderr?.on("data", (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-8192);
      const match = /DevTools listening on (ws:\S+)/.exec(log);
      if (!match?.[1]) return;
      clearTimeout(timer);
      resolve(match[1]);
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`Chromium exited with ${String(code)} before it was ready:\n${log}`));
    });
  });
}
