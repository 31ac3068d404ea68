// The addon and the embedded model, for scenarios; and the few verbs that most of them share.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type * as Native from "../../native/index.d.ts";

const require = createRequire(import.meta.url);
export const native = require("../../native/index.cjs") as typeof Native;
export const modelPath = fileURLToPath(new URL("../../models/default/tiny-Q8_0.gguf", import.meta.url));

/** `<|endoftext|><|user|>` and a few words; any ids of the vocabulary would do. */
export const prompt = Uint32Array.of(0, 1, 300, 301, 302, 303, 2);

export const openEngine = (): Promise<Native.Engine> => native.Engine.open({ path: modelPath, threads: 1 });

export interface Answer {
  readonly tokens: number[];
  readonly batches: Native.RequestBatch[];
  readonly ended: NonNullable<Native.RequestBatch["ended"]>;
}

/** Submits and gathers everything until the end. */
export function answer(
  engine: Native.Engine,
  options: Partial<Native.RequestOptions> = {},
  onBatch: (batch: Native.RequestBatch, request: Native.EngineRequest) => void = () => {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const batches: Native.RequestBatch[] = [];
    const request = engine.request({ tokens: prompt, maxTokens: 24, ...options }, (batch) => {
      batches.push(batch);
      onBatch(batch, request);
      if (batch.failed !== undefined) reject(new Error(batch.failed.message));
      if (batch.ended !== undefined)
        resolve({ tokens: batches.flatMap((each) => [...each.tokens]), batches, ended: batch.ended });
    });
  });
}

/** Long enough that a scenario's next step always comes while it runs; the context ends it otherwise. */
export const endless: Partial<Native.RequestOptions> = { maxTokens: 1_000_000 };

/** Resolves once the first token is there, with the run's end still to come. */
export function firstToken(engine: Native.Engine): Promise<{ readonly ended: Promise<Answer> }> {
  return new Promise((resolve, reject) => {
    const ended = answer(engine, endless, (batch) => {
      if (batch.tokens.length > 0) resolve({ ended });
    });
    ended.catch(reject);
  });
}
