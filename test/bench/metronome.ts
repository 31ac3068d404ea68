// The web entry with an engine that says its tokens at a steady pace, with the routing of OLMoE-1B-7B (16 layers, 8 of 64
// experts): what the page costs is measured without what a model costs. All above the engine is the real thing.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../../build/vite.destination.ts";
import { createApp } from "../../electron/app/createApp.ts";
import { createLog } from "../../electron/app/log.ts";
import type { TraceChunk } from "../../electron/contract/experts.ts";
import type { Placement } from "../../electron/contract/placement.ts";
import type { EngineApi, RunEvents, RunResult } from "../../electron/engine/engineApi.ts";
import { startWeb } from "../../electron/web/startWeb.ts";
import { createScriptedEngine, scriptedModel } from "../fixtures/scriptedEngine.ts";

const beatMs = 20;
const context = 100_000;

export const metronomeModel = {
  ...scriptedModel,
  layers: 16,
  moeLayers: 16,
  experts: 64,
  expertsUsed: 8,
  contextTrained: context,
};

/** Routing that wanders, so that cells change as they do in life. */
function routing(firstToken: number, texts: readonly string[]): TraceChunk {
  const { moeLayers, expertsUsed, experts: expertCount } = metronomeModel;
  const slots = moeLayers * expertsUsed;
  const experts = new Uint8Array(texts.length * slots * 2);
  for (let at = 0; at < texts.length * slots; at += 1) {
    const [token, slot] = [firstToken + Math.floor(at / slots), at % slots];
    experts[at * 2] = (Math.floor(token / 7) * 13 + slot * 8 + ((token * slot) % 5)) % expertCount;
  }
  return {
    firstToken,
    tokens: texts.length,
    moeLayers,
    expertsUsed,
    expertCount,
    experts,
    weights: new Uint8Array(texts.length * slots).fill(32),
    textLengths: texts.map((text) => text.length),
    drafted: new Uint8Array(texts.length),
  };
}

/** A card with half of the experts, of which some change places all the time. */
function placed(moment: number): Placement {
  const { moeLayers, experts } = metronomeModel;
  const use = { weights: 3e8, experts: 2e9, kv: 1e9, work: 4e8 };
  return {
    backend: "cuda + cpu-avx2",
    gpu: use,
    cpu: use,
    machine: { ram: 3.2e10, ramFree: 1.6e10, vram: 8e9, vramFree: 2e9, unified: false },
    moeLayers,
    experts,
    tiers: Uint8Array.from({ length: moeLayers * experts }, (_, cell) => ((cell * 7 + moment) % 16 < 8 ? 0 : 1)),
    hits: moment * 3,
    misses: moment,
    bytesMoved: moment * 1e6,
  };
}

export interface Tune {
  readonly tokensPerSecond: number;
  /** Where the answer ends; without it, when it is stopped. */
  readonly tokens?: number;
  textOf(token: number): string;
}

function metronome({ tokensPerSecond, tokens: last = Number.POSITIVE_INFINITY, textOf }: Tune): EngineApi {
  const scripted = createScriptedEngine();
  return {
    ...scripted,
    inspect: async () => metronomeModel,
    async load(request, onProgress) {
      return { ...(await scripted.load(request, onProgress)), ...metronomeModel, context };
    },
    placement: async () => placed(Math.round(performance.now())),
    run(request, events: RunEvents) {
      const { result, cancel } = scripted.run(request, events);
      let said = 0;
      const began = performance.now();
      const end = Promise.withResolvers<RunResult["reason"]>();
      const timer = setInterval(() => {
        const due = Math.min(last, Math.floor(((performance.now() - began) * tokensPerSecond) / 1000)) - said;
        if (due <= 0) return;
        const texts = Array.from({ length: due }, (_, index) => textOf(said + index));
        const tokenIds = new Uint32Array(due).fill(1);
        events.onTokens({ text: texts.join(""), tokens: due, tokenIds, trace: routing(said, texts) });
        said += due;
        if (said >= last) stop();
      }, beatMs);
      const stop = (): void => {
        clearInterval(timer);
        end.resolve("end-of-text");
        cancel();
      };
      return { result: result.then(async (ended) => ({ ...ended, reason: await end.promise })), cancel: stop };
    },
  };
}

export interface MetronomeApp {
  readonly url: string;
  close(): Promise<void>;
}

/** The renderer must have been built. */
export async function startMetronome(tune: Tune): Promise<MetronomeApp> {
  const folder = mkdtempSync(join(tmpdir(), "conclave-metronome-"));
  writeFileSync(join(folder, "tiny-Q8_0.gguf"), "abc");
  const log = createLog(join(folder, "logs"));
  const app = createApp({
    version: "0.0.0",
    entry: "web",
    dataFolder: join(folder, "data"),
    modelFolders: [folder],
    engine: metronome(tune),
    log,
    pickModelFile: async () => null,
    openExternal: async () => false,
  });
  const web = await startWeb(app, join(repositoryRoot, "out/app/renderer"), 0, log);
  return {
    url: web.url,
    async close() {
      await web.close();
      await app.close();
      rmSync(folder, { recursive: true });
    },
  };
}
