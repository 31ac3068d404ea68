// The engine process: the only importer of native/. Loads a model, turns conversations into prompts and tokens into text,
// and serves what engineClient.ts asks over the wire. A bad message or file gets an error reply; only a bug of ours
// or a lost graphics card ends the process, with its reason on standard error. Holds at most one model.
import { createRequire } from "node:module";
import type * as Native from "../../native/index.d.ts";
import { AppError } from "../contract/errors.ts";
import { AnswerSender } from "./answerSender.ts";
import { AnswerStream } from "./answerStream.ts";
import { nativeSteering, scoreAnswer, type ScoringEngine } from "./scoring.ts";
import { hostError, isLostDevice, nativeError } from "./hostError.ts";
import { openHostPort } from "./hostPort.ts";
import { readModelText, type ModelText } from "./modelText.ts";
import {
  beatIntervalMs,
  type EngineMemory,
  hostCalls,
  runCredits,
  toHostSchema,
  type HostCallInput,
  type HostCallName,
  type HostCallOutput,
  type ToHost,
} from "./protocol.ts";
import { commonPrefix, type PrefixEngine, warmPrefix } from "./prefixWarmer.ts";
import { noMemory } from "./statusBoard.ts";
import type { HostPort } from "./transport.ts";

const progressIntervalMs = 50;

interface ServedModel {
  readonly request: HostCallInput<"load">;
  readonly engine: Native.Engine;
  readonly text: ModelText;
  readonly info: HostCallOutput<"load">;
}

interface Run {
  readonly sender: AnswerSender;
  readonly stream: AnswerStream;
  readonly expertsUsed: number;
  cancel(): void;
}

type RunMessage = Extract<ToHost, { kind: "run" }>;
type Handlers = { readonly [C in HostCallName]: (input: HostCallInput<C>, id: number) => Promise<HostCallOutput<C>> };

class Host {
  readonly #port: HostPort;
  readonly #addon: () => typeof Native;
  readonly #runs = new Map<number, Run>();
  #model: ServedModel | null = null;
  /** The load under way, if any; the next one cancels it and waits for its end. */
  #load: { cancelled: boolean; readonly done: Promise<unknown> } | null = null;

  constructor(port: HostPort, addon: () => typeof Native) {
    this.#port = port;
    this.#addon = addon;
  }

