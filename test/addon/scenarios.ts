// What can go wrong between JS and the engine, one function each. They run in a child process (runScenario.ts) and end by
// returning; anything still alive afterwards is a leak that shows as a hang.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { answer, endless, firstToken, modelPath, native, openEngine, prompt } from "./engineUnderTest.ts";
import type { ScenarioName } from "./scenarioNames.ts";

/** Seven whole pages: files hold nothing less. */
const longPrompt = Uint32Array.from({ length: 224 }, (_, index) => 5 + ((index * 37) % 4000));

type Code = { readonly code?: unknown };
const hasCode = (code: string) => (error: unknown) => error instanceof Error && (error as Code).code === code;
const oneSentence = (error: unknown) =>
  error instanceof Error &&
  typeof (error as Code).code === "string" &&
  error.message.length > 10 &&
  !error.message.includes("\n");

async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 6; round++) {
    globalThis.gc?.();
    await setImmediate();
  }
}

const commandLine = fileURLToPath(
  new URL(`../../out/native/conclave${process.platform === "win32" ? ".exe" : ""}`, import.meta.url),
);
const workerEntry = fileURLToPath(new URL("./workerEntry.ts", import.meta.url));
/** Resolves at the named message of the worker: 'loading', 'generating', 'done'. */
function startWorker(until: string): Promise<Worker> {
  const worker = new Worker(workerEntry);
  return new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (message) => {
      if (message === until) resolve(worker);
    });
  });
}

const ended = (worker: Worker): Promise<number> => new Promise((resolve) => worker.once("exit", resolve));

function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "conclave-addon-"));
  return use(folder).finally(() => rmSync(folder, { recursive: true }));
}

