// The services' side of the engine process (EngineApi). Starts it on the first need and again after a crash, loads the last
// model back, and gives up after three crashes in two minutes. Knows no Electron: how a process is started is injected.
import type { StopReason, Timings } from "../contract/chat.ts";
import type { EngineStatus } from "../contract/engine.ts";
import { AppError, fromWire, toWire } from "../contract/errors.ts";
import type { ModelPlan, Placement } from "../contract/placement.ts";
import { CrashPolicy } from "./crashPolicy.ts";
import type {
  ChatTurn,
  EngineApi,
  InspectedDrafter,
  InspectedModel,
  LoadedInfo,
  LoadRequest,
  RunEvents,
  RunHandle,
  RunRequest,
  RunResult,
  Score,
  ScoreRequest,
  TokenIds,
  WarmedPrefix,
  WarmRequest,
} from "./engineApi.ts";
import { EngineLink, type RunListener } from "./engineLink.ts";
import { noMemory, StatusBoard } from "./statusBoard.ts";
import type { SpawnEngine } from "./transport.ts";

export interface EngineClientOptions {
  readonly spawn: SpawnEngine;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

const notRun: Timings = {
  promptTokens: 0,
  reusedTokens: 0,
  generatedTokens: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  firstTokenMs: 0,
  prefillMs: 0,
  decodeMs: 0,
};

/** One run from the caller's `run` to its end; it may have to wait for a process and a model first. */
class ClientRun implements RunListener {
  readonly #events: RunEvents;
  readonly #result = Promise.withResolvers<RunResult>();
  readonly #changed: (tokens: number) => void;
  #cancel: (() => void) | null = null;
  cancelled = false;
  /** Null until the prompt's progress is known, and again once tokens arrive. */
  progress: { done: number; total: number } | null = null;
  generating = false;
  settled = false;

  constructor(events: RunEvents, changed: (tokens: number) => void) {
    this.#events = events;
    this.#changed = changed;
    // Who only watches the events need not await the result.
    this.#result.promise.catch(() => {});
  }

  readonly handle: RunHandle = {
    result: this.#result.promise,
    cancel: () => {
      if (this.cancelled || this.settled) return;
      this.cancelled = true;
      this.#cancel?.();
    },
  };

  submitted(cancel: () => void): void {
    this.#cancel = cancel;
    if (this.cancelled) cancel();
  }

  prefill(progress: { done: number; reused: number; total: number }): void {
    this.progress = { done: progress.done, total: progress.total };
    this.#events.onPrefill(progress);
    this.#changed(0);
  }

  tokens(piece: Parameters<RunEvents["onTokens"]>[0]): void {
    this.generating = true;
    this.progress = null;
    this.#events.onTokens(piece);
    this.#changed(piece.tokens);
  }

  ended(result: { reason: StopReason; timings: Timings }): void {
    this.settled = true;
    this.#result.resolve(result);
    this.#changed(0);
  }

  failed(error: AppError): void {
    this.settled = true;
    this.#result.reject(error);
    this.#changed(0);
  }
}

class EngineClient implements EngineApi {
  readonly #spawn: SpawnEngine;
  readonly #now: () => number;
  readonly #policy = new CrashPolicy();
  readonly #board: StatusBoard;
  readonly #runs = new Set<ClientRun>();
  #link: EngineLink | null = null;
  #starting: Promise<EngineLink> | null = null;
  #reloading: Promise<unknown> | null = null;
  #closing: Promise<void> | null = null;
  #crashed = false;
  /** From the decision to start until the process speaks or ends. */
  #awaitingHello = false;
  #loads = 0;
  /** Grows with every load and cancelLoad; a load that finds it grown was overtaken before it was sent. */
  #loadTicket = 0;
  #lastLoad: LoadRequest | null = null;
  /** The process holds #lastLoad. */
  #modelIsLoaded = false;

  constructor(options: EngineClientOptions) {
    this.#spawn = options.spawn;
    this.#now = options.now ?? (() => performance.now());
    this.#board = new StatusBoard(this.#now);
  }

  status(): EngineStatus {
    return this.#board.status;
  }

  onStatus(listener: (status: EngineStatus) => void): () => void {
    return this.#board.listen(listener);
  }

