/**
 * Preloaded into every utility process: gives it `process.parentPort` and hides Node's own IPC. When the main process
 * dies the child dies with it, as Chromium's children do.
 */
import { EventEmitter } from "node:events";
import { PortTunnel, type MessagePortMain } from "./messagePorts.ts";
import type { UtilityFrame } from "./utilityProcess.ts";

type Arrived = { data: unknown; ports: MessagePortMain[] };

const post = process.send?.bind(process);
if (!post) throw new Error("electron-double: utilityChild.ts must be loaded by utilityProcess.fork");
const tunnel = new PortTunnel(-1, (frame) => post({ kind: "port", frame } satisfies UtilityFrame));

class ParentPort extends EventEmitter {
  #waiting: Arrived[] = [];

  postMessage(message: unknown): void {
    post?.({ kind: "message", data: message, ports: [] } satisfies UtilityFrame);
  }

  /** Messages wait for the first listener. */
  arrive(message: Arrived): void {
    if (this.listenerCount("message") > 0) this.emit("message", message);
    else this.#waiting.push(message);
  }

  override on(event: string, listener: (message: Arrived) => void): this {
    super.on(event, listener);
    if (event === "message") {
      const waiting = this.#waiting;
      this.#waiting = [];
      setImmediate(() => waiting.forEach((message) => this.arrive(message)));
    }
    return this;
  }
}

const parentPort = new ParentPort();
process.on("message", (frame: UtilityFrame) => {
  if (frame.kind === "port") tunnel.receive(frame.frame);
  else parentPort.arrive({ data: frame.data, ports: frame.ports.map((id) => tunnel.import(id)) });
});
process.on("disconnect", () => process.exit(0));
Object.defineProperties(process, {
  parentPort: { value: parentPort },
  type: { value: "utility" },
  send: { value: undefined },
});
