/**
 * What a sandboxed preload script sees: `require('electron')` with contextBridge, ipcRenderer and webFrame, and nothing of
 * Node beyond a few facts in `process`. Runs in an isolated world of the page, before the page's own scripts.
 *
 * Self-contained: injected as source text. Talks to the main process through one CDP binding that exists only in this world.
 */
import type { Bridge } from "./bridge.ts";
import type { Codec } from "./codec.ts";

/** Page to main process. `args` and `data` are `Codec` text. */
export type ToMain =
  | { op: "ready"; href: string }
  | { op: "leave"; href: string; to: string }
  | { op: "open"; href: string; url: string }
  | { op: "invoke"; href: string; id: number; channel: string; args: string }
  | { op: "send"; href: string; channel: string; args: string; ports: number[] }
  | { op: "port"; href: string; port: number; data: string }
  | { op: "portClosed"; href: string; port: number };
/** Main process to page. */
export type ToPage =
  | { op: "result"; id: number; ok: boolean; value: string }
  | { op: "message"; channel: string; args: string; ports: number[] }
  | { op: "port"; port: number; data: string }
  | { op: "portClosed"; port: number };
export type WorldFacts = { platform: string; arch: string; versions: Record<string, string>; argv: string[] };
type Listener = (event: { sender: unknown; ports: MessagePort[] }, ...args: unknown[]) => void;

export class PreloadWorld {
  readonly #codec: Codec;
  readonly #bridge: Bridge;
  readonly #facts: WorldFacts;
  readonly #post: (message: ToMain) => void;
  readonly #waiting = new Map<
    number,
    { channel: string; resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  readonly #listeners = new Map<string, { listener: Listener; once: boolean }[]>();
  readonly #ports = new Map<number, MessagePort>();
  readonly #exposed = new Set<string>();
  #nextId = 1;

  constructor(codec: Codec, bridge: Bridge, facts: WorldFacts, post: (text: string) => void) {
    this.#codec = codec;
    this.#bridge = bridge;
    this.#facts = facts;
    this.#post = (message) => post(JSON.stringify(message));
  }

  run(preload: (require: unknown, process: unknown, module: unknown, exports: unknown) => void): void {
    const module = { exports: {} };
    // Tells the main process which world to deliver to, before the preload can miss a message.
    this.#post({ op: "ready", href: location.href });
    this.#stayOnForeignSchemes();
    preload(this.#require(), this.#process(), module, module.exports);
  }

  /**
   * A link to another program (mailto:, ms-msdt:) never becomes a request; Chromium asks about it in a dialog that holds up
   * the page. So it is stopped here, and told of.
   */
  #stayOnForeignSchemes(): void {
    navigation.addEventListener("navigate", (event) => {
      const to = event.destination.url;
      if (/^(https?|about|blob|data|javascript):/i.test(to)) return;
      event.preventDefault();
      this.#post({ op: "leave", href: location.href, to });
    });
  }

  /** window.open of the page: always null there, and the main process decides what becomes of it. */
  open(url: string): void {
    this.#post({ op: "open", href: location.href, url });
  }

  receive(message: ToPage): void {
    switch (message.op) {
      case "result":
        return this.#settle(message);
      case "message":
        return this.#deliver(message);
      case "port":
        this.#ports.get(message.port)?.postMessage(this.#codec.decode(message.data));
        return;
      case "portClosed":
        this.#ports.get(message.port)?.close();
        this.#ports.delete(message.port);
    }
  }

  #require(): (name: string) => unknown {
    const electron = Object.freeze({
      contextBridge: this.#contextBridge(),
      ipcRenderer: this.#ipcRenderer(),
      webFrame: this.#webFrame(),
    });
    return (name) => {
      if (name === "electron" || name === "electron/renderer") return electron;
      throw new Error(`module not found: ${name}`);
    };
  }

