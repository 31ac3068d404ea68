import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { defaultSampler } from "../contract/chat.ts";
import type { EngineStatus } from "../contract/engine.ts";
import { createEngineClient } from "./engineClient.ts";
import type { EngineApi, LoadRequest, RunEvents } from "./engineApi.ts";
import type { FromHost, ToHost } from "./protocol.ts";
import { noMemory } from "./statusBoard.ts";
import type { EngineExit, EngineProcess } from "./transport.ts";

const model: LoadRequest = { path: "/models/a.gguf", threads: 2, context: 0, chatTemplate: "model" };
const info = {
  architecture: "olmoe",
  name: "A",
  quantisation: "Q8_0",
  fileBytes: 1,
  layers: 1,
  moeLayers: 1,
  experts: 8,
  expertsUsed: 2,
  params: 1,
  paramsActive: 1,
  contextTrained: 1024,
  context: 1024,
  expertsOnGpu: 0,
  backend: "cpu",
  engineVersion: "1",
};
const timings = {
  promptTokens: 3,
  reusedTokens: 0,
  generatedTokens: 1,
  draftedTokens: 0,
  acceptedTokens: 0,
  firstTokenMs: 1,
  prefillMs: 1,
  decodeMs: 1,
};
const killed: EngineExit = { code: null, signal: "SIGKILL", stderr: "last words" };

/** The other end of the wire: says hello, loads anything, and records. What runs do is up to the test. */
class FakeProcess implements EngineProcess {
  readonly pid = 42;
  readonly received: ToHost[] = [];
  silent = false;
  #message: (message: unknown) => void = () => {};
  #exit: (exit: EngineExit) => void = () => {};

  constructor(greet: boolean) {
    if (greet) queueMicrotask(() => this.say({ kind: "hello", engineVersion: "1" }));
  }

  send(message: ToHost): void {
    this.received.push(message);
    if (this.silent) return;
    if (message.kind === "close") this.exit({ code: 0, signal: null, stderr: "" });
    if (message.kind !== "call") return;
    const { id, name } = message;
    if (name === "load") this.say({ kind: "reply", id, value: info });
    if (name === "countTokens") this.say({ kind: "reply", id, value: 7 });
  }

  say(message: FromHost): void {
    queueMicrotask(() => this.#message(message));
  }

  sayAnything(message: unknown): void {
    this.#message(message);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#message = listener;
  }

  onExit(listener: (exit: EngineExit) => void): void {
    this.#exit = listener;
  }

  kill(): void {
    this.exit(killed);
  }

  exit(exit: EngineExit): void {
    queueMicrotask(() => this.#exit(exit));
  }

  get runId(): number {
    const run = this.received.find((message) => message.kind === "run");
    if (run?.kind !== "run") throw new Error("no run was sent");
    return run.id;
  }
}

let processes: FakeProcess[] = [];
let greet = true;
let client: EngineApi;
const last = (): FakeProcess => processes.at(-1) as FakeProcess;
const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  processes = [];
  greet = true;
  client = createEngineClient({
    now: () => Date.now(),
    spawn: () => {
      const process = new FakeProcess(greet);
      processes.push(process);
      return process;
    },
  });
});
afterEach(() => void vi.useRealTimers());

const ignore: RunEvents = { onPrefill: () => {}, onTokens: () => {} };
const run = (events: RunEvents = ignore) =>
  client.run({ messages: [{ role: "user", content: "hi" }], sampler: defaultSampler, seed: 1 }, events);
const piece = (text: string): FromHost => ({
  kind: "tokens",
  id: last().runId,
  text,
  tokenIds: Uint32Array.of(1),
  trace: null,
});
const loadModel = () => client.load(model, () => {});

