/**
 * One page: loading, navigation policy, scripts, and its half of IPC. The window around it is browserWindow.ts.
 *
 * The page opens asynchronously while Electron's constructor is synchronous; everything sent to Chromium waits for
 * `#opened`, in order.
 */
import { randomBytes } from "node:crypto";
import type { EventEmitter } from "node:events";
import { ignoreGone, type CdpParams, type CdpResult, type CdpSession } from "./cdp.ts";
import { preventable } from "./events.ts";
import type { MessagePortMain } from "./messagePorts.ts";
import { Navigation } from "./navigation.ts";
import { Network } from "./network.ts";
import { PageIpc } from "./pageIpc.ts";
import { fromChromium, toChromium } from "./protocol.ts";
import { PageSettings } from "./pageSettings.ts";
import { record } from "./record.ts";
import { appEvents, theBrowser } from "./runtime.ts";
import type { Session } from "./session.ts";
import type { WebFrame } from "./webFrame.ts";

export type WindowOpenHandler = Parameters<Electron.WebContents["setWindowOpenHandler"]>[0];
type Viewport = { width: number; height: number };

const all = new Map<number, WebContents>();
let nextId = 1;

export class WebContents extends PageSettings {
  readonly id = nextId++;
  readonly session: Session;
  readonly ipc: EventEmitter;
  targetId = "";
  #cdp: CdpSession | undefined;
  #title = "";
  #loading = false;
  #destroyed = false;
  #openHandler: WindowOpenHandler | undefined;
  readonly #navigation = new Navigation(this);
  readonly #pageIpc: PageIpc;
  readonly #opened: Promise<CdpSession>;

  constructor(session: Session, preload: string | undefined, viewport: Viewport) {
    super(viewport);
    this.session = session;
    this.#pageIpc = new PageIpc(this, preload, `electron${randomBytes(8).toString("hex")}`);
    this.ipc = this.#pageIpc.ipc;
    all.set(this.id, this);
    this.#opened = this.#open(viewport);
    this.#opened.catch(ignoreGone);
    appEvents.emit("web-contents-created", preventable({}), this);
  }

  static fromId(id: number): WebContents | undefined {
    return all.get(id);
  }

  static getAllWebContents(): WebContents[] {
    return [...all.values()];
  }

  get mainFrame(): WebFrame {
    return this.#navigation.mainFrame;
  }

