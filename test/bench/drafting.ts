/**
 * `npm run bench:drafting`: plain decoding against drafting, on the embedded model and five sets of prompts. Each way of drafting
 * has an engine of its own, as an app that is set so, and is measured against plain decoding by that same engine, because two
 * engines differ by a percent for where their memory lies. Each prompt is answered by all ways in turn, drafted and plain (the order
 * moves on each time), so that a machine that slows down slows all alike. The row "plain" is plain against plain: what is left of
 * chance. Answers must be the same tokens, or the bench fails. Ways whose drafter's file is absent are left out and said so. Writes
 * one table to test/bench/results. Options:
 *   --model FILE   --dflash FILE   --mdlm FILE   (default: those that ship with the app)
 *   --rounds 20    --tokens 96     --threads 0   --temperature 0
 *   --results FOLDER    --json (the last line is one object)
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildAll } from "../../build/buildAll.ts";
import { repositoryRoot } from "../../build/vite.destination.ts";
import { readModelText } from "../../electron/engine/modelText.ts";
import type * as Native from "../../native/index.d.ts";
import { promptSets } from "./draftingPrompts.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { median } from "./measure.ts";

interface Options {
  readonly model: string;
  readonly drafters: Readonly<Record<"dflash" | "mdlm", string>>;
  readonly rounds: number;
  readonly tokens: number;
  readonly threads: number;
  readonly temperature: number;
  readonly json: boolean;
  readonly results: string;
}

const shipped = (name: string): string => join(repositoryRoot, "models", "default", name);

function wholeNumber(name: string, text: string, low: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < low)
    throw new Error(`--${name} takes whole numbers from ${low}, not "${text}"`);
  return value;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: shipped("tiny-Q8_0.gguf") },
      dflash: { type: "string", default: shipped("dflash-Q8_0.gguf") },
      mdlm: { type: "string", default: shipped("mdlm-Q8_0.gguf") },
      rounds: { type: "string", default: "20" },
      tokens: { type: "string", default: "96" },
      threads: { type: "string", default: "0" },
      temperature: { type: "string", default: "0" },
      json: { type: "boolean", default: false },
      results: { type: "string", default: fileURLToPath(new URL("./results", import.meta.url)) },
    },
  });
  return {
    ...values,
    drafters: { dflash: values.dflash, mdlm: values.mdlm },
    rounds: wholeNumber("rounds", values.rounds, 1),
    tokens: wholeNumber("tokens", values.tokens, 2),
    threads: wholeNumber("threads", values.threads, 0),
    temperature: Number(values.temperature),
  };
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface Way {
  readonly name: string;
  readonly mode: Native.DraftMode;
  readonly engine: Native.Engine;
}

/** Positions whose acceptance is shown. */
const shownPositions = 8;

/** What one way came to on one set. */
class Tally {
  /** Of each prompt's answers: after the first token, whose time is the prompt's. */
  readonly #samples: { tokens: number; ms: number[] }[] = [];
  emitted = 0;
  passes = 0;
  drafted = 0;
  accepted = 0;
  draftMs = 0;
  experts = 0;
  readonly triedAt: number[] = [];
  readonly stoodAt: number[] = [];

