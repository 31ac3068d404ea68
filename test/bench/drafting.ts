/**
 * `npm run bench:drafting`: plain decoding against drafting, on the embedded model and five sets of prompts. Each way of drafting
 * has an engine of its own, as an app that is set so, and is measured against plain decoding by that same engine, because two
 * engines differ by a percent for where their memory lies. A drafted answer stands between two plain ones and is set against their
 * mean; the ways take turns prompt by prompt, and the order moves on each time. A round gives one ratio a set and way; the median of the
 * rounds is told, with the range that holds the true median in 95 of 100 cases. The row "plain" is plain against plain: what is left
 * of chance. Answers must be the same tokens, or the bench fails. Ways whose drafter's file is absent are left out and said so.
 * Writes one table to test/bench/results. Options:
 *   --model FILE   --dflash FILE   --mdlm FILE   (default: those that ship with the app)
 *   --rounds 50    --tokens 96     --threads 0   --temperature 0
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
      rounds: { type: "string", default: "50" },
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
  /** Tokens drafted at each step; 0: as many as pay. Fixed ones show what the drafts are worth, in one round of ten. */
  readonly length: number;
  readonly engine: Native.Engine;
}

const fixedLength = 4;

/** Positions whose acceptance is shown. */
const shownPositions = 8;

/** What one way came to on one set. */
class Tally {
  /** Of each round: decoding after the first token, whose time is the prompt's; and what plain decoding took. */
  readonly #byRound = new Map<number, { tokens: number; ms: number; plainMs: number }>();
  emitted = 0;
  passes = 0;
  drafted = 0;
  accepted = 0;
  draftMs = 0;
  experts = 0;
  readonly triedAt: number[] = [];
  readonly stoodAt: number[] = [];

  add(round: number, { reason, timings }: Answer, plain: readonly Answer[]): void {
    const sums = this.#byRound.get(round) ?? { tokens: 0, ms: 0, plainMs: 0 };
    this.#byRound.set(round, sums);
    sums.tokens += Math.max(0, timings.generatedTokens - 1);
    sums.ms += timings.decodeMs;
    sums.plainMs += plain.reduce((sum, one) => sum + one.timings.decodeMs, 0) / plain.length;
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

  get rounds(): { tokens: number; ms: number; plainMs: number }[] {
    return [...this.#byRound.values()];
  }

  get decodeMs(): number {
    return this.rounds.reduce((sum, { ms }) => sum + ms, 0);
  }

  /** Tokens a second; of the median round. */
  get rate(): number {
    return median(this.rounds.map(({ tokens, ms }) => (1000 * tokens) / ms));
  }

  /** Against plain decoding: the median of the rounds, and where the true one lies: order statistics, so no shape is assumed. */
  get ratio(): { readonly median: number; readonly low: number; readonly high: number } {
    const ratios = this.rounds.map(({ ms, plainMs }) => plainMs / ms).toSorted((a, b) => a - b);
    const reach = 0.98 * Math.sqrt(ratios.length); // 1.96 standard deviations of a fair coin's heads
    const at = (rank: number): number => ratios[Math.min(ratios.length - 1, Math.max(0, rank))] ?? Number.NaN;
    return {
      median: median(ratios),
      low: at(Math.floor(ratios.length / 2 - reach)),
      high: at(Math.ceil(ratios.length / 2 + reach) - 1),
    };
  }
}

interface Answer {
  readonly tokens: readonly number[];
  readonly reason: Native.StopReason;
  readonly timings: Native.RunTimings;
}

function answer(
  engine: Native.Engine,
  draft: { readonly mode: Native.DraftMode; readonly length?: number },
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
    draft,
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
    length: 0,
    engine: await addon.Engine.open({ path: options.model, threads: options.threads, context: 2048, drafters }),
  });
  const ways = [await open("plain", "off", []), await open("look-up", "lookup", [])];
  if (present.mdlm) ways.push(await open("MDLM", "mdlm", [mdlm]));
  if (present.dflash) ways.push(await open("DFlash", "dflash", [dflash]));
  const all = [...(present.dflash ? [dflash] : []), ...(present.mdlm ? [mdlm] : [])];
  ways.push(await open("auto", "auto", all));
  const fixed = ways.filter(({ mode }) => mode === "mdlm" || mode === "dflash");
  return [
    ...ways,
    ...fixed.map((way) => ({ ...way, name: `${way.name}, ${fixedLength} tokens`, length: fixedLength })),
  ];
}

