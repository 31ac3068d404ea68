// The real engine process behind engineClient, with the embedded model: what no fake can show.
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultSampler, type Sampler } from "../../electron/contract/chat.ts";
import type { TraceChunk } from "../../electron/contract/experts.ts";
import { createEngineClient } from "../../electron/engine/engineClient.ts";
import type { EngineApi, LoadRequest, RunHandle, RunResult } from "../../electron/engine/engineApi.ts";
import { spawnWithChildProcess } from "../../electron/engine/spawnNode.ts";

const hostPath = fileURLToPath(new URL("../../electron/engine/host.ts", import.meta.url));
const lostCardHostPath = fileURLToPath(new URL("../fixtures/hostWithLostCard.ts", import.meta.url));
const path = fileURLToPath(new URL("../../models/default/tiny-Q8_0.gguf", import.meta.url));
const model: LoadRequest = { path, threads: 1, context: 0, chatTemplate: "model" };
/** The plain arithmetic is slow enough that a test's next step comes while an answer is under way. */
const slowModel: LoadRequest = { ...model, exact: true };
const greedy: Sampler = { ...defaultSampler, temperature: 0 };

interface Watched {
  readonly handle: RunHandle;
  readonly started: Promise<void>;
  text: string;
  ids: number[];
  traces: TraceChunk[];
}

let client: EngineApi;
beforeEach(() => {
  client = createEngineClient({ spawn: spawnWithChildProcess(hostPath) });
});
afterEach(() => client.close());

const load = (request: LoadRequest = model) => client.load(request, () => {});

function ask(content: string, sampler: Sampler = greedy, seed = 1, answerStart = ""): Watched {
  const started = Promise.withResolvers<void>();
  const handle = client.run(
    { messages: [{ role: "user", content }], sampler, seed, answerStart },
    {
      onPrefill: () => {},
      onTokens: (piece) => {
        watched.text += piece.text;
        watched.ids.push(...piece.tokenIds);
        if (piece.trace !== null) watched.traces.push(piece.trace);
        started.resolve();
      },
    },
  );
  const watched: Watched = { handle, started: started.promise, text: "", ids: [], traces: [] };
  return watched;
}

const story = (): Watched => ask("Tell me a long story about a fox.", { ...defaultSampler, maxTokens: 1000 }, 5);

