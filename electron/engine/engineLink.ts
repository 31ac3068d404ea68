// One life of the engine process: its messages, the calls and runs that wait for it, and the watch over it. When the
// process ends, whatever still waits fails; what happens next is the client's business.
import type { StopReason, Timings } from "../contract/chat.ts";
import { AppError, fromWire, toWire } from "../contract/errors.ts";
import type { TraceChunk } from "../contract/experts.ts";
import {
  fromHostSchema,
  type EngineMemory,
  hostCalls,
  type FromHost,
  type HostCallInput,
  type HostCallName,
  type HostCallOutput,
} from "./protocol.ts";
import type { EngineExit, EngineProcess } from "./transport.ts";
import type { RunRequest } from "./engineApi.ts";

/** A process that is being waited for and says nothing for so long is blocked for good. */
const silenceLimitMs = 10_000;
const watchIntervalMs = 1000;
const closeLimitMs = 3000;

export interface RunListener {
  prefill(progress: { done: number; reused: number; total: number }): void;
  tokens(piece: { text: string; tokens: number; tokenIds: Uint32Array; trace: TraceChunk | null }): void;
  ended(result: { reason: StopReason; timings: Timings }): void;
  failed(error: AppError): void;
}

export interface LinkEvents {
  hello(engineVersion: string): void;
  beat(memory: EngineMemory): void;
  /** `error` is what everything that waited has failed with; null: it was closed on request. */
  exited(error: AppError | null): void;
}

interface PendingCall {
  readonly name: HostCallName;
  resolve(value: unknown): void;
  reject(error: AppError): void;
  progress(done: number, total: number): void;
}

function crashError(exit: EngineExit, killedFor: string | null): AppError {
  const how = exit.signal === null ? `exit code ${exit.code ?? "unknown"}` : `signal ${exit.signal}`;
  const why = killedFor ?? `it ended with ${how}`;
  return new AppError(
    "engine-crashed",
    `The engine stopped unexpectedly (${why}); what was written so far is kept, and the next message starts it again.`,
    exit.stderr === "" ? undefined : exit.stderr,
  );
}

export class EngineLink {
  readonly #process: EngineProcess;
  readonly #now: () => number;
  readonly #events: LinkEvents;
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  readonly #calls = new Map<number, PendingCall>();
  readonly #runs = new Map<number, RunListener>();
  readonly #watch: NodeJS.Timeout;
  #nextId = 1;
  #heardAt: number;
  #watchedAt: number;
  #helloSeen = false;
  #killedFor: string | null = null;
  #closing = false;

  constructor(process: EngineProcess, now: () => number, events: LinkEvents) {
    this.#process = process;
    this.#now = now;
    this.#events = events;
    this.#heardAt = now();
    this.#watchedAt = now();
    // Nobody may be waiting when the process ends before its first word; the calls that are get the same error.
    this.#ready.promise.catch(() => {});
    process.onMessage((message) => this.#receive(message));
    process.onExit((exit) => this.#end(exit));
    this.#watch = setInterval(() => this.#check(), watchIntervalMs);
    this.#watch.unref();
  }

  get pid(): number | null {
    return this.#process.pid;
  }

  /** Resolves when the process has said hello; rejects if it ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  call<C extends HostCallName>(
    name: C,
    input: HostCallInput<C>,
    progress: (done: number, total: number) => void = () => {},
  ): Promise<HostCallOutput<C>> {
    const id = this.#nextId++;
    return new Promise<HostCallOutput<C>>((resolve, reject) => {
      const settle = (value: unknown): void => resolve(value as HostCallOutput<C>);
      this.#expect(() => this.#calls.set(id, { name, resolve: settle, reject, progress }));
      this.#process.send({ kind: "call", id, name, input });
    });
  }

  /** Returns what cancels the run; it still ends through the listener. */
  run(request: RunRequest, listener: RunListener): () => void {
    const id = this.#nextId++;
    this.#expect(() => this.#runs.set(id, listener));
    this.#process.send({
      kind: "run",
      id,
      request: { ...request, messages: [...request.messages] },
    });
    return () => this.#process.send({ kind: "cancel", id });
  }