  /** A command to the page, after everything sent before it. */
  async command(method: string, params: CdpParams = {}): Promise<CdpResult> {
    return (await this.#opened).send(method, params);
  }

  /** A command whose failure because of a closed page is of no interest. */
  override tell(method: string, params: CdpParams = {}): void {
    this.command(method, params).catch(ignoreGone);
  }

  async loadURL(url: string): Promise<void> {
    await this.#opened;
    await this.session.applyPermissions(this, url);
    this.#navigation.expect(url);
    this.#loading = true;
    const finished = this.#navigation.finished();
    const { errorText } = await this.command("Page.navigate", { url: toChromium(url) });
    if (errorText === undefined) return finished;
    this.#loading = false;
    this.emit("did-fail-load", {}, -2, String(errorText), url, true);
    throw Object.assign(new Error(`${String(errorText).replace("net::", "")} (-2) loading '${url}'`), {
      code: String(errorText),
      url,
    });
  }

  reload(): void {
    this.#navigation.expect(this.getURL());
    this.tell("Page.reload");
  }

  reloadIgnoringCache(): void {
    this.#navigation.expect(this.getURL());
    this.tell("Page.reload", { ignoreCache: true });
  }

  getURL(): string {
    return this.#navigation.url;
  }

  getTitle(): string {
    return this.#title;
  }

  isLoading(): boolean {
    return this.#loading;
  }

  isDestroyed(): boolean {
    return this.#destroyed;
  }

  isCrashed(): boolean {
    return false;
  }

  /** The page tried to go where no page is: another program's scheme. */
  announceLeaving(url: string): void {
    this.#navigation.announceLeaving(url);
  }

  send(channel: string, ...args: unknown[]): void {
    this.#pageIpc.send(channel, args, []);
  }

  postMessage(channel: string, message: unknown, transfer: MessagePortMain[] = []): void {
    this.#pageIpc.send(channel, [message], transfer);
  }

  setWindowOpenHandler(handler: WindowOpenHandler): void {
    this.#openHandler = handler;
  }

  /** @returns what the expression in the page's main world evaluates to, as plain data. */
  async executeJavaScript(code: string, userGesture = false): Promise<unknown> {
    const params = { expression: code, awaitPromise: true, returnByValue: true, userGesture };
    const { result, exceptionDetails } = await this.command("Runtime.evaluate", params);
    if (exceptionDetails)
      throw new Error(
        (exceptionDetails as { exception?: { description?: string } }).exception?.description ??
          "Script failed to execute",
      );
    return (result as { value?: unknown }).value;
  }

  async insertCSS(css: string): Promise<string> {
    await this.executeJavaScript(
      `{const s=new CSSStyleSheet();s.replaceSync(${JSON.stringify(css)});document.adoptedStyleSheets.push(s);}`,
    );
    return randomBytes(8).toString("hex");
  }

  focus(): void {
    this.tell("Page.bringToFront");
  }

  forcefullyCrashRenderer(): void {
    this.tell("Page.crash");
  }

  close(): void {
    this.tell("Page.close");
  }

  destroy(): void {
    theBrowser().connection.browser.send("Target.closeTarget", { targetId: this.targetId }).catch(ignoreGone);
  }

  refreshPermissions(): void {
    const url = this.getURL();
    if (url !== "") this.session.applyPermissions(this, url).catch(ignoreGone);
  }

  async #open(viewport: Viewport): Promise<CdpSession> {
    const { targetId, session: cdp } = await theBrowser().openPage(
      await this.session.context(),
      viewport.width,
      viewport.height,
    );
    this.targetId = targetId;
    this.#cdp = cdp;
    this.session.pages.add(this);
    cdp.once("detached", () => this.#onGone());
    cdp.on("Page.windowOpen", ({ url }: CdpParams) => this.announceWindowOpen(String(url)));
    cdp.on("Target.attachedToTarget", (params: CdpParams) => void this.#onChild(params).catch(ignoreGone));
    cdp.on("Inspector.targetCrashed", () => this.emit("render-process-gone", {}, { reason: "crashed", exitCode: 139 }));
    cdp.on("Runtime.consoleAPICalled", (params: CdpParams) => this.#onConsole(params));
    cdp.on("Page.domContentEventFired", () => this.emit("dom-ready", {}));
    cdp.on("Page.loadEventFired", () => void this.#onLoad().catch(ignoreGone));
    await cdp.send("Page.enable");
    await cdp.send("Runtime.enable");
    await this.#navigation.watch(cdp);
    await this.#pageIpc.attach(cdp);
    await this.#network(cdp).start();
    await cdp.send("Emulation.setFocusEmulationEnabled", { enabled: true });
    await cdp.send("Emulation.setDeviceMetricsOverride", this.metrics);
    await cdp.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: true, flatten: true });
    return cdp;
  }

  #network(cdp: CdpSession): Network {
    return new Network(
      cdp,
      this.session,
      () => this.#navigation.mainFrame.chromiumId,
      (request) => this.#navigation.mayNavigate(request),
    );
  }

  /** Frames in other processes and workers make requests of their own. (Pop-ups are browser.ts's business.) */
  async #onChild(params: CdpParams): Promise<void> {
    const { type } = params["targetInfo"] as { type: string };
    if (type === "page") return;
    const child = theBrowser().connection.session(String(params["sessionId"]));
    await this.#network(child).start().catch(ignoreGone);
    await child.send("Runtime.runIfWaitingForDebugger");
  }

  /** Asks the handler; an allowed window opens without an opener. */
  announceWindowOpen(url: string): void {
    const details = {
      url: fromChromium(url),
      frameName: "",
      features: "",
      disposition: "foreground-tab",
      referrer: { url: this.getURL(), policy: "default" },
    };
    const answer = this.#openHandler?.(details as Electron.HandlerDetails) ?? { action: "allow" };
    record("webContents", "windowOpen", [details.url, answer.action]);
    this.emit("electron-double:window-open", details.url, answer);
  }

  #onConsole({ type, args }: CdpParams): void {
    const message = (args as { value?: unknown; description?: string }[])
      .map((arg) => arg.description ?? String(arg.value))
      .join(" ");
    const level = type === "error" ? "error" : type === "warning" ? "warning" : "info";
    this.emit("console-message", { message, level, frame: this.mainFrame });
  }

  async #onLoad(): Promise<void> {
    this.#loading = false;
    const { result } =
      (await this.#cdp?.send("Runtime.evaluate", { expression: "document.title", returnByValue: true })) ?? {};
    this.#title = String((result as { value?: unknown } | undefined)?.value ?? "");
    this.emit("page-title-updated", preventable({}), this.#title, true);
    if (this.getURL() === "about:blank" || this.getURL() === "") return;
    this.emit("did-finish-load", {});
    this.emit("did-stop-loading", {});
  }

  #onGone(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    all.delete(this.id);
    this.session.pages.delete(this);
    this.#pageIpc.closeAll();
    this.emit("destroyed", {});
  }
}