describe("the engine process", () => {
  test("streams an answer with its routing, and says how it went", async () => {
    const progress: number[] = [];
    const info = await client.load(model, (done, total) => progress.push(done / total));
    expect(info).toMatchObject({ architecture: "olmoe", moeLayers: 4, experts: 8, expertsUsed: 2, context: 1024 });
    expect(progress.at(-1)).toBe(1);
    const run = ask("What food does a wolf eat?");
    const { reason, timings } = await run.handle.result;
    expect(run.text).toBe("A wolf eats meat.");
    expect(reason).toBe("end-of-text");
    expect(timings.generatedTokens).toBe(run.ids.length);
    expect(timings.promptTokens).toBeGreaterThan(8);
    const lengths = run.traces.flatMap(({ textLengths }) => textLengths);
    expect(lengths).toHaveLength(run.ids.length);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(run.text.length);
    for (const trace of run.traces) {
      expect(trace.experts).toHaveLength(trace.tokens * 4 * 2 * 2);
      expect(trace.weights).toHaveLength(trace.tokens * 4 * 2);
    }
  });

  test("says where a model would go and where it is, what it took, and why no card is used", async () => {
    expect(await client.placement()).toBeNull();
    const plan = await client.plan({ ...model, device: "cpu", context: 512 });
    expect(plan).toMatchObject({ placement: "cpu", experts: 32, expertsOnGpu: 0, context: 512 });
    expect(await client.plan({ ...model, device: "cpu", context: 512, kvType: "Q8_0" })).toSatisfy(
      ({ cpu }: typeof plan) => cpu.kv < plan.cpu.kv && cpu.weights === plan.cpu.weights,
    );
    await load({ ...model, device: "auto", kvType: "Q8_0", expertUsage: [[1], [], [], []] });
    await ask("Hello").handle.result;
    const placement = await client.placement();
    expect(placement).toMatchObject({ moeLayers: 4, experts: 8, misses: 0, bytesMoved: 0 });
    if (placement?.machine.vram === 0) expect([...placement.tiers]).toEqual(Array.from({ length: 32 }, () => 1));
    await expect.poll(() => client.status().peak.ram).toBeGreaterThan(1_000_000);
    expect(client.status().peak.ramWork).toBeLessThan(client.status().peak.ram);
    if (plan.machine.vram === 0 && placement?.machine.vram === 0) {
      const asked = await client.plan({ ...model, device: "gpu" });
      expect(asked.machine.noCard).not.toBe("");
      await expect(load({ ...model, device: "gpu" })).rejects.toMatchObject({ code: "unsupported" });
    }
  });

  test("the same seed gives the same answer, also beside other runs", async () => {
    await load();
    const alone = story();
    await alone.handle.result;
    const together = [story(), ask("Hello"), story()];
    const results: RunResult[] = await Promise.all(together.map(({ handle }) => handle.result));
    expect(together[0]?.ids).toEqual(alone.ids);
    expect(together[2]?.text).toBe(alone.text);
    expect(results.every(({ reason }) => reason === "end-of-text" || reason === "max-tokens")).toBe(true);
  });

  test("a prompt that was seen before is not computed again", async () => {
    await load();
    const long = "The fox and the wolf went into the forest. ".repeat(12);
    const first = await ask(long, { ...greedy, maxTokens: 4 }).handle.result;
    const second = await ask(long, { ...greedy, maxTokens: 4 }).handle.result;
    expect(first.timings.reusedTokens).toBe(0);
    expect(second.timings.reusedTokens).toBeGreaterThan(64);
  });

  test("a stop string ends the answer before it", async () => {
    await load();
    const run = ask("What food does a wolf eat?", { ...greedy, stop: ["eats"] });
    await expect(run.handle.result).resolves.toMatchObject({ reason: "stop-string" });
    expect(run.text).toBe("A wolf ");
    expect(run.traces.flatMap(({ textLengths }) => textLengths).reduce((sum, length) => sum + length, 0)).toBe(7);
  });

  test("cancel ends an answer within 100 ms", async () => {
    await load(slowModel);
    const latencies: number[] = [];
    // A busy machine may hold up one of three, not all.
    for (let round = 0; round < 3; round++) {
      const run = story();
      await run.started;
      const at = performance.now();
      run.handle.cancel();
      expect((await run.handle.result).reason).toBe("cancelled");
      latencies.push(performance.now() - at);
      expect(run.text.length).toBeGreaterThan(0);
    }
    expect(Math.min(...latencies)).toBeLessThan(100);
  });

  test("kill -9 in mid-answer fails that run only; the next run works by itself", async () => {
    await load(slowModel);
    const run = story();
    await run.started;
    const { pid } = client.status();
    process.kill(pid as number, "SIGKILL");
    await expect(run.handle.result).rejects.toMatchObject({ code: "engine-crashed" });
    expect(run.text.length).toBeGreaterThan(0);
    const next = ask("What food does a wolf eat?");
    await next.handle.result;
    expect(next.text).toBe("A wolf eats meat.");
    expect(client.status().crashes).toBe(1);
    expect(client.status().pid).not.toBe(pid);
  });

  test("a lost graphics card fails the run and ends the process; the next run works by itself", async () => {
    await client.close();
    client = createEngineClient({ spawn: spawnWithChildProcess(lostCardHostPath) });
    await load();
    const lost = story();
    const error = await lost.handle.result.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "engine-crashed", details: expect.stringContaining("stopped working") });
    expect(lost.ids.length).toBeGreaterThan(0);
    const after = await ask("hi", { ...greedy, maxTokens: 2 }).handle.result;
    expect(after.reason).toBe("max-tokens");
  });

  test("a bad file is refused and the loaded model stays", async () => {
    await load();
    await expect(load({ ...model, path: "/nonexistent/model.gguf" })).rejects.toMatchObject({ code: "io" });
    await expect(load({ ...model, path: hostPath })).rejects.toMatchObject({ code: "bad-file" });
    await expect(client.inspect(hostPath)).rejects.toMatchObject({ code: "bad-file" });
    const run = ask("What food does a wolf eat?");
    await run.handle.result;
    expect(run.text).toBe("A wolf eats meat.");
    expect(client.status().crashes).toBe(0);
  });

  test("a second load cancels the first; unloading leaves no model", async () => {
    const first = load();
    const second = load(slowModel);
    await expect(first).rejects.toMatchObject({ code: "cancelled" });
    await expect(second).resolves.toMatchObject({ backend: "cpu-exact" });
    await client.unload();
    await expect(ask("x").handle.result).rejects.toMatchObject({ code: "no-model" });
  });

  test("replacing the model ends what it was answering as cancelled", async () => {
    await load(slowModel);
    const run = story();
    await run.started;
    await load();
    await expect(run.handle.result).resolves.toMatchObject({ reason: "cancelled" });
  });

  test("built-in chat forms, token counts and hashes", async () => {
    await load({ ...model, chatTemplate: "plain" });
    const run = ask("Hello", { ...greedy, maxTokens: 5 });
    const { timings } = await run.handle.result;
    expect(run.ids).toHaveLength(timings.generatedTokens);
    expect(run.text).not.toBe("");
    // A control token that a user types is letters, not one token.
    await expect(client.countTokens("<|endoftext|>")).resolves.toBeGreaterThan(1);
    const expected = createHash("sha256").update(readFileSync(path)).digest("hex");
    await expect(client.hashFile(path)).resolves.toBe(expected);
  });

  test("an answer that was cut goes on as if it had not been, and a prompt is counted as it is sent", async () => {
    await load();
    const question = "Tell me a story about a fox";
    const sampler = { ...greedy, repetitionPenalty: 1 };
    const whole = ask(question, { ...sampler, maxTokens: 40 });
    const { timings } = await whole.handle.result;
    await expect(client.countPrompt([{ role: "user", content: question }])).resolves.toBe(timings.promptTokens);
    const cut = ask(question, { ...sampler, maxTokens: 15 });
    await cut.handle.result;
    const rest = ask(question, { ...sampler, maxTokens: 25 }, 1, cut.text);
    await rest.handle.result;
    expect(cut.text + rest.text).toBe(whole.text);
  });

  test("a prompt longer than the context is refused with both numbers", async () => {
    await load();
    const run = ask("word ".repeat(3000));
    await expect(run.handle.result).rejects.toMatchObject({ code: "bad-argument" });
    await expect(run.handle.result).rejects.toThrow(/1024/);
  });

  test("no message can end it: garbage is answered or ignored", async () => {
    const child = fork(hostPath, [], { serialization: "advanced", stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const received: { kind?: string; id?: number }[] = [];
    child.on("message", (message) => received.push(message as { kind?: string; id?: number }));
    const garbage: unknown[] = [
      null,
      7,
      "run",
      [],
      {},
      { kind: "fly" },
      { kind: "call", id: "x" },
      { kind: "call", id: 1, name: "constructor", input: {} },
      { kind: "call", id: 2, name: "inspect", input: { path: 7 } },
      { kind: "call", id: 3, name: "load", input: { path: "\0", threads: -1 } },
      { kind: "run", id: 4, request: { messages: "x" } },
      { kind: "run", id: 5, request: { messages: [], sampler: defaultSampler, seed: 1 } },
      { kind: "cancel", id: 99 },
      { kind: "credit", id: -1 },
      { kind: "cancelLoad" },
      { kind: "call", id: 6, name: "inspect", input: { path } },
    ];
    for (const message of garbage) child.send(message as object);
    await expect
      .poll(() => received.some(({ kind, id }) => kind === "reply" && id === 6), { timeout: 20_000 })
      .toBe(true);
    const failed = received.filter(({ kind }) => kind === "failed").map(({ id }) => id);
    expect(failed.toSorted()).toEqual([-1, 1, 2, 3, 4, 5]);
    child.send({ kind: "close" });
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