  readonly #handlers: Handlers = {
    inspect: async ({ path }) => this.#addon().inspectModel(path),
    inspectDrafter: async ({ path, modelPath }) => this.#addon().inspectDrafter(path, modelPath),
    hashFile: ({ path }) => this.#addon().hashFile(path),
    load: (request, id) => this.#startLoad(request, id),
    plan: ({ path, ...request }) =>
      this.#addon().planModel(path, {
        ...nativeOptions(request),
        returnedVram: this.#model?.engine.stats().deviceBytes ?? 0,
      }),
    placement: async () => (this.#model === null ? null : placementOf(this.#model)),
    unload: async () => {
      await this.#abandonLoad();
      await this.#closeModel();
      return null;
    },
    countTokens: async ({ text }) => this.#served().text.tokenizer.encode(text, { special: false }).length,
    countPrompt: async ({ messages }) => this.#served().text.encoder.encode(messages, new Date()).length,
    commonTokens: async ({ first, second }) => {
      const { encoder } = this.#served().text;
      // One moment for both: a template that spells out the time must not make them differ.
      const now = new Date();
      return commonPrefix(encoder.encode(first, now), encoder.encode(second, now));
    },
    score: async (request) => {
      const { engine, text, info } = this.#served();
      return scoreAnswer({ context: info.context, score: (wanted) => score(engine, wanted) }, text.encoder, request);
    },
    knownPrefix: async ({ tokens }) => this.#model?.engine.knownPrefix(tokens) ?? 0,
    warmPrefix: (request) => {
      const { engine } = this.#served();
      return warmPrefix({ ...prefixCalls(engine), compute: (tokens) => compute(engine, tokens) }, request);
    },
  };

  receive(message: unknown): void {
    const parsed = toHostSchema.safeParse(message);
    if (parsed.success) this.#dispatch(parsed.data);
    else this.#refuse(message, parsed.error.issues[0]?.message ?? "unknown kind");
  }

  beat(): void {
    this.#port.send({ kind: "beat", memory: memoryOf(this.#model?.engine.stats()) });
  }

  #dispatch(message: ToHost): void {
    switch (message.kind) {
      case "call":
        void this.#call(message.id, message.name, message.input);
        return;
      case "run":
        this.#startRun(message);
        return;
      case "cancel":
        this.#runs.get(message.id)?.cancel();
        return;
      case "credit":
        this.#runs.get(message.id)?.sender.credit();
        return;
      case "cancelLoad":
        if (this.#load !== null) this.#load.cancelled = true;
        return;
      case "close":
        void this.#closeModel().finally(() => process.exit(0));
    }
  }

  #refuse(message: unknown, why: string): void {
    const id: unknown = typeof message === "object" && message !== null && "id" in message ? message.id : undefined;
    if (typeof id !== "number" || !Number.isSafeInteger(id)) return;
    this.#fail(
      id,
      new AppError("bad-argument", `The engine process got a message that it does not understand (${why}).`),
    );
  }

  #fail(id: number, error: unknown): void {
    if (isLostDevice(error)) endProcess(error.message);
    this.#port.send({ kind: "failed", id, error: hostError(error) });
  }

  async #call(id: number, name: string, input: unknown): Promise<void> {
    try {
      if (!Object.hasOwn(hostCalls, name))
        throw new AppError("bad-argument", `The engine process knows no call "${name}".`);
      const value = await this.#answerCall(name as HostCallName, input, id);
      this.#port.send({ kind: "reply", id, value });
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #answerCall<C extends HostCallName>(name: C, input: unknown, id: number): Promise<HostCallOutput<C>> {
    const parsed = hostCalls[name].input.safeParse(input);
    if (!parsed.success)
      throw new AppError("bad-argument", `The arguments of "${name}" are wrong: ${parsed.error.issues[0]?.message}.`);
    return this.#handlers[name](parsed.data as HostCallInput<C>, id);
  }

  #served(): ServedModel {
    if (this.#model === null) throw new AppError("no-model", "No model is loaded; choose one first.");
    return this.#model;
  }

  async #abandonLoad(): Promise<void> {
    if (this.#load === null) return;
    this.#load.cancelled = true;
    await this.#load.done;
  }

  async #closeModel(): Promise<void> {
    const model = this.#model;
    this.#model = null;
    await model?.engine.close();
  }

  async #startLoad(request: HostCallInput<"load">, id: number): Promise<HostCallOutput<"load">> {
    const before = this.#abandonLoad();
    const { promise, resolve } = Promise.withResolvers<void>();
    const load = { cancelled: false, done: promise };
    this.#load = load;
    try {
      await before;
      const loaded = this.#model;
      if (loaded !== null && sameLoad(loaded.request, request)) return loaded.info;
      return await this.#loadModel(request, id, load);
    } finally {
      if (this.#load === load) this.#load = null;
      resolve();
    }
  }

  async #loadModel(
    request: HostCallInput<"load">,
    id: number,
    load: { readonly cancelled: boolean },
  ): Promise<HostCallOutput<"load">> {
    const addon = this.#addon();
    // All that can be wrong with the file is found before the model that is there now has to go.
    addon.inspectModel(request.path);
    const text = readModelText(request.path, addon.readMetadata(request.path), request.chatTemplate);
    await this.#closeModel();
    let reported = -Infinity;
    const engine = await addon.Engine.open({ path: request.path, ...nativeOptions(request) }, (done, total) => {
      const now = performance.now();
      if (now - reported >= progressIntervalMs || done === total) {
        reported = now;
        this.#port.send({ kind: "progress", id, done, total });
      }
      return !load.cancelled;
    });
    if (load.cancelled) {
      await engine.close();
      throw new AppError("cancelled", "Loading the model was cancelled.");
    }
    const expertsOnGpu = (await engine.residence()).tiers.reduce((sum, tier) => sum + (tier === 0 ? 1 : 0), 0);
    const info = { ...engine.info, expertsOnGpu, engineVersion: addon.engineVersion };
    this.#model = { request, engine, text, info };
    this.beat();
    return info;
  }

  #startRun({ id, request: { messages, sampler, seed, draft, answerStart, steering } }: RunMessage): void {
    try {
      const { engine, text, info } = this.#served();
      const tokens = text.encoder.encode(messages, new Date(), answerStart);
      const routed = steering?.expertsUsed == null ? info : { ...info, expertsUsed: steering.expertsUsed };
      const stream = this.#answerStream(text, routed, sampler.stop, answerStart !== undefined && answerStart !== "");
      const sender = new AnswerSender(stream, runCredits, (piece) => this.#port.send({ kind: "tokens", id, ...piece }));
      const { maxTokens, stop: _, ...options } = sampler;
      const stopTokens = Uint32Array.from(text.tokenizer.ends);
      const submitted = {
        tokens,
        maxTokens,
        stopTokens,
        sampler: { ...options, seed },
        draft: draft ?? { mode: "off" as const },
        ...(steering === undefined ? {} : { steering: nativeSteering(steering) }),
      };
      const native = engine.request(submitted, (batch) => this.#progress(id, batch));
      this.#runs.set(id, { sender, stream, expertsUsed: info.expertsUsed, cancel: () => native.cancel() });
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #answerStream(
    text: ModelText,
    info: HostCallOutput<"load">,
    stops: readonly string[],
    continues: boolean,
  ): AnswerStream {
    try {
      return new AnswerStream(text.tokenizer, info, [...stops, ...text.stops], continues);
    } catch (error) {
      if (error instanceof RangeError) throw new AppError("bad-argument", error.message);
      throw error;
    }
  }

  /** One wake-up of the engine for one run. Never before `request` has returned: batches arrive through the event loop. */
  #progress(id: number, batch: Native.RequestBatch): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    if (batch.prefill !== undefined) this.#port.send({ kind: "prefill", id, ...batch.prefill });
    if (batch.tokens.length > 0 && !run.stream.stopped) {
      run.sender.push(batch);
      if (run.stream.stopped) run.cancel();
    }
    const { ended, failed } = batch;
    if (ended === undefined && failed === undefined) return;
    this.#runs.delete(id);
    run.sender.finish();
    if (failed !== undefined) this.#fail(id, failure(failed));
    if (ended === undefined) return;
    const timings = { ...ended.timings, generatedTokens: run.stream.accepted, expertsUsed: run.expertsUsed };
    this.#port.send({ kind: "ended", id, reason: run.stream.stopped ? "stop-string" : ended.reason, timings });
  }
}

