/**
 * IPC with one page: injects the preload before any page script, receives what it sends, and delivers to it.
 *
 * Messages come through a binding that exists only in the preload's isolated world of the main frame, so a page script
 * cannot speak to the main process except through what the preload exposes.
 */
import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { ignoreGone, type CdpParams, type CdpSession } from "./cdp.ts";
import { dispatchInvoke, dispatchMessage } from "./ipc.ts";
import { PortTunnel, type MessagePortMain } from "./messagePorts.ts";
import { fromChromium } from "./protocol.ts";
import type { WebContents } from "./webContents.ts";
import { Codec } from "./world/codec.ts";
import { mainWorldScript, preloadScript, preloadWorldName, receiveExpression } from "./world/inject.ts";
import type { ToMain, ToPage } from "./world/preloadWorld.ts";

export class PageIpc {
  readonly ipc = new EventEmitter();
  readonly #contents: WebContents;
  readonly #preload: string | undefined;
  readonly #secret: string;
  readonly #codec = new Codec();
  readonly #tunnel: PortTunnel;
  #cdp: CdpSession | undefined;
  /** The preload world of the current document. */
  #world: number | undefined;

  constructor(contents: WebContents, preload: string | undefined, secret: string) {
    this.#contents = contents;
    this.#preload = preload;
    this.#secret = secret;
    this.#tunnel = new PortTunnel(-1, (frame) => {
      if ("closed" in frame) this.#post({ op: "portClosed", port: frame.port });
      else this.#post({ op: "port", port: frame.port, data: this.#codec.encode(frame.data) });
    });
  }

  async attach(cdp: CdpSession): Promise<void> {
    this.#cdp = cdp;
    cdp.on("Runtime.bindingCalled", (params: CdpParams) => this.#receive(params));
    cdp.on("Runtime.executionContextsCleared", () => {
      this.#world = undefined;
    });
    cdp.on("Runtime.exceptionThrown", (params: CdpParams) => this.#onException(params));
    await cdp.send("Page.addScriptToEvaluateOnNewDocument", { source: mainWorldScript(this.#secret) });
    const facts = {
      platform: process.platform,
      arch: process.arch,
      argv: [],
      versions: {
        electron: process.versions["electron"] ?? "",
        chrome: process.versions["chrome"] ?? "",
        node: process.versions.node,
      },
    };
    await cdp.send("Runtime.addBinding", { name: this.#secret, executionContextName: preloadWorldName });
    await cdp.send("Page.addScriptToEvaluateOnNewDocument", {
      source: preloadScript(
        this.#secret,
        facts,
        this.#preload === undefined ? "" : readFileSync(this.#preload, "utf8"),
      ),
      worldName: preloadWorldName,
    });
  }

  /** A message to a page whose preload has not run is lost, as in Electron. */
  send(channel: string, args: unknown[], transfer: MessagePortMain[]): void {
    const text = this.#codec.encode(args);
    const ports = transfer.map((port) => this.#tunnel.export(port.takeEndpoint()));
    this.#post({ op: "message", channel, args: text, ports });
  }

  closeAll(): void {
    this.#tunnel.closeAll();
  }

  #post(message: ToPage): void {
    if (this.#world === undefined) return;
    const expression = receiveExpression(this.#secret, message);
    this.#cdp?.send("Runtime.evaluate", { expression, contextId: this.#world }).catch(ignoreGone);
  }

  #receive({ name, payload, executionContextId }: CdpParams): void {
    if (name !== this.#secret) return;
    if (this.#world !== executionContextId) this.#tunnel.closeAll();
    this.#world = Number(executionContextId);
    const message = JSON.parse(String(payload)) as ToMain;
    this.#contents.mainFrame.url = fromChromium(message.href);
    switch (message.op) {
      case "invoke":
        void this.#invoke(message);
        return;
      case "send": {
        const ports = message.ports.map((id) => this.#tunnel.import(id));
        dispatchMessage(
          this.#contents,
          this.ipc,
          message.channel,
          this.#codec.decode(message.args) as unknown[],
          ports,
        );
        return;
      }
      case "port":
        this.#tunnel.receive({ port: message.port, data: this.#codec.decode(message.data), ports: [] });
        return;
      case "portClosed":
        this.#tunnel.receive({ port: message.port, closed: true });
        return;
      case "leave":
        this.#contents.announceLeaving(message.to);
        return;
      case "open":
        this.#contents.announceWindowOpen(message.url);
        return;
      case "ready":
    }
  }

  async #invoke({ id, channel, args }: Extract<ToMain, { op: "invoke" }>): Promise<void> {
    const world = this.#world;
    let answer: { ok: boolean; value: string };
    try {
      const value = await dispatchInvoke(this.#contents, channel, this.#codec.decode(args) as unknown[]);
      answer = { ok: true, value: this.#codec.encode(value) };
    } catch (error) {
      answer = { ok: false, value: this.#codec.encode(String(error)) };
    }
    // The document that asked may be gone by now.
    if (this.#world === world) this.#post({ op: "result", id, ...answer });
  }

  #onException({ exceptionDetails }: CdpParams): void {
    const details = exceptionDetails as { executionContextId?: number; exception?: { description?: string } };
    if (details.executionContextId !== this.#world) return;
    this.#contents.emit(
      "preload-error",
      {},
      this.#preload,
      new Error(details.exception?.description ?? "The preload script failed"),
    );
  }
}
