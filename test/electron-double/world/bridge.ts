/**
 * One end of the context bridge between a page's main world and its preload world; the same class runs at both ends.
 *
 * Chromium isolates the worlds' objects but lets both see DOM events, and clones a CustomEvent's detail on the way over, so
 * the bridge is synchronous and no object is ever shared. The channel's name is a secret of this window. As in Electron:
 * plain values are copied, functions become proxies (a fresh one each time), promises stay promises, errors keep only name
 * and message, prototypes are lost, and what cannot be cloned is refused. Self-contained: injected as source text.
 */
type Wire =
  | { t: "v"; value: unknown }
  | { t: "f"; id: number }
  | { t: "own"; id: number }
  | { t: "p"; id: number }
  | { t: "e"; name: string; message: string }
  | { t: "a"; items: Wire[] }
  | { t: "o"; entries: [string, Wire][] };
type Message =
  | { kind: "expose"; key: string; value: Wire }
  | { kind: "call"; call: number; fn: number; args: Wire[] }
  | { kind: "return"; call: number; ok: boolean; value: Wire }
  | { kind: "settle"; promise: number; ok: boolean; value: Wire };
type AnyFunction = (...args: unknown[]) => unknown;

export class Bridge {
  readonly #out: string;
  readonly #dispatch: (name: string, detail: Message) => void;
  readonly #onExpose: (key: string, value: unknown) => void;
  readonly #functions = new Map<number, AnyFunction>();
  /** Proxies made here, so that one sent back to its maker arrives there as the original function. */
  readonly #proxies = new WeakMap<AnyFunction, number>();
  readonly #promises = new Map<number, { resolve: (value: unknown) => void; reject: (reason: unknown) => void }>();
  readonly #returns = new Map<number, { ok: boolean; value: Wire }>();
  #nextId = 1;

  constructor(incoming: string, outgoing: string, onExpose: (key: string, value: unknown) => void) {
    this.#out = outgoing;
    this.#onExpose = onExpose;
    const Constructor = CustomEvent;
    const dispatch = document.dispatchEvent.bind(document);
    this.#dispatch = (name, detail) => dispatch(new Constructor(name, { detail }));
    document.addEventListener(incoming, (event) => {
      if (event instanceof CustomEvent) this.#receive(event.detail as Message);
    });
  }

  expose(key: string, value: unknown): void {
    this.#post({ kind: "expose", key, value: this.#pack(value, 0) });
  }

  #post(message: Message): void {
    this.#dispatch(this.#out, message);
  }

  #receive(message: Message): void {
    switch (message.kind) {
      case "expose":
        return this.#onExpose(message.key, this.#unpack(message.value));
      case "call":
        return this.#answer(message);
      case "return":
        this.#returns.set(message.call, message);
        return;
      case "settle": {
        const promise = this.#promises.get(message.promise);
        this.#promises.delete(message.promise);
        if (message.ok) promise?.resolve(this.#unpack(message.value));
        else promise?.reject(this.#unpack(message.value));
      }
    }
  }

  #answer({ call, fn, args }: Extract<Message, { kind: "call" }>): void {
    const target = this.#functions.get(fn);
    try {
      if (!target) throw new Error("The function behind this proxy is gone");
      const value = target(...args.map((arg) => this.#unpack(arg)));
      this.#post({ kind: "return", call, ok: true, value: this.#pack(value, 0) });
    } catch (error) {
      this.#post({ kind: "return", call, ok: false, value: this.#packError(error) });
    }
  }

  #call(fn: number, args: unknown[]): unknown {
    const call = this.#nextId++;
    this.#post({ kind: "call", call, fn, args: args.map((arg) => this.#pack(arg, 0)) });
    const result = this.#returns.get(call);
    this.#returns.delete(call);
    if (!result) throw new Error("The other world did not answer");
    if (!result.ok) throw this.#unpack(result.value);
    return this.#unpack(result.value);
  }

  #pack(value: unknown, depth: number): Wire {
    if (depth > 1000)
      throw new TypeError(
        "Electron contextBridge recursion depth exceeded.  Nested objects deeper than 1000 are not supported.",
      );
    if (typeof value === "function") return this.#packFunction(value as AnyFunction);
    if (typeof value === "symbol") throw new TypeError("An object could not be cloned.");
    if (typeof value !== "object" || value === null) return { t: "v", value };
    if (value instanceof Promise) return this.#packPromise(value);
    if (value instanceof Error) return this.#packError(value);
    if (Array.isArray(value)) return { t: "a", items: value.map((item) => this.#pack(item, depth + 1)) };
    if (Object.prototype.toString.call(value) === "[object Object]") {
      return { t: "o", entries: Object.entries(value).map(([key, item]) => [key, this.#pack(item, depth + 1)]) };
    }
    // An event whose detail cannot be cloned arrives as null, without an error: find out here.
    structuredClone(value);
    return { t: "v", value };
  }

  #packFunction(fn: AnyFunction): Wire {
    const own = this.#proxies.get(fn);
    if (own !== undefined) return { t: "own", id: own };
    const id = this.#nextId++;
    this.#functions.set(id, fn);
    return { t: "f", id };
  }

  #packPromise(promise: Promise<unknown>): Wire {
    const id = this.#nextId++;
    const settle = (ok: boolean) => (value: unknown) => {
      this.#post({ kind: "settle", promise: id, ok, value: ok ? this.#pack(value, 0) : this.#packError(value) });
    };
    promise.then(settle(true)).catch(settle(false));
    return { t: "p", id };
  }

  #packError(error: unknown): Wire {
    if (error instanceof Error) return { t: "e", name: error.name, message: error.message };
    return this.#pack(error, 0);
  }

  #unpack(wire: Wire): unknown {
    switch (wire.t) {
      case "v":
        return wire.value;
      case "a":
        return wire.items.map((item) => this.#unpack(item));
      case "o":
        return Object.fromEntries(wire.entries.map(([key, item]) => [key, this.#unpack(item)]));
      case "e":
        return Object.assign(new Error(wire.message), wire.name === "Error" ? {} : { name: wire.name });
      case "own":
        return this.#functions.get(wire.id);
      case "f": {
        const { id } = wire;
        const proxy: AnyFunction = (...args) => this.#call(id, args);
        this.#proxies.set(proxy, id);
        return proxy;
      }
      case "p": {
        const { id } = wire;
        return new Promise((resolve, reject) => this.#promises.set(id, { resolve, reject }));
      }
    }
  }
}