  #process(): Record<string, unknown> {
    const { platform, arch, versions, argv } = this.#facts;
    return { platform, arch, versions, argv, type: "renderer", sandboxed: true, contextIsolated: true, env: {} };
  }

  #contextBridge(): Record<string, unknown> {
    return {
      exposeInMainWorld: (key: string, api: unknown) => {
        if (this.#exposed.has(key))
          throw new Error("Cannot bind an API on top of an existing property on the window object");
        this.#exposed.add(key);
        this.#bridge.expose(key, api);
      },
    };
  }

  #webFrame(): Record<string, unknown> {
    const root = () => document.documentElement;
    return {
      setZoomFactor: (factor: number) => root().style.setProperty("zoom", String(factor)),
      getZoomFactor: () => Number(root().style.getPropertyValue("zoom") || 1),
    };
  }

  #ipcRenderer(): Record<string, unknown> {
    const ipc = {
      invoke: (channel: string, ...args: unknown[]) => this.#invoke(channel, args),
      send: (channel: string, ...args: unknown[]) => this.#send(channel, args, []),
      postMessage: (channel: string, message: unknown, transfer: MessagePort[] = []) =>
        this.#send(channel, [message], transfer),
      sendSync: () => {
        throw new Error("electron-double: ipcRenderer.sendSync is not provided; it blocks the page");
      },
      on: (channel: string, listener: Listener) => this.#listen(channel, listener, false, ipc),
      addListener: (channel: string, listener: Listener) => this.#listen(channel, listener, false, ipc),
      once: (channel: string, listener: Listener) => this.#listen(channel, listener, true, ipc),
      off: (channel: string, listener: Listener) => this.#unlisten(channel, listener, ipc),
      removeListener: (channel: string, listener: Listener) => this.#unlisten(channel, listener, ipc),
      removeAllListeners: (channel: string) => (this.#listeners.delete(channel), ipc),
    };
    return ipc;
  }

  async #invoke(channel: string, args: unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    const text = this.#codec.encode(args);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { channel, resolve, reject });
      this.#post({ op: "invoke", href: location.href, id, channel, args: text });
    });
  }

  #send(channel: string, args: unknown[], transfer: MessagePort[]): void {
    const ports = transfer.map((port) => this.#adopt(this.#nextId++, port));
    this.#post({ op: "send", href: location.href, channel, args: this.#codec.encode(args), ports });
  }

  /** Ids made here are positive, ids made by the main process negative, so the two never meet. */
  #adopt(id: number, port: MessagePort): number {
    this.#ports.set(id, port);
    port.addEventListener("message", (event) => {
      this.#post({ op: "port", href: location.href, port: id, data: this.#codec.encode(event.data) });
    });
    port.addEventListener("close", () => {
      if (this.#ports.delete(id)) this.#post({ op: "portClosed", href: location.href, port: id });
    });
    port.start();
    return id;
  }

  #listen<T>(channel: string, listener: Listener, once: boolean, ipc: T): T {
    const list = this.#listeners.get(channel) ?? [];
    this.#listeners.set(channel, [...list, { listener, once }]);
    return ipc;
  }

  #unlisten<T>(channel: string, listener: Listener, ipc: T): T {
    const list = this.#listeners.get(channel) ?? [];
    const at = list.findLastIndex((entry) => entry.listener === listener);
    this.#listeners.set(
      channel,
      list.filter((_, index) => index !== at),
    );
    return ipc;
  }

  #settle({ id, ok, value }: Extract<ToPage, { op: "result" }>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    const decoded = this.#codec.decode(value);
    if (ok) waiting?.resolve(decoded);
    else waiting?.reject(new Error(`Error invoking remote method '${waiting.channel}': ${String(decoded)}`));
  }

  #deliver({ channel, args, ports }: Extract<ToPage, { op: "message" }>): void {
    const opened = ports.map((id) => {
      const { port1, port2 } = new MessageChannel();
      this.#adopt(id, port1);
      return port2;
    });
    const list = this.#listeners.get(channel) ?? [];
    this.#listeners.set(
      channel,
      list.filter((entry) => !entry.once),
    );
    const values = this.#codec.decode(args) as unknown[];
    for (const { listener } of list) listener({ sender: undefined, ports: opened }, ...values);
  }
}