type Results = ReadonlyMap<string, ReadonlyMap<string, Tally>>;

async function measure(addon: typeof Native, options: Options): Promise<Results> {
  const text = readModelText(options.model, addon.readMetadata(options.model), "model");
  const stopTokens = Uint32Array.from(text.tokenizer.ends);
  const ways = await openWays(addon, options);
  const results = new Map(promptSets.map(({ name }) => [name, new Map(ways.map((way) => [way.name, new Tally()]))]));
  const expected = new Map<string, string>();
  const ask = async ({ name, engine, length }: Way, mode: Native.DraftMode, prompt: string): Promise<Answer> => {
    const tokens = text.encoder.encode([{ role: "user", content: prompt }], new Date());
    const given = await answer(engine, mode === "off" ? { mode } : { mode, length }, tokens, stopTokens, options);
    const words = given.tokens.join(" ");
    if (words !== (expected.get(prompt) ?? words)) throw new Error(`${name} answers "${prompt}" with other tokens`);
    expected.set(prompt, words);
    return given;
  };
  // Each engine's memory has been touched before anything counts; what its drafters learn is part of what is measured.
  for (const { prompts } of promptSets) {
    for (const prompt of prompts) for (const way of ways) await ask(way, "off", prompt);
  }
  let turn = 0;
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name, prompts } of promptSets) {
      for (const prompt of prompts) {
        turn += 1;
        for (let i = 0; i < ways.length; i++) {
          const way = ways[(i + turn) % ways.length];
          if (way === undefined || (way.length > 0 && round % 10 !== 1)) continue;
          await ask(way, "off", prompt); // the caches held another engine's weights
          const before = await ask(way, "off", prompt);
          const drafted = await ask(way, way.mode, prompt);
          const after = await ask(way, "off", prompt);
          results.get(name)?.get(way.name)?.add(round, drafted, [before, after]);
        }
      }
    }
    say(`round ${round} of ${options.rounds}`);
  }
  for (const engine of new Set(ways.map((way) => way.engine))) await engine.close();
  return results;
}

interface Row {
  readonly set: string;
  readonly way: string;
  readonly tok_per_s: number;
  readonly ratio: number;
  readonly ratio_low: number;
  readonly ratio_high: number;
  readonly tokens_per_pass: number;
  readonly drafted: number;
  readonly accepted: number;
  readonly experts_per_pass: number;
  readonly draft_share: number;
  /** Of drafts that reached the position, how many stood there. */
  readonly acceptance: readonly (number | null)[];
}

function rowsOf(results: Results): Row[] {
  return [...results].flatMap(([set, ways]) =>
    [...ways].map(([way, tally]) => ({
      set,
      way,
      tok_per_s: tally.rate,
      ratio: tally.ratio.median,
      ratio_low: tally.ratio.low,
      ratio_high: tally.ratio.high,
      tokens_per_pass: tally.emitted / tally.passes,
      drafted: tally.drafted,
      accepted: tally.accepted,
      experts_per_pass: tally.experts / tally.passes,
      draft_share: tally.draftMs / tally.decodeMs,
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
    `**${row.ratio.toFixed(3)}** (${row.ratio_low.toFixed(3)} to ${row.ratio_high.toFixed(3)})`,
    row.tokens_per_pass.toFixed(2),
    row.drafted > 0 ? `${row.accepted} of ${row.drafted}` : "",
    row.experts_per_pass.toFixed(2),
    `${(100 * row.draft_share).toFixed(1)} %`,
    ...row.acceptance.map((share) => (share === null ? "" : share.toFixed(2))),
  ]);
  return [
    `# Drafting against plain decoding, ${date}`,
    "",
    `${machine}. Conclave ${conclave}. ${options.rounds} rounds of ${promptSets.map(({ prompts }) => prompts.length).join(" + ")} prompts, up to ${options.tokens} tokens, ` +
      `temperature ${options.temperature}. "Against plain": each answer against two plain ones of the same engine, one before it and one after it; the median of the rounds, and where the ` +
      `true median lies in 95 of 100 cases. "At n": of the drafts that reached their n-th token, the share of which stood there.`,
    "",
    markdownTable([[...head, ...positions], ...body]),
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const options = readOptions();
  await buildAll(["native"]);
  const addon = createRequire(import.meta.url)("../../native/index.cjs") as typeof Native;
  const rows = rowsOf(await measure(addon, options));
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
