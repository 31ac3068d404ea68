// The engine's state as the status bar sees it: gathered from the client's events, told at most four times a second, the
// last state always. Owns the measurement of tokens per second.
import { totalmem } from "node:os";
import type { EngineStatus } from "../contract/engine.ts";
import type { EngineMemory } from "./protocol.ts";

const minIntervalMs = 250;
const windowMs = 2000;

interface Arrival {
  readonly at: number;
  readonly tokens: number;
}

/** Of a process that is not there. */
export const noMemory: EngineMemory = {
  residentBytes: 0,
  vramBytes: 0,
  vramTotalBytes: 0,
  peak: { ram: 0, ramWork: 0, vram: 0 },
};

const stopped: EngineStatus = {
  state: "stopped",
  pid: null,
  backend: "",
  engineVersion: "",
  tokensPerSecond: 0,
  prefill: null,
  ...noMemory,
  systemBytes: totalmem(),
  crashes: 0,
};

export class StatusBoard {
  readonly #now: () => number;
  readonly #listeners = new Set<(status: EngineStatus) => void>();
  #status = stopped;
  #arrivals: Arrival[] = [];
  #toldAt = -Infinity;
  #timer: NodeJS.Timeout | null = null;

  constructor(now: () => number) {
    this.#now = now;
  }

  get status(): EngineStatus {
    return { ...this.#status, tokensPerSecond: this.#tokensPerSecond() };
  }

  listen(listener: (status: EngineStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(change: Partial<EngineStatus>): void {
    this.#status = { ...this.#status, ...change };
    if (this.#status.state !== "generating") this.#arrivals = [];
    this.#tell();
  }

  tokensArrived(tokens: number): void {
    this.#arrivals.push({ at: this.#now(), tokens });
    this.#tell();
  }

  /** Tells no more. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#listeners.clear();
  }

  #tokensPerSecond(): number {
    const now = this.#now();
    this.#arrivals = this.#arrivals.filter(({ at }) => now - at <= windowMs);
    const [first] = this.#arrivals;
    if (first === undefined || now <= first.at) return 0;
    // The first piece opens the span; its tokens were made before it.
    const tokens = this.#arrivals.reduce((sum, arrival) => sum + arrival.tokens, -first.tokens);
    return (tokens * 1000) / (now - first.at);
  }

  #tell(): void {
    if (this.#timer !== null) return;
    const wait = this.#toldAt + minIntervalMs - this.#now();
    if (wait > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = null;
        this.#tell();
      }, wait);
      // A status that nobody waits for must not keep a command-line process alive.
      this.#timer.unref();
      return;
    }
    this.#toldAt = this.#now();
    const { status } = this;
    for (const listener of this.#listeners) listener(status);
  }
}