  cancelLoad(): void {
    this.#process.send({ kind: "cancelLoad" });
  }

  /** Ends the process; by force if it does not end by itself. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#process.send({ kind: "close" });
    const timer = setTimeout(() => this.#process.kill(), closeLimitMs);
    await this.#exited.promise;
    clearTimeout(timer);
  }

  get #waitedFor(): boolean {
    return !this.#helloSeen || this.#calls.size > 0 || this.#runs.size > 0;
  }

  /** Silence counts from the moment that somebody waits, not from before. */
  #expect(add: () => void): void {
    if (!this.#waitedFor) this.#heardAt = this.#now();
    add();
  }

  #check(): void {
    const now = this.#now();
    const watched = this.#watchedAt;
    this.#watchedAt = now;
    // This process (or the computer) was asleep: the other one had no chance to speak either.
    if (now - watched > 3 * watchIntervalMs) this.#heardAt = now;
    if (this.#waitedFor && now - this.#heardAt >= silenceLimitMs) {
      this.#kill(`it did not answer for ${silenceLimitMs / 1000} seconds`);
    }
  }

  #kill(why: string): void {
    this.#killedFor ??= why;
    this.#process.kill();
  }

  #end(exit: EngineExit): void {
    clearInterval(this.#watch);
    const stoppedOnRequest = new AppError("engine-stopped", "The engine was closed.");
    const error = this.#closing ? stoppedOnRequest : crashError(exit, this.#killedFor);
    const waiting = [...this.#calls.values()].map((call) => () => call.reject(error));
    waiting.push(...[...this.#runs.values()].map((run) => () => run.failed(error)));
    this.#calls.clear();
    this.#runs.clear();
    // First the client, so that a caller who tries again at once meets its new state.
    this.#events.exited(this.#closing ? null : error);
    this.#ready.reject(error);
    for (const fail of waiting) fail();
    this.#exited.resolve();
  }

  #receive(raw: unknown): void {
    this.#heardAt = this.#now();
    const parsed = fromHostSchema.safeParse(raw);
    if (parsed.success) this.#dispatch(parsed.data);
    else this.#kill(`it sent a message that makes no sense: ${parsed.error.issues[0]?.message ?? "unknown"}`);
  }

  #dispatch(message: FromHost): void {
    switch (message.kind) {
      case "hello":
        this.#helloSeen = true;
        this.#events.hello(message.engineVersion);
        this.#ready.resolve();
        return;
      case "beat":
        this.#events.beat(message.memory);
        return;
      case "reply":
        this.#reply(message.id, message.value);
        return;
      case "failed":
        this.#fail(message.id, fromWire(message.error));
        return;
      case "progress":
        this.#calls.get(message.id)?.progress(message.done, message.total);
        return;
      default:
        this.#runMessage(message);
    }
  }

  #reply(id: number, value: unknown): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    const parsed = hostCalls[call.name].output.safeParse(value);
    if (!parsed.success) {
      this.#kill(`its reply to "${call.name}" makes no sense`);
      return;
    }
    this.#calls.delete(id);
    call.resolve(parsed.data);
  }

  #fail(id: number, error: AppError): void {
    this.#calls.get(id)?.reject(error);
    this.#calls.delete(id);
    this.#runs.get(id)?.failed(error);
    this.#runs.delete(id);
  }

  #runMessage(message: Extract<FromHost, { kind: "prefill" | "tokens" | "ended" }>): void {
    const { id } = message;
    const run = this.#runs.get(id);
    if (run === undefined) return;
    try {
      if (message.kind === "prefill") {
        run.prefill({ done: message.done, reused: message.reused, total: message.total });
      } else if (message.kind === "tokens") {
        const { text, tokenIds, trace } = message;
        run.tokens({ text, tokens: tokenIds.length, tokenIds, trace });
        this.#process.send({ kind: "credit", id });
      } else {
        this.#runs.delete(id);
        run.ended({ reason: message.reason, timings: message.timings });
      }
    } catch (error) {
      // The run's own listener failed: this run is over, the others and the process are not.
      this.#process.send({ kind: "cancel", id });
      this.#fail(id, fromWire(toWire(error)));
    }
  }
}
