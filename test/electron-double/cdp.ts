/**
 * A small client of the Chrome DevTools Protocol over one WebSocket (flattened sessions).
 *
 * Owns request numbering and the delivery of events to the session they belong to. It knows no Electron word; it must not
 * retry or swallow a protocol error: a failed command rejects with the method's name and Chromium's message.
 */
import { EventEmitter } from "node:events";

export type CdpParams = Record<string, unknown>;
/** What Chromium answers; callers name the fields they use. */
export type CdpResult = Record<string, unknown>;

type Pending = { method: string; resolve: (result: CdpResult) => void; reject: (error: Error) => void };
type Incoming = {
  id?: number;
  method?: string;
  params?: CdpParams;
  result?: CdpResult;
  error?: { message: string };
  sessionId?: string;
};

export class CdpSession extends EventEmitter {
  readonly id: string | undefined;
  readonly #connection: CdpConnection;

  constructor(connection: CdpConnection, id: string | undefined) {
    super();
    this.#connection = connection;
    this.id = id;
  }

  send(method: string, params: CdpParams = {}): Promise<CdpResult> {
    return this.#connection.request(method, params, this.id);
  }
}

export class CdpConnection {
  readonly browser: CdpSession;
  readonly #socket: WebSocket;
  readonly #sessions = new Map<string, CdpSession>();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.browser = new CdpSession(this, undefined);
    socket.addEventListener("message", (event) => this.#receive(JSON.parse(String(event.data)) as Incoming));
    socket.addEventListener("close", () => this.#onClose());
  }

  /** Connects to `ws://127.0.0.1:port/devtools/browser/...`. */
  static open(url: string): Promise<CdpConnection> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.addEventListener("open", () => resolve(new CdpConnection(socket)));
      socket.addEventListener("error", () =>
        reject(new Error(`electron-double: cannot connect to Chromium at ${url}`)),
      );
    });
  }

  session(id: string): CdpSession {
    const known = this.#sessions.get(id);
    if (known) return known;
    const session = new CdpSession(this, id);
    this.#sessions.set(id, session);
    return session;
  }

  request(method: string, params: CdpParams, sessionId: string | undefined): Promise<CdpResult> {
    if (this.#closed) return Promise.reject(new CdpClosedError(method));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { method, resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  close(): void {
    this.#socket.close();
  }

  #receive(message: Incoming): void {
    if (message.id !== undefined) {
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (message.error) pending?.reject(new CdpError(pending.method, message.error.message));
      else pending?.resolve(message.result ?? {});
      return;
    }
    const target = message.sessionId === undefined ? this.browser : this.session(message.sessionId);
    if (message.method) target.emit(message.method, message.params ?? {});
    if (message.method === "Target.detachedFromTarget") this.#forget(String(message.params?.["sessionId"]));
  }

  #forget(sessionId: string): void {
    this.#sessions.get(sessionId)?.emit("detached");
    this.#sessions.delete(sessionId);
  }

  #onClose(): void {
    this.#closed = true;
    for (const { method, reject } of this.#pending.values()) reject(new CdpClosedError(method));
    this.#pending.clear();
    this.browser.emit("closed");
  }
}

/** Chromium refused a command: the target is gone or the command does not apply. */
export class CdpError extends Error {
  constructor(method: string, message: string) {
    super(`${method}: ${message}`);
    this.name = "CdpError";
  }
}

/** The browser went away while a command was on its way. */
export class CdpClosedError extends CdpError {
  constructor(method: string) {
    super(method, "the browser is closed");
  }
}

/** For commands to a page that may close at any moment: a target that is gone is fine, anything else is a fault. */
export function ignoreGone(error: unknown): void {
  if (error instanceof CdpError) return;
  throw error;
}