/** What a request failed with. */
function failure(failed: { readonly code: string; readonly message: string }): AppError {
  if (isLostDevice(failed)) endProcess(failed.message);
  return nativeError(failed.code, failed.message);
}

/** Whoever waits for something hears that the process ended; the next need starts another one, which can use the card again. */
function endProcess(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

/** What was counted meanwhile is no reason to load again. */
const sameLoad = (one: HostCallInput<"load">, other: HostCallInput<"load">): boolean =>
  JSON.stringify({ ...one, expertUsage: null }) === JSON.stringify({ ...other, expertUsage: null });

function nativeOptions(request: Omit<HostCallInput<"load">, "path">): Omit<Native.LoadOptions, "path"> {
  const { chatTemplate: _, device, kvType = "F16", expertCache = "fixed", ...rest } = request;
  const { threads, context, exact = false, drafters = [], deviceBytes = 0, expertUsage } = rest;
  const card = process.platform === "darwin" ? "metal" : "cuda";
  return {
    threads,
    context,
    exact,
    drafters,
    deviceBytes,
    kvType,
    expertCache,
    device: device === "gpu" ? card : (device ?? "cpu"),
    ...(expertUsage === undefined ? {} : { expertUsage }),
  };
}

async function placementOf({ engine, info }: ServedModel): Promise<HostCallOutput<"placement">> {
  const { device, host, machine, tiers } = await engine.residence();
  const { backend, expertHits, expertMisses, expertBytesMoved } = engine.stats();
  const { moeLayers, experts } = info;
  const counts = { hits: expertHits, misses: expertMisses, bytesMoved: expertBytesMoved };
  return { backend, gpu: device, cpu: host, machine, moeLayers, experts, tiers: Uint8Array.from(tiers), ...counts };
}

function memoryOf(stats: Native.EngineStats | undefined): EngineMemory {
  if (stats === undefined) return { ...noMemory, residentBytes: process.memoryUsage.rss() };
  return {
    residentBytes: stats.residentBytes,
    vramBytes: stats.deviceTotalBytes - stats.deviceFreeBytes,
    vramTotalBytes: stats.deviceTotalBytes,
    peak: { ram: stats.hostPeakBytes, ramWork: stats.hostWorkPeakBytes, vram: stats.devicePeakBytes },
  };
}

function prefixCalls(engine: Native.Engine): Omit<PrefixEngine, "compute"> {
  return {
    knownPrefix: (tokens) => engine.knownPrefix(tokens),
    savePrefix: (file) => engine.savePrefix(file),
    loadPrefix: (file) => engine.loadPrefix(file),
  };
}

/** Beside whatever else runs, as a request that wants no answer. */
function compute(engine: Native.Engine, tokens: Uint32Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    engine.request({ tokens, maxTokens: 0 }, ({ ended, failed }) => {
      if (failed !== undefined) reject(failure(failed));
      else if (ended !== undefined) resolve(ended.reason !== "cancelled");
    });
  });
}

/** The log-probabilities of a prompt's tokens from `scoreFrom` on. */
function score(engine: Native.Engine, wanted: Parameters<ScoringEngine["score"]>[0]): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const found: number[] = [];
    engine.request({ ...wanted, maxTokens: 0 }, ({ scores, ended, failed }) => {
      found.push(...scores);
      if (failed !== undefined) reject(failure(failed));
      else if (ended?.reason === "cancelled") reject(new AppError("cancelled", "The scoring was cancelled."));
      else if (ended !== undefined) resolve(found);
    });
  });
}

/** A missing or unfit addon is told to every call that needs it, rather than ending the process again and again. */
function addonLoader(): () => typeof Native {
  const require = createRequire(import.meta.url);
  let addon: typeof Native | null = null;
  return () => (addon ??= require("../../native/index.cjs") as typeof Native);
}

function engineVersion(addon: () => typeof Native): string {
  try {
    return addon().engineVersion;
  } catch {
    return "";
  }
}

process.on("uncaughtException", (error) => endProcess(error.stack ?? error.message));

// Ctrl-C in a terminal reaches the whole group; what it means is decided by the process that the user started.
process.on("SIGINT", () => {});

const port = openHostPort();
const addon = addonLoader();
const host = new Host(port, addon);
port.onMessage((message) => host.receive(message));
port.onClose(() => process.exit(0));
port.send({ kind: "hello", engineVersion: engineVersion(addon) });
host.beat();
setInterval(() => host.beat(), beatIntervalMs);
