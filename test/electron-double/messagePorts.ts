/**
 * MessageChannelMain and MessagePortMain, and the tunnel that carries a port to another process or into a page.
 *
 * A port is a wrapper around an `Endpoint`; transferring it takes the endpoint out, so the sender's wrapper is dead
 * afterwards, as in Electron. The tunnel forwards an endpoint's traffic over any carrier of frames.
 */
import { EventEmitter } from "node:events";

type Packet = { data: unknown; ports: Endpoint[] };

/** Half of a channel. Holds what arrived until a sink takes it. */
export class Endpoint {
  #peer: Endpoint | undefined;
  #queue: Packet[] = [];
  #sink: ((packet: Packet) => void) | undefined;
  #onClose: (() => void) | undefined;
  #closed = false;

  static pair(): [Endpoint, Endpoint] {
    const first = new Endpoint();
    const second = new Endpoint();
    first.#peer = second;
    second.#peer = first;
    return [first, second];
  }

  send(packet: Packet): void {
    if (!this.#closed && this.#peer) this.#peer.#arrive(packet);
  }

  flowInto(sink: (packet: Packet) => void, onClose: () => void): void {
    this.#sink = sink;
    this.#onClose = onClose;
    if (this.#queue.length > 0) setImmediate(() => this.#drain());
    if (this.#closed) setImmediate(onClose);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const peer = this.#peer;
    setImmediate(() => {
      this.#onClose?.();
      peer?.close();
    });
  }

  #arrive(packet: Packet): void {
    this.#queue.push(packet);
    if (this.#sink) setImmediate(() => this.#drain());
  }

  #drain(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const packet of queue) this.#sink?.(packet);
  }
}

export class MessagePortMain extends EventEmitter implements Pick<Electron.MessagePortMain, "start" | "close"> {
  #endpoint: Endpoint | undefined;

  constructor(endpoint: Endpoint) {
    super();
    this.#endpoint = endpoint;
  }

  postMessage(message: unknown, transfer: MessagePortMain[] = []): void {
    this.#live().send({ data: structuredClone(message), ports: transfer.map((port) => port.takeEndpoint()) });
  }

  start(): void {
    this.#live().flowInto(
      ({ data, ports }) => this.emit("message", { data, ports: ports.map((port) => new MessagePortMain(port)) }),
      () => this.emit("close"),
    );
  }

  close(): void {
    this.#endpoint?.close();
  }

  takeEndpoint(): Endpoint {
    const endpoint = this.#live();
    this.#endpoint = undefined;
    return endpoint;
  }

  #live(): Endpoint {
    if (!this.#endpoint) throw new Error("This port was transferred and cannot be used any more");
    return this.#endpoint;
  }
}

export class MessageChannelMain {
  readonly port1: MessagePortMain;
  readonly port2: MessagePortMain;

  constructor() {
    const [first, second] = Endpoint.pair();
    this.port1 = new MessagePortMain(first);
    this.port2 = new MessagePortMain(second);
  }
}

export type PortFrame = { port: number; data: unknown; ports: number[] } | { port: number; closed: true };

/**
 * Carries ports over a channel of frames. Both ends number from their own side (`step` 1 upwards or -1 downwards), so ids
 * never collide.
 */
export class PortTunnel {
  readonly #carry: (frame: PortFrame) => void;
  readonly #step: 1 | -1;
  readonly #open = new Map<number, Endpoint>();
  #last = 0;

  constructor(step: 1 | -1, carry: (frame: PortFrame) => void) {
    this.#step = step;
    this.#carry = carry;
  }

  /** Takes the port and @returns the id under which the other end can `import` it. */
  export(endpoint: Endpoint): number {
    this.#last += this.#step;
    this.#connect(this.#last, endpoint);
    return this.#last;
  }

  import(id: number): MessagePortMain {
    const [here, there] = Endpoint.pair();
    this.#connect(id, there);
    return new MessagePortMain(here);
  }

  receive(frame: PortFrame): void {
    const endpoint = this.#open.get(frame.port);
    if ("closed" in frame) {
      this.#open.delete(frame.port);
      endpoint?.close();
      return;
    }
    endpoint?.send({ data: frame.data, ports: frame.ports.map((id) => this.import(id).takeEndpoint()) });
  }

  closeAll(): void {
    for (const endpoint of this.#open.values()) endpoint.close();
    this.#open.clear();
  }

  #connect(id: number, endpoint: Endpoint): void {
    this.#open.set(id, endpoint);
    endpoint.flowInto(
      ({ data, ports }) => this.#carry({ port: id, data, ports: ports.map((port) => this.export(port)) }),
      () => {
        if (this.#open.delete(id)) this.#carry({ port: id, closed: true });
      },
    );
  }
}
