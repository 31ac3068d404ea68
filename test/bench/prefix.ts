/**
 * `npm run bench:prefix`: what keeping a template's beginning computed is worth. A template of --tokens N (1,500, or what the
 * model holds) and a question of 24 tokens behind it: time to the first token with nothing computed, with the template in memory, and in a
 * fresh engine that reads it from its file; how fast that file is written and read (it lies in the page cache). Medians of
 * --repeat N (3) with fresh engines. Models: the embedded one and the synthetic OLMoE, or --file PATH.
 */
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildAll } from "../../build/buildAll.ts";
import type * as Native from "../../native/index.d.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { median } from "./measure.ts";
import { ensureSynthetic } from "./syntheticGguf.ts";

const questionTokens = 24;
const embedded = fileURLToPath(new URL("../../models/default/tiny-Q8_0.gguf", import.meta.url));

const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface FirstToken {
  /** From the request to its first token. */
  readonly ms: number;
  readonly reused: number;
}

/** @returns the moment of the first token of a greedy answer, and how much of the prompt was at hand. */
function firstToken(engine: Native.Engine, tokens: Uint32Array): Promise<FirstToken> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    let ms = 0;
    engine.request({ tokens, maxTokens: 1, stopTokens: new Uint32Array(0), sampler: { temperature: 0 } }, (batch) => {
      if (ms === 0 && batch.tokens.length > 0) ms = performance.now() - began;
      if (batch.failed !== undefined) reject(new Error(batch.failed.message));
      if (batch.ended !== undefined) resolve({ ms, reused: batch.ended.timings.reusedTokens });
    });
  });
}

async function timed<Result>(work: () => Promise<Result>): Promise<{ readonly ms: number; readonly result: Result }> {
  const began = performance.now();
  const result = await work();
  return { ms: performance.now() - began, result };
}

interface Round {
  /** Of the template, in tokens. */
  readonly length: number;
  readonly cold: FirstToken;
  readonly memory: FirstToken;
  readonly disk: FirstToken;
  readonly save: { readonly ms: number; readonly result: number };
  readonly load: { readonly ms: number; readonly result: number };
}

/** One round in two engines of its own: the second stands for the app after a restart. */
async function round(native: typeof Native, path: string, wanted: number, folder: string): Promise<Round> {
  const open = (): Promise<Native.Engine> => native.Engine.open({ path, context: 4096 });
  const first = await open();
  const length = Math.min(wanted, first.info.context - questionTokens - 1);
  const token = (i: number): number => (i * 7919 + 13) % (first.info.vocab - 2);
  const template = Uint32Array.from({ length }, (_, i) => token(i));
  const prompt = (question: number): Uint32Array =>
    Uint32Array.of(...template, ...Array.from({ length: questionTokens }, (_, i) => token(i + 31 * question)));
  const modelSha256 = await native.hashFile(path);
  const file = { path: join(folder, "prefix.kv"), modelSha256, tokens: template };
  const cold = await firstToken(first, prompt(1));
  const memory = await firstToken(first, prompt(2));
  const save = await timed(() => first.savePrefix(file));
  await first.close();
  const second = await open();
  // The first request of an engine also touches its weights for the first time; what is measured here is the prefix.
  await firstToken(
    second,
    Uint32Array.from({ length: 64 }, (_, i) => token(i + 5)),
  );
  const load = await timed(() => second.loadPrefix(file));
  const disk = await firstToken(second, prompt(3));
  await second.close();
  return { length, cold, memory, disk, save, load };
}

async function measure(native: typeof Native, path: string, length: number, repeats: number): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "conclave-prefix-"));
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 8 << 20 })) void piece;
    const rounds: Round[] = [];
    for (let i = 0; i < repeats; i += 1) {
      say(`${basename(path)}: round ${i + 1} of ${repeats}`);
      rounds.push(await round(native, path, length, folder));
    }
    const of = (pick: (each: Round) => number): number => median(rounds.map(pick));
    const speed = (pick: (each: Round) => Round["save"]): string =>
      `${(of((each) => pick(each).result / pick(each).ms) / 1e6).toFixed(2)} GB/s`;
    const cold = of((each) => each.cold.ms);
    const times = (ms: number): string => `${ms.toFixed(1)} ms (${(cold / ms).toFixed(0)} x)`;
    return [
      basename(path),
      String(of((each) => each.length)),
      `${cold.toFixed(1)} ms`,
      times(of((each) => each.memory.ms)),
      times(of((each) => each.load.ms + each.disk.ms)),
      `${of((each) => each.memory.reused)} / ${of((each) => each.disk.reused)}`,
      `${(of((each) => each.save.result) / 1e6).toFixed(1)} MB`,
      `${of((each) => each.save.ms).toFixed(1)} ms, ${speed((each) => each.save)}`,
      `${of((each) => each.load.ms).toFixed(1)} ms, ${speed((each) => each.load)}`,
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      file: { type: "string", multiple: true },
      tokens: { type: "string", default: "1500" },
      repeat: { type: "string", default: "3" },
    },
  });
  await buildAll(["native"]);
  const native = createRequire(import.meta.url)("../../native/index.cjs") as typeof Native;
  const paths = values.file ?? [embedded, await ensureSynthetic("olmoe", say)];
  const rows: string[][] = [];
  for (const path of paths) rows.push(await measure(native, path, Number(values.tokens), Number(values.repeat)));
  const { date, machine, conclave } = surroundings();
  console.log(`${date} UTC, ${machine}, Conclave ${conclave}\n`);
  console.log(
    markdownTable([
      [
        "model",
        "template",
        "cold",
        "in memory",
        "from disk, reading included",
        "tokens reused",
        "file",
        "saved",
        "read",
      ],
      ...rows,
    ]),
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