export const scenarios: Record<ScenarioName, () => Promise<void>> = {
  async "answers with tokens, log-probabilities and routing, then lets the process end"() {
    const engine = await openEngine();
    const { batches, tokens, ended: end } = await answer(engine, { sampler: { temperature: 0, topLogprobs: 3 } });
    const perToken = engine.info.moeLayers * engine.info.expertsUsed;
    assert.ok(perToken > 0);
    for (const batch of batches) {
      assert.equal(batch.logprobs.length, batch.tokens.length);
      assert.equal(batch.experts.length, batch.tokens.length * perToken);
      assert.equal(batch.expertWeights.length, batch.tokens.length * perToken);
      assert.equal(batch.top?.length, batch.tokens.length);
      assert.ok(batch.experts.every((expert) => expert < engine.info.experts));
      assert.ok(batch.logprobs.every((logprob) => logprob <= 0));
    }
    assert.equal(tokens.length, end.timings.generatedTokens);
    assert.equal(end.timings.promptTokens, prompt.length);
    assert.ok(batches.some((batch) => batch.prefill?.total === prompt.length));
    assert.ok(engine.stats().residentBytes > 1_000_000);
    await engine.close();
  },

  async "a steered request obeys, and a prompt is scored"() {
    const engine = await openEngine();
    const { moeLayers, expertsUsed } = engine.info;
    const biases = [
      { layer: 0, expert: 1, bias: null },
      { layer: 1, expert: 2, bias: 50 },
    ];
    const { batches, tokens } = await answer(engine, { steering: { expertsUsed: expertsUsed - 1, biases } });
    const experts = batches.flatMap((batch) => [...batch.experts]);
    const perToken = moeLayers * (expertsUsed - 1);
    assert.equal(experts.length, tokens.length * perToken);
    for (const [token] of tokens.entries()) {
      assert.ok(!experts.slice(token * perToken, token * perToken + expertsUsed - 1).includes(1));
      assert.ok(
        experts.slice(token * perToken + expertsUsed - 1, token * perToken + 2 * (expertsUsed - 1)).includes(2),
      );
    }
    const scored = await answer(engine, { maxTokens: 0, scoreFrom: 3 });
    const scores = scored.batches.flatMap((batch) => [...batch.scores]);
    assert.equal(scores.length, prompt.length - 3);
    assert.ok(scores.every((score) => score < 0 && score > -100));
    const refused = (steering: unknown, sentence: RegExp): void =>
      assert.throws(() => engine.request({ tokens: prompt, steering: steering as never }, () => {}), sentence);
    refused({ expertsUsed: 99 }, /99 experts per token were asked for/);
    refused({ biases: [{ layer: 0, expert: 0, bias: "loud" }] }, /'steering.biases\[0\].bias' is a string/);
    refused({ biases: [{ layer: 0.5, expert: 0, bias: 1 }] }, /whole number/);
    refused({ biases: 7 }, /'steering.biases' is a number/);
    assert.throws(
      () => engine.request({ tokens: prompt, scoreFrom: 99 }, () => {}),
      /scoring was to begin at token 99/,
    );
    await engine.close();
  },

  async "an idle engine does not keep the process alive"() {
    const engine = await openEngine();
    await answer(engine);
    // The end is told just before the engine counts the request as gone.
    for (let wait = 0; wait < 100 && engine.stats().running > 0; wait++) await setTimeout(10);
    assert.equal(engine.stats().running, 0);
  },

  async "the same seed gives the same tokens, alone and beside others"() {
    const engine = await openEngine();
    const sampler = { temperature: 1, seed: 7 };
    const alone = await answer(engine, { sampler });
    const together = await Promise.all(
      [1, 7, 3, 7].map((seed) => answer(engine, { sampler: { temperature: 1, seed } })),
    );
    assert.deepEqual(together[1]?.tokens, alone.tokens);
    assert.deepEqual(together[3]?.tokens, alone.tokens);
    await engine.close();
  },

  async "process.exit while loading"() {
    void native.Engine.open({ path: modelPath }, () => process.exit(0));
    await setTimeout(10_000);
    assert.fail("no progress was reported");
  },

  async "process.exit while generating"() {
    await firstToken(await openEngine());
    process.exit(0);
  },

  async "close while generating delivers the cancelled end first"() {
    const engine = await openEngine();
    const order: string[] = [];
    const runs = await Promise.all([firstToken(engine), firstToken(engine)]);
    for (const run of runs) void run.ended.then((end) => order.push(end.ended.reason));
    await engine.close().then(() => order.push("closed"));
    assert.deepEqual(order, ["cancelled", "cancelled", "closed"]);
  },

  async "close inside the batch callback"() {
    const engine = await openEngine();
    let closed: Promise<void> | undefined;
    const { ended: end } = await answer(engine, endless, () => (closed ??= engine.close()));
    assert.equal(end.reason, "cancelled");
    await closed;
  },

  async "close inside a getter of the options"() {
    const engine = await openEngine();
    const options = {
      tokens: prompt,
      get maxTokens(): number {
        void engine.close();
        return 5;
      },
    };
    assert.throws(() => engine.request(options, () => {}), hasCode("bad-argument"));
    await engine.close();
  },

  async "close twice gives one promise, use after close gives a clear error"() {
    const engine = await openEngine();
    const { info } = engine;
    const closing = engine.close();
    assert.equal(engine.close(), closing);
    await closing;
    assert.equal(engine.close(), closing);
    assert.throws(() => engine.stats(), /The engine is closed/);
    assert.throws(() => engine.request({ tokens: prompt }, () => {}), /The engine is closed/);
    assert.equal(engine.info, info);
  },

  async "an engine that nobody holds finishes its run and is then collected"() {
    let collected = false;
    const registry = new FinalizationRegistry(() => (collected = true));
    const run = await (async () => {
      const engine = await openEngine();
      registry.register(engine, null);
      return answer(engine, { maxTokens: 60, sampler: { logitBias: [[0, -100]] } }, () => globalThis.gc?.());
    })();
    assert.ok(run.tokens.length > 0);
    await collectGarbage();
    for (let wait = 0; wait < 100 && !collected; wait++) {
      await setTimeout(20);
      globalThis.gc?.();
    }
    assert.ok(collected, "the engine is still held");
  },

  async "a request handle that nobody holds changes nothing"() {
    const engine = await openEngine();
    const end = new Promise((resolve) => {
      engine.request({ tokens: prompt, maxTokens: 40 }, (batch) => {
        globalThis.gc?.();
        if (batch.ended !== undefined) resolve(batch.ended.reason);
      });
    });
    await collectGarbage();
    assert.notEqual(await end, "cancelled");
    await engine.close();
  },

  async "cancel before the first token, in the middle, twice and after the end"() {
    const engine = await openEngine();
    const reasons: unknown[] = [];
    const early = new Promise<void>((resolve) => {
      const request = engine.request({ tokens: prompt, ...endless }, (batch) => {
        if (batch.ended === undefined) return;
        reasons.push(batch.ended.reason);
        request.cancel();
        resolve();
      });
      request.cancel();
      request.cancel();
    });
    await early;
    let cancelledAt = 0;
    const middle = await answer(engine, endless, (batch, request) => {
      if (batch.tokens.length === 0 || cancelledAt !== 0) return;
      cancelledAt = performance.now();
      request.cancel();
    });
    reasons.push(middle.ended.reason);
    assert.deepEqual(reasons, ["cancelled", "cancelled"]);
    const latency = performance.now() - cancelledAt;
    assert.ok(latency < 1000, `the cancelled end came after ${latency.toFixed(0)} ms`);
    await engine.close();
  },

  async "an exception in a batch callback is uncaught but breaks no other run"() {
    const engine = await openEngine();
    const caught: unknown[] = [];
    process.on("uncaughtException", (error) => caught.push(error.message));
    const other = answer(engine, { maxTokens: 20 });
    engine.request({ tokens: prompt, maxTokens: 3 }, (batch) => {
      if (batch.ended !== undefined) throw new Error("thrown by the callback");
    });
    await other;
    await engine.close();
    assert.deepEqual(caught, ["thrown by the callback"]);
  },

  async "a new request inside the batch that ends another"() {
    const engine = await openEngine();
    let left = 4;
    await new Promise<void>((resolve) => {
      const again = (): void => {
        engine.request({ tokens: prompt, maxTokens: 2 }, (batch) => {
          if (batch.ended === undefined) return;
          if (left-- > 0) again();
          else resolve();
        });
      };
      again();
    });
    await engine.close();
  },

  async "onProgress returning false abandons the load"() {
    let calls = 0;
    const load = native.Engine.open({ path: modelPath }, () => {
      calls++;
      return false;
    });
    await assert.rejects(load, hasCode("cancelled"));
    assert.equal(calls, 1);
  },

  async "onProgress throwing rejects with that error"() {
    const mine = new Error("mine");
    const load = native.Engine.open({ path: modelPath }, () => {
      throw mine;
    });
    await assert.rejects(load, (error) => error === mine);
  },

  async "a worker loads, answers and ends"() {
    const worker = await startWorker("done");
    worker.postMessage("end");
    assert.equal(await ended(worker), 0);
  },

  async "a worker terminated while generating"() {
    for (let round = 0; round < 3; round++) await (await startWorker("generating")).terminate();
  },

  async "a worker terminated while loading"() {
    for (let round = 0; round < 3; round++) await (await startWorker("loading")).terminate();
  },

  async "main thread and worker at once"() {
    const engine = await openEngine();
    const [worker] = await Promise.all([startWorker("done"), answer(engine, { maxTokens: 60 })]);
    worker.postMessage("end");
    assert.equal(await ended(worker), 0);
    await answer(engine);
    await engine.close();
  },

  async "wrong arguments throw at once with a code"() {
    const engine = await openEngine();
    const submit = engine.request.bind(engine) as (...args: unknown[]) => unknown;
    const open = native.Engine.open.bind(native.Engine) as (...args: unknown[]) => unknown;
    const ignore = (): void => {};
    const samplers: unknown[] = [
      7,
      { temperature: "hot" },
      { temperature: Number.NaN },
      { temperature: -1 },
      { temperature: Infinity },
      { topK: 1.5 },
      { topK: -1 },
      { topP: 2 },
      { topP: Number.NaN },
      { minP: -0.5 },
      { repetitionPenalty: 0 },
      { seed: -1 },
      { seed: 2 ** 60 },
      { seed: 1n },
      { logitBias: 3 },
      { logitBias: [[1]] },
      { logitBias: [[-1, 0]] },
      { logitBias: [[1, "x"]] },
      { topLogprobs: 21 },
    ];
    const requests: unknown[] = [
      undefined,
      null,
      {},
      "tokens",
      { tokens: [1, 2] },
      { tokens: new Uint32Array(0) },
      { tokens: Uint8Array.of(1) },
      { tokens: Uint32Array.of(2 ** 32 - 1) },
      { tokens: Uint32Array.of(engine.info.vocab) },
      { tokens: new Uint32Array(engine.info.context + 1) },
      { tokens: prompt, maxTokens: -1 },
      { tokens: prompt, maxTokens: 1e10 },
      { tokens: prompt, stopTokens: [0] },
      ...samplers.map((sampler) => ({ tokens: prompt, sampler })),
    ];
    for (const [index, options] of requests.entries()) {
      assert.throws(() => submit(options, ignore), hasCode("bad-argument"), `request ${index} was accepted`);
    }
    assert.throws(() => submit({ tokens: prompt }), hasCode("bad-argument"));
    assert.throws(() => submit({ tokens: prompt }, 7), hasCode("bad-argument"));
    const opens: unknown[] = [
      undefined,
      {},
      { path: 7 },
      { path: "" },
      { path: "a\0b" },
      { path: modelPath, threads: -1 },
      { path: modelPath, threads: "2" },
      { path: modelPath, kvType: "Q1" },
      { path: modelPath, exact: 1 },
    ];
    for (const options of opens) assert.throws(() => open(options), hasCode("bad-argument"));
    assert.throws(() => open({ path: modelPath }, "progress"), hasCode("bad-argument"));
    assert.throws(() => (native.readMetadata as (path: unknown) => unknown)(7), hasCode("bad-argument"));
    assert.throws(() => (native.hashFile as (path: unknown) => unknown)(null), hasCode("bad-argument"));
    await answer(engine);
    await engine.close();
  },

  async "methods refuse foreign receivers and constructors cannot be called"() {
    const engine = await openEngine();
    const request = engine.request({ tokens: prompt, maxTokens: 1 }, () => {});
    const { stats } = native.Engine.prototype;
    for (const receiver of [{}, request, null, Object.create(engine) as object]) {
      assert.throws(() => Reflect.apply(stats, receiver, []), Error);
    }
    const { cancel } = request;
    for (const receiver of [{}, engine, undefined]) assert.throws(() => Reflect.apply(cancel, receiver, []), Error);
    assert.throws(() => Reflect.construct(native.Engine, []), hasCode("bad-argument"));
    assert.throws(() => Reflect.construct(request.constructor as new () => unknown, []), hasCode("bad-argument"));
    await engine.close();
  },

  "bad files reject with one sentence": () =>
    withFolder(async (folder) => {
      const bytes = readFileSync(modelPath);
      const files: Record<string, Uint8Array> = {
        "empty.gguf": new Uint8Array(0),
        "text.gguf": Buffer.from("this is not a model\n".repeat(50)),
        "header.gguf": bytes.subarray(0, 24),
        "metadata.gguf": bytes.subarray(0, 4000),
        "tensors.gguf": bytes.subarray(0, bytes.length - 1_000_000),
        "counts.gguf": Buffer.concat([bytes.subarray(0, 8), Buffer.alloc(16, 0xff), bytes.subarray(24)]),
      };
      const paths = [folder, join(folder, "missing.gguf")];
      for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(folder, name), content);
        paths.push(join(folder, name));
      }
      for (const path of paths) {
        await assert.rejects(native.Engine.open({ path }), oneSentence, path);
        assert.throws(() => native.inspectModel(path), oneSentence, path);
        assert.throws(() => native.readMetadata(path), oneSentence, path);
      }
    }),

  async "a prefix is saved, refused when it is another's, and loaded by the next engine"() {
    await withFolder(async (folder) => {
      const file = { path: join(folder, "prefix.kv"), modelSha256: "a".repeat(64), tokens: longPrompt };
      const first = await openEngine();
      assert.equal(await first.knownPrefix(longPrompt), 0);
      await assert.rejects(first.savePrefix(file), hasCode("bad-argument"));
      await assert.rejects(first.savePrefix({ ...file, tokens: longPrompt.subarray(0, 31) }), hasCode("bad-argument"));
      await answer(first, { tokens: longPrompt, maxTokens: 0 });
      assert.equal(await first.knownPrefix(longPrompt), longPrompt.length);
      const bytes = await first.savePrefix(file);
      assert.equal(readFileSync(file.path).length, bytes);
      const question = { tokens: Uint32Array.of(...longPrompt, 300, 301), sampler: { temperature: 0 } };
      const fresh = await answer(first, question);
      await first.close();

      const next = await openEngine();
      for (const other of [
        { ...file, modelSha256: "b".repeat(64) },
        { ...file, tokens: longPrompt.subarray(1) },
      ]) {
        await assert.rejects(next.loadPrefix(other), (error) => hasCode("bad-file")(error) && oneSentence(error));
      }
      await assert.rejects(next.loadPrefix({ ...file, path: join(folder, "absent") }), hasCode("io"));
      assert.throws(() => next.loadPrefix({ ...file, modelSha256: "a" }), hasCode("bad-argument"));
      assert.equal(await next.knownPrefix(longPrompt), 0);
      assert.equal(await next.loadPrefix(file), bytes);
      const again = await answer(next, question);
      assert.equal(again.ended.timings.reusedTokens, longPrompt.length);
      assert.deepEqual(again.tokens, fresh.tokens);
      const damaged = readFileSync(file.path);
      damaged[damaged.length - 9] = (damaged.at(-9) ?? 0) ^ 1;
      writeFileSync(file.path, damaged);
      await assert.rejects(next.loadPrefix(file), hasCode("bad-file"));
      await next.close();
    });
  },

  async "close while prefixes are saved and loaded"() {
    await withFolder(async (folder) => {
      const engine = await openEngine();
      await answer(engine, { tokens: longPrompt, maxTokens: 0 });
      const running = await firstToken(engine);
      const jobs = [0, 1, 2, 3].map((n) =>
        engine.savePrefix({ path: join(folder, `${n}.kv`), modelSha256: "a".repeat(64), tokens: longPrompt }),
      );
      const known = engine.knownPrefix(longPrompt);
      await engine.close();
      assert.equal((await running.ended).ended.reason, "cancelled");
      assert.ok((await Promise.all(jobs)).every((bytes) => bytes > 0));
      assert.equal(await known, longPrompt.length);
      assert.throws(() => engine.knownPrefix(longPrompt), /The engine is closed/);
    });
  },

  async "process.exit while a prefix is saved"() {
    const folder = mkdtempSync(join(tmpdir(), "conclave-addon-"));
    process.once("exit", () => rmSync(folder, { recursive: true }));
    const engine = await openEngine();
    await answer(engine, { tokens: longPrompt, maxTokens: 0 });
    void engine.savePrefix({ path: join(folder, "0.kv"), modelSha256: "a".repeat(64), tokens: longPrompt });
    process.exit(0);
  },

  "hashFile agrees with node:crypto": () =>
    withFolder(async (folder) => {
      const contents = [readFileSync(modelPath), Buffer.alloc(0), Buffer.alloc(1 << 20, 7), Buffer.from("abc")];
      for (const [index, content] of contents.entries()) {
        const path = join(folder, `${index}`);
        writeFileSync(path, content);
        assert.equal(await native.hashFile(path), createHash("sha256").update(content).digest("hex"));
      }
      await assert.rejects(native.hashFile(join(folder, "missing")), oneSentence);
      await assert.rejects(native.hashFile(folder), oneSentence);
    }),

  async "planModel prints what the command line prints, for budgets, contexts and number formats"() {
    const gib = 2 ** 30;
    for (const [vram, ram, context, kvType] of [
      [0, 8, 0, "F16"],
      [8, 32, 4096, "F16"],
      [1, 4, 1024, "Q8_0"],
      [0, 0.25, 256, "F32"],
    ] as const) {
      const args = ["plan", modelPath, "--vram", `${vram}G`, "--ram", `${ram}G`, "--kv", kvType, "--json"];
      if (context > 0) args.push("--context", String(context));
      const printed = JSON.parse(execFileSync(commandLine, args, { encoding: "utf8" })) as Record<string, unknown>;
      const plan = await native.planModel(modelPath, {
        context,
        kvType,
        budget: { vram: vram * gib, ram: ram * gib },
      });
      const total = ({ weights, experts, kv, work }: (typeof plan)["gpu"]) => weights + experts + kv + work;
      assert.deepEqual(printed, {
        placement: plan.placement,
        reason: plan.reason,
        gpu: { ...plan.gpu, total: total(plan.gpu) },
        cpu: { ...plan.cpu, total: total(plan.cpu) },
        n_experts: plan.experts,
        n_experts_on_gpu: plan.expertsOnGpu,
        most_context: plan.mostContext,
        experts_on_gpu: printed["experts_on_gpu"],
      });
    }
    await assert.rejects(native.planModel("/no/such/file.gguf"), oneSentence);
    const refused = (options: unknown, sentence: RegExp): void =>
      assert.throws(() => native.planModel(modelPath, options as never), sentence);
    refused({ device: "abacus" }, /'device' is 'abacus'; it must be 'auto'/);
    refused({ budget: { ram: -1 } }, /'ram' is -1/);
    refused({ expertCache: 7 }, /'expertCache' is a number/);
    refused({ expertUsage: [[1], ["x"]] }, /'expertUsage\[1\]' is a string/);
    refused({ deviceBytes: 0.5 }, /'deviceBytes' is 0.5/);
  },

  async "a plan of this machine now, and where the model really is"() {
    const before = await native.planModel(modelPath, { device: "cpu" });
    assert.equal(before.placement, "cpu");
    assert.ok(before.machine.ram >= before.machine.ramFree && before.machine.ramFree > 0);
    assert.deepEqual([before.machine.vram, before.machine.card, before.machine.noCard], [0, "", ""]);
    const engine = await openEngine();
    await answer(engine);
    const { tiers, host, device, machine } = await engine.residence();
    assert.equal(tiers.length, engine.info.moeLayers * engine.info.experts);
    assert.ok(tiers.every((tier) => tier === 1));
    assert.deepEqual(device, { weights: 0, experts: 0, kv: 0, work: 0 });
    assert.equal(host.experts, before.cpu.experts);
    assert.equal(host.weights, before.cpu.weights);
    // The system gives memory for keys as they are written; where it has huge pages, all that so small a model has room for.
    assert.ok(host.kv > 0 && host.kv <= before.cpu.kv && host.work > 0);
    const inUse = host.weights + host.experts + host.kv + host.work;
    assert.ok(machine.ram === before.machine.ram && machine.ramFree > 0 && machine.ramFree + inUse < machine.ram);
    assert.deepEqual([machine.vram, machine.vramFree], [0, 0]);
    const stats = engine.stats();
    assert.ok(stats.hostBytes > 1_000_000 && stats.hostPeakBytes >= stats.hostBytes);
    assert.equal(stats.deviceTotalBytes, 0);
    const places = engine.residence();
    await engine.close();
    assert.equal((await places).tiers.length, tiers.length);
    assert.throws(() => engine.residence(), /The engine is closed/);
  },

  async "inspectModel agrees with the loaded model"() {
    const engine = await openEngine();
    const { context, backend, ...rest } = engine.info;
    assert.ok(context > 0 && backend.length > 0);
    assert.deepEqual(native.inspectModel(modelPath), rest);
    const metadata = native.readMetadata(modelPath);
    assert.equal(metadata.get("general.architecture"), rest.architecture);
    assert.equal((metadata.get("tokenizer.ggml.tokens") as string[]).length, rest.vocab);
    await engine.close();
  },
};