  async inspect(path: string): Promise<InspectedModel> {
    return (await this.#ready()).call("inspect", { path });
  }

  async inspectDrafter(path: string, modelPath: string): Promise<InspectedDrafter> {
    return (await this.#ready()).call("inspectDrafter", { path, modelPath });
  }

  async hashFile(path: string): Promise<string> {
    return (await this.#ready()).call("hashFile", { path });
  }

  async countTokens(text: string): Promise<number> {
    const link = await this.#readyWithModel();
    return link.call("countTokens", { text });
  }

  async countPrompt(messages: readonly ChatTurn[]): Promise<number> {
    const link = await this.#readyWithModel();
    return link.call("countPrompt", { messages: [...messages] });
  }

  async score({ messages, answer, steering }: ScoreRequest): Promise<Score> {
    const link = await this.#readyWithModel();
    return link.call("score", { messages: [...messages], answer, steering });
  }

  async commonTokens(first: readonly ChatTurn[], second: readonly ChatTurn[]): Promise<TokenIds> {
    const link = await this.#readyWithModel();
    return link.call("commonTokens", { first: [...first], second: [...second] });
  }

  async knownPrefix(tokens: TokenIds): Promise<number> {
    if (this.#link === null || !this.#modelIsLoaded) return 0;
    return this.#link.call("knownPrefix", { tokens });
  }

  async warmPrefix(request: WarmRequest): Promise<WarmedPrefix> {
    const link = await this.#readyWithModel();
    return link.call("warmPrefix", request);
  }

  async load(request: LoadRequest, onProgress: (done: number, total: number) => void): Promise<LoadedInfo> {
    const ticket = ++this.#loadTicket;
    const link = await this.#ready();
    if (ticket !== this.#loadTicket) throw new AppError("cancelled", "Loading the model was cancelled.");
    return this.#load(link, request, onProgress);
  }

  cancelLoad(): void {
    this.#loadTicket++;
    this.#link?.cancelLoad();
  }

  async plan(request: LoadRequest): Promise<ModelPlan> {
    return (await this.#ready()).call("plan", request);
  }

  async placement(): Promise<Placement | null> {
    if (this.#link === null || !this.#modelIsLoaded) return null;
    return this.#link.call("placement", {});
  }

  async unload(): Promise<void> {
    this.#loadTicket++;
    this.#lastLoad = null;
    this.#modelIsLoaded = false;
    await this.#link?.call("unload", {});
    this.#board.change({ backend: "" });
    this.#refresh();
  }

  run(request: RunRequest, events: RunEvents): RunHandle {
    const run = new ClientRun(events, (tokens) => this.#runChanged(run, tokens));
    this.#runs.add(run);
    void this.#submit(run, request);
    return run.handle;
  }

  async restart(): Promise<void> {
    this.#policy.forgive();
    this.#crashed = false;
    this.#refresh();
    await this.#ready();
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    await this.#link?.close();
    this.#refresh();
    this.#board.close();
  }

  async #submit(run: ClientRun, request: RunRequest): Promise<void> {
    try {
      this.#refresh();
      const link = await this.#readyWithModel();
      if (run.cancelled) run.ended({ reason: "cancelled", timings: notRun });
      else run.submitted(link.run(request, run));
    } catch (error) {
      run.failed(fromWire(toWire(error)));
    }
  }

  #runChanged(run: ClientRun, tokens: number): void {
    if (run.settled) this.#runs.delete(run);
    this.#refresh();
    if (tokens > 0) this.#board.tokensArrived(tokens);
  }

  async #load(
    link: EngineLink,
    request: LoadRequest,
    onProgress: (done: number, total: number) => void,
  ): Promise<LoadedInfo> {
    this.#loads++;
    this.#refresh();
    // Until it has succeeded nothing is certain: a failed load may have closed the model before it.
    this.#modelIsLoaded = false;
    try {
      const info = await link.call("load", request, onProgress);
      this.#lastLoad = request;
      this.#modelIsLoaded = this.#link === link;
      this.#board.change({ backend: info.backend });
      return info;
    } finally {
      this.#loads--;
      this.#refresh();
    }
  }

  async #readyWithModel(): Promise<EngineLink> {
    if (this.#lastLoad === null) throw new AppError("no-model", "No model is loaded; choose one first.");
    const link = await this.#ready();
    if (!this.#modelIsLoaded) {
      this.#reloading ??= this.#load(link, this.#lastLoad, () => {}).finally(() => (this.#reloading = null));
      await this.#reloading;
    }
    return link;
  }

  /** A process that has said hello. */
  async #ready(): Promise<EngineLink> {
    if (this.#closing !== null) throw new AppError("engine-stopped", "The engine was closed.");
    if (this.#policy.givenUp) {
      throw new AppError(
        "engine-stopped",
        "The engine stopped three times within two minutes and is not started again by itself; restart it, or choose another model.",
      );
    }
    if (this.#link === null) {
      this.#starting ??= this.#start().finally(() => (this.#starting = null));
      await this.#starting;
    }
    const link = this.#link;
    if (link === null) throw new AppError("engine-crashed", "The engine stopped while it was starting; try again.");
    await link.ready;
    return link;
  }

  async #start(): Promise<EngineLink> {
    this.#awaitingHello = true;
    this.#refresh();
    const wait = this.#policy.wait(this.#now());
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#closing !== null) throw new AppError("engine-stopped", "The engine was closed.");
    const link = new EngineLink(this.#spawn(), this.#now, {
      hello: (engineVersion) => {
        this.#crashed = false;
        this.#awaitingHello = false;
        this.#board.change({ engineVersion });
        this.#refresh();
      },
      beat: (memory) => this.#board.change({ ...memory, pid: link.pid }),
      exited: (error) => this.#exited(error),
    });
    this.#link = link;
    return link;
  }

  #exited(error: AppError | null): void {
    this.#link = null;
    this.#awaitingHello = false;
    this.#modelIsLoaded = false;
    if (error !== null) {
      this.#crashed = true;
      this.#policy.crashed(this.#now());
    }
    this.#refresh();
  }

  #refresh(): void {
    const prompt = [...this.#runs].find((run) => run.progress !== null);
    this.#board.change({
      state: this.#state(),
      pid: this.#link?.pid ?? null,
      prefill: prompt?.progress ?? null,
      crashes: this.#policy.total,
      ...(this.#link === null ? noMemory : {}),
    });
  }

  #state(): EngineStatus["state"] {
    if (this.#policy.givenUp) return "given-up";
    if (this.#awaitingHello) return "starting";
    if (this.#link === null) return this.#crashed ? "crashed" : "stopped";
    if (this.#loads > 0) return "loading";
    if ([...this.#runs].some((run) => run.generating)) return "generating";
    return this.#runs.size > 0 ? "prompt" : "idle";
  }
}

export function createEngineClient(options: EngineClientOptions): EngineApi {
  return new EngineClient(options);
}
