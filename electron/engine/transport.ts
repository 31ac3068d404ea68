// The two ends of the wire to the engine process, as little as both Electron's utilityProcess and Node's child_process
// give. Nothing here knows what the messages mean.
import type { FromHost, ToHost } from "./protocol.ts";

/** How an engine process ended. */
export interface EngineExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines it wrote to standard error. */
  readonly stderr: string;
}

/** A started engine process, seen from the services' side. */
export interface EngineProcess {
  /** Null until it is known. */
  readonly pid: number | null;
  /** Never throws; a message to a process that has ended is dropped, its exit says the rest. */
  send(message: ToHost): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Exactly one call, also when the process could not be started. */
  onExit(listener: (exit: EngineExit) => void): void;
  /** Ends it at once, whatever it does. */
  kill(): void;
}

export type SpawnEngine = () => EngineProcess;

/** The services' side, seen from the engine process. */
export interface HostPort {
  send(message: FromHost): void;
  onMessage(listener: (message: unknown) => void): void;
  /** The other side is gone; nobody is left to serve. */
  onClose(listener: () => void): void;
}

const keptStderr = 8192;

/** Keeps the tail of what an engine process writes to standard error, for the message of a crash. */
export class StderrTail {
  #text = "";

  push(chunk: string): void {
    this.#text = (this.#text + chunk).slice(-keptStderr);
  }

  get text(): string {
    return this.#text.trim();
  }
}