describe("engineClient", () => {
  test("a load reaches the process whole, drafters and all", async () => {
    void client.load({ ...model, exact: true, drafters: ["/d.gguf"] }, () => {});
    await settle();
    expect(last().received).toContainEqual(
      expect.objectContaining({ name: "load", input: { ...model, exact: true, drafters: ["/d.gguf"] } }),
    );
  });

  test("nothing is started before the first need; a load starts it once", async () => {
    expect(client.status().state).toBe("stopped");
    expect(processes).toHaveLength(0);
    const loads = [client.inspect("/x"), loadModel()];
    await settle();
    expect(processes).toHaveLength(1);
    await expect(loads[1]).resolves.toEqual(info);
    expect(client.status()).toMatchObject({ state: "idle", pid: 42, backend: "cpu", engineVersion: "1" });
  });

  test("a run streams its pieces, returns a credit for each, and ends", async () => {
    await loadModel();
    const texts: string[] = [];
    const handle = run({ ...ignore, onTokens: ({ text }) => texts.push(text) });
    await settle();
    expect(client.status().state).toBe("prompt");
    last().say(piece("Hel"));
    last().say(piece("lo"));
    await settle();
    expect(client.status().state).toBe("generating");
    last().say({ kind: "ended", id: last().runId, reason: "end-of-text", timings });
    await expect(handle.result).resolves.toEqual({ reason: "end-of-text", timings });
    expect(texts).toEqual(["Hel", "lo"]);
    expect(last().received.filter(({ kind }) => kind === "credit")).toHaveLength(2);
    expect(client.status().state).toBe("idle");
  });

  test("without a model a run fails with 'no-model' and starts nothing", async () => {
    await expect(run().result).rejects.toMatchObject({ code: "no-model" });
    expect(processes).toHaveLength(0);
  });

  test("a crash fails the run; the next one starts a new process and loads the model again", async () => {
    await loadModel();
    const handle = run();
    await settle();
    last().exit(killed);
    await expect(handle.result).rejects.toMatchObject({ code: "engine-crashed", details: "last words" });
    expect(client.status()).toMatchObject({ state: "crashed", crashes: 1, pid: null });
    const again = run();
    await settle();
    expect(processes).toHaveLength(2);
    expect(last().received.map(({ kind }) => kind)).toEqual(["call", "run"]);
    expect(last().received[0]).toMatchObject({ name: "load", input: { path: model.path } });
    last().say({ kind: "ended", id: last().runId, reason: "max-tokens", timings });
    await expect(again.result).resolves.toMatchObject({ reason: "max-tokens" });
  });

  test("the second start waits a second; three crashes in two minutes end in 'given-up' until restart", async () => {
    await loadModel();
    for (const wait of [0, 1000]) {
      last().exit(killed);
      await settle();
      const before = processes.length;
      const counting = client.countTokens("x");
      if (wait > 0) {
        await settle(wait - 1);
        expect(processes).toHaveLength(before);
      }
      await settle(1);
      expect(processes).toHaveLength(before + 1);
      await expect(counting).resolves.toBe(7);
    }
    last().exit(killed);
    await settle();
    expect(client.status()).toMatchObject({ state: "given-up", crashes: 3 });
    await settle(600_000);
    await expect(run().result).rejects.toMatchObject({ code: "engine-stopped" });
    expect(processes).toHaveLength(3);
    const restarting = client.restart();
    await settle();
    await restarting;
    expect(client.status().state).toBe("idle");
    await expect(client.countTokens("x")).resolves.toBe(7);
  });

  test("crashes far apart are no strikes", async () => {
    await loadModel();
    for (let crash = 0; crash < 5; crash++) {
      last().exit(killed);
      await settle(121_000);
      const counting = client.countTokens("x");
      await settle(5000);
      await expect(counting).resolves.toBe(7);
    }
    expect(client.status()).toMatchObject({ state: "idle", crashes: 5 });
  });

  test("silence of 10 s while a run waits kills the process; silence while idle does not", async () => {
    await loadModel();
    await settle(60_000);
    expect(client.status().state).toBe("idle");
    const handle = run();
    handle.result.catch(() => {});
    await settle(9000);
    expect(client.status().crashes).toBe(0);
    await settle(2000);
    await expect(handle.result).rejects.toThrow(/did not answer for 10 seconds/);
  });

  test("a beat every second keeps a long prompt alive", async () => {
    await loadModel();
    const handle = run();
    handle.result.catch(() => {});
    for (let second = 0; second < 30; second++) {
      last().say({ kind: "beat", memory: { ...noMemory, residentBytes: 5 } });
      await settle(1000);
    }
    expect(client.status()).toMatchObject({ state: "prompt", residentBytes: 5, crashes: 0 });
  });

  test("a process that never says hello is killed as well", async () => {
    greet = false;
    const loading = loadModel();
    loading.catch(() => {});
    await settle(12_000);
    await expect(loading).rejects.toMatchObject({ code: "engine-crashed" });
  });

  test("cancel before the run was sent ends it without sending it", async () => {
    await loadModel();
    last().exit(killed);
    await settle();
    const handle = run();
    handle.cancel();
    await settle();
    await expect(handle.result).resolves.toMatchObject({ reason: "cancelled" });
    expect(last().received.some(({ kind }) => kind === "run")).toBe(false);
  });

  test("a load overtaken before it was sent is cancelled", async () => {
    const loading = loadModel();
    client.cancelLoad();
    await expect(loading).rejects.toMatchObject({ code: "cancelled" });
  });

  test("nonsense from the process ends it rather than the app", async () => {
    await loadModel();
    const handle = run();
    handle.result.catch(() => {});
    await settle();
    last().sayAnything({ kind: "tokens", id: "x", text: 5 });
    await expect(handle.result).rejects.toThrow(/makes no sense/);
  });

  test("a listener that throws fails its own run and cancels it", async () => {
    await loadModel();
    const handle = run({
      ...ignore,
      onTokens: () => {
        throw new Error("from the listener");
      },
    });
    handle.result.catch(() => {});
    await settle();
    last().say(piece("x"));
    await expect(handle.result).rejects.toThrow("from the listener");
    expect(last().received.some(({ kind }) => kind === "cancel")).toBe(true);
    expect(client.status().state).toBe("idle");
  });

  test("status is told at most four times a second, the last state always", async () => {
    await loadModel();
    await settle(1000);
    const told: EngineStatus[] = [];
    client.onStatus((status) => told.push(status));
    const handle = run();
    await settle();
    for (let i = 0; i < 100; i++) {
      last().say(piece("x"));
      await settle(10);
    }
    expect(told.length).toBeLessThanOrEqual(6);
    expect(told.at(-1)?.tokensPerSecond).toBeGreaterThan(80);
    expect(told.at(-1)?.tokensPerSecond).toBeLessThan(120);
    last().say({ kind: "ended", id: last().runId, reason: "end-of-text", timings });
    await handle.result;
    await settle(300);
    expect(told.at(-1)).toMatchObject({ state: "idle", tokensPerSecond: 0 });
  });

  test("close asks first, kills after three seconds, and is final", async () => {
    await loadModel();
    last().silent = true;
    const closing = client.close();
    expect(client.close()).toBe(closing);
    await settle(2000);
    expect(client.status().pid).toBe(42);
    await settle(1100);
    await closing;
    expect(client.status()).toMatchObject({ state: "stopped", crashes: 0 });
    await expect(client.inspect("/x")).rejects.toMatchObject({ code: "engine-stopped" });
  });
});