  add(prompt: number, { reason, timings }: Answer): void {
    const sample = (this.#samples[prompt] ??= { tokens: Math.max(0, timings.generatedTokens - 1), ms: [] });
    sample.ms.push(timings.decodeMs);
    // The end-of-text token is emitted, too, though nobody sees it.
    this.emitted += timings.generatedTokens + (reason === "end-of-text" ? 1 : 0);
    this.passes += timings.passes;
    this.drafted += timings.draftedTokens;
    this.accepted += timings.acceptedTokens;
    this.draftMs += timings.draftMs;
    this.experts += timings.distinctExperts * timings.passes;
    for (let at = 0; at < shownPositions; at++) {
      this.triedAt[at] = (this.triedAt[at] ?? 0) + (timings.triedAt[at] ?? 0);
      this.stoodAt[at] = (this.stoodAt[at] ?? 0) + (timings.stoodAt[at] ?? 0);
    }
  }

  /** Of one round, each prompt at the median of its rounds: another program that wakes up once changes little. */
  get decodeMs(): number {
    return this.#samples.reduce((sum, { ms }) => sum + median(ms), 0);
  }

  get rate(): number {
    return (1000 * this.#samples.reduce((sum, { tokens }) => sum + tokens, 0)) / this.decodeMs;
  }
}

interface Answer {
  readonly tokens: readonly number[];
  readonly reason: Native.StopReason;
  readonly timings: Native.RunTimings;
}

function answer(
  engine: Native.Engine,
  mode: Native.DraftMode,
  tokens: Uint32Array,
  stopTokens: Uint32Array,
  options: Options,
): Promise<Answer> {
  const words: number[] = [];
  const request = {
    tokens,
    stopTokens,
    maxTokens: options.tokens,
    sampler: { temperature: options.temperature, seed: 1 },
    draft: { mode },
  };
  return new Promise((resolve, reject) => {
    engine.request(request, (batch) => {
      words.push(...batch.tokens);
      if (batch.failed !== undefined) reject(new Error(batch.failed.message));
      if (batch.ended !== undefined) resolve({ tokens: words, ...batch.ended });
    });
  });
}

async function openWays(addon: typeof Native, options: Options): Promise<Way[]> {
  const { dflash, mdlm } = options.drafters;
  const present = { dflash: existsSync(dflash), mdlm: existsSync(mdlm) };
  if (!present.dflash) say(`No block-diffusion drafter at ${dflash}: its column is left out.`);
  if (!present.mdlm) say(`No masked-diffusion drafter at ${mdlm}: its column is left out.`);
  const open = async (name: string, mode: Native.DraftMode, drafters: readonly string[]): Promise<Way> => ({
    name,
    mode,
    engine: await addon.Engine.open({ path: options.model, threads: options.threads, context: 2048, drafters }),
  });
  const ways = [await open("plain", "off", []), await open("look-up", "lookup", [])];
  if (present.mdlm) ways.push(await open("MDLM", "mdlm", [mdlm]));
  if (present.dflash) ways.push(await open("DFlash", "dflash", [dflash]));
  ways.push(await open("auto", "auto", present.dflash ? [dflash] : present.mdlm ? [mdlm] : []));
  return ways;
}

/** A way's answers to a set, and plain ones by the same engine. */
interface Pair {
  readonly drafted: Tally;
  readonly plain: Tally;
}

type Results = ReadonlyMap<string, ReadonlyMap<string, Pair>>;

async function measure(addon: typeof Native, options: Options): Promise<Results> {
  const text = readModelText(options.model, addon.readMetadata(options.model), "model");
  const stopTokens = Uint32Array.from(text.tokenizer.ends);
  const ways = await openWays(addon, options);
  const results = new Map(
    promptSets.map(({ name }) => [
      name,
      new Map(ways.map((way) => [way.name, { drafted: new Tally(), plain: new Tally() }])),
    ]),
  );
  let turn = 0;
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name, prompts } of promptSets) {
      for (const [index, prompt] of prompts.entries()) {
        const tokens = text.encoder.encode([{ role: "user", content: prompt }], new Date());
        let expected: string | null = null;
        turn += 1;
        for (let i = 0; i < ways.length; i++) {
          const way = ways[(i + turn) % ways.length];
          const pair = results.get(name)?.get(way?.name ?? "");
          if (way === undefined || pair === undefined) continue;
          for (const which of (turn + i) % 2 === 0
            ? (["drafted", "plain"] as const)
            : (["plain", "drafted"] as const)) {
            const mode = which === "plain" ? "off" : way.mode;
            const given = await answer(way.engine, mode, tokens, stopTokens, options);
            expected ??= given.tokens.join(" ");
            if (given.tokens.join(" ") !== expected)
              throw new Error(`${way.name} answers "${prompt}" with other tokens`);
            pair[which].add(index, given);
          }
        }
      }
    }
    say(`round ${round} of ${options.rounds}`);
  }
  for (const { engine } of ways) await engine.close();
  return results;
}

interface Row {
  readonly set: string;
  readonly way: string;
  readonly tok_per_s: number;
  readonly ratio: number;
  readonly tokens_per_pass: number;
  readonly drafted: number;
  readonly accepted: number;
  readonly experts_per_pass: number;
  readonly draft_share: number;
  /** Of drafts that reached the position, how many stood there. */
  readonly acceptance: readonly (number | null)[];
}

function rowsOf(results: Results, rounds: number): Row[] {
  return [...results].flatMap(([set, ways]) =>
    [...ways].map(([way, { drafted: tally, plain }]) => ({
      set,
      way,
      tok_per_s: tally.rate,
      ratio: tally.rate / plain.rate,
      tokens_per_pass: tally.emitted / tally.passes,
      drafted: tally.drafted,
      accepted: tally.accepted,
      experts_per_pass: tally.experts / tally.passes,
      draft_share: tally.draftMs / rounds / tally.decodeMs,
      acceptance: tally.triedAt.map((tried, at) => (tried > 0 ? (tally.stoodAt[at] ?? 0) / tried : null)),
    })),
  );
}

function page(rows: readonly Row[], options: Options): string {
  const { date, machine, conclave } = surroundings();
  const head = [
    "set",
    "way",
    "tok/s",
    "against plain",
    "tok a pass",
    "accepted",
    "experts a layer and pass",
    "time in drafter",
  ];
  const positions = Array.from({ length: shownPositions }, (_, at) => `at ${at + 1}`);
  const body = rows.map((row) => [
    row.set,
    row.way,
    row.tok_per_s.toFixed(0),
    `**${row.ratio.toFixed(3)}**`,
    row.tokens_per_pass.toFixed(2),
    row.drafted > 0 ? `${row.accepted} of ${row.drafted}` : "",
    row.experts_per_pass.toFixed(2),
    `${(100 * row.draft_share).toFixed(1)} %`,
    ...row.acceptance.map((share) => (share === null ? "" : share.toFixed(2))),
  ]);
  return [
    `# Drafting against plain decoding, ${date}`,
    "",
    `${machine}. Conclave ${conclave}. ${options.rounds} rounds of ${promptSets.map(({ prompts }) => prompts.length).join(" + ")} prompts, each at the median of its rounds, up to ${options.tokens} tokens, ` +
      `temperature ${options.temperature}. "At n": of the drafts that reached their n-th token, the share of which stood there.`,
    "",
    markdownTable([[...head, ...positions], ...body]),
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const options = readOptions();
  await buildAll(["native"]);
  const addon = createRequire(import.meta.url)("../../native/index.cjs") as typeof Native;
  const rows = rowsOf(await measure(addon, options), options.rounds);
  const text = page(rows, options);
  mkdirSync(options.results, { recursive: true });
  const file = join(options.results, `drafting-${surroundings().date.slice(0, 10)}.md`);
  writeFileSync(file, text);
  process.stdout.write(`${text}\n${file}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...surroundings(), rows })}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
