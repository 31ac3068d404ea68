/**
 * `npm run bench:gpu`: speed on a graphics card, for synthetic models of true shape in their usual quantisations. Every number
 * stands beside what the card copies within its own memory in the same process. `--device cpu` runs the same measurements on
 * the processor, which is of use to try this program out.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { z } from "zod";
import { buildAll } from "../../build/buildAll.ts";
import { repositoryRoot } from "../../build/vite.destination.ts";
import { buildCard, card, int8Rate } from "./gpuMachine.ts";
import { sharedPrefixes } from "./gpuShared.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { conclaveProgram } from "./measure.ts";
import { ensureSynthetic } from "./syntheticGguf.ts";
import { models, tensorsOf, type Shape } from "./syntheticShapes.ts";

const stageReport = z.object({
  stage: z.string(),
  calls: z.number(),
  ms: z.number(),
  gb_per_s: z.number().nullable(),
});
const speedReport = z.object({
  prefill_tps: z.number(),
  decode_tps: z.number(),
  gb_per_s: z.number(),
  stream_gb_per_s: z.number(),
  prefill_stages: z.array(stageReport),
  decode_stages: z.array(stageReport),
});
type Speed = z.infer<typeof speedReport>;
const rowsReport = z.object({
  rows: z.array(z.object({ rows: z.number(), ms: z.number(), ratio: z.number(), distinct_experts: z.number() })),
});

interface Options {
  readonly device: string;
  readonly models: readonly string[];
  readonly contexts: readonly number[];
  readonly prompts: readonly number[];
  /** Of sequences that share a prefix: its lengths, and how many they are. */
  readonly prefixes: readonly number[];
  readonly batches: readonly number[];
}

const decodeTokens = 64;
/** Rows of a pass while prompts are computed: each expert is then met by many. */
const chunk = 2048;
const verifyRows = [1, 2, 4, 8, 16];

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const fixed = (value: number, digits = 1): string => value.toFixed(digits);

/** One measurement in a process of its own; null, with the engine's sentence said, where it has no room for it. */
async function measure<T>(schema: z.ZodType<T>, args: readonly (string | number)[]): Promise<T | null> {
  say(`conclave ${args.join(" ")}`);
  try {
    const { stdout } = await promisify(execFile)(conclaveProgram, [...args.map(String), "--json"], {
      maxBuffer: 64 << 20,
    });
    return schema.parse(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""));
  } catch (error) {
    const complaint = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    if (!/memory|needed|fit/.test(complaint)) throw error;
    say(complaint);
    return null;
  }
}

interface Measured {
  readonly name: string;
  readonly shape: Shape;
  readonly prefill: ReadonlyMap<number, Speed | null>;
  readonly decode: ReadonlyMap<string, Speed | null>;
  readonly rows: z.infer<typeof rowsReport> | null;
}

const decodeKey = (batch: number, context: number): string => `${batch} at ${context}`;

async function measureModel(name: string, { device, contexts, prompts }: Options): Promise<Measured> {
  const shape = models.get(name);
  if (shape === undefined) throw new Error(`there is no synthetic model "${name}"`);
  const path = await ensureSynthetic(name, say);
  const bench = (prompt: number, batch: number): Promise<Speed | null> => {
    const size = ["-p", prompt, "-n", decodeTokens, "-b", batch, "--chunk", chunk, "--repeat", 1];
    return measure(speedReport, ["bench", path, "--device", device, ...size]);
  };
  const prefill = new Map<number, Speed | null>();
  const decode = new Map<string, Speed | null>();
  for (const prompt of prompts) prefill.set(prompt, await bench(prompt, 1));
  for (const context of contexts)
    for (const batch of [1, 8])
      decode.set(
        decodeKey(batch, context),
        batch === 1 && prefill.has(context) ? (prefill.get(context) ?? null) : await bench(context, batch),
      );
  const rowsArgs = ["bench", path, "--device", device, "-p", 512, "--rows", verifyRows.join(",")];
  return { name, shape, prefill, decode, rows: await measure(rowsReport, rowsArgs) };
}

/** Weights that a token is multiplied with, the head not among them: prompts need it once. */
function activeParameters(shape: Shape): number {
  const share = (tensor: string): number => (/_exps\./.test(tensor) ? shape.expertsUsed / shape.experts : 1);
  return tensorsOf(shape)
    .filter(({ name, dims }) => name.startsWith("blk.") && dims.length > 1)
    .reduce((sum, { name, dims }) => sum + share(name) * dims.reduce((product, n) => product * n, 1), 0);
}

const teraOperations = (shape: Shape, speed: Speed): number => (2 * activeParameters(shape) * speed.prefill_tps) / 1e12;

function prefillTable(all: readonly Measured[], prompts: readonly number[], rate: number | null): string {
  const cell = (shape: Shape, speed: Speed | null | undefined): string[] => {
    if (speed === null || speed === undefined) return ["no room", "", ""];
    const reached = teraOperations(shape, speed);
    return [fixed(speed.prefill_tps, 0), fixed(reached), rate === null ? "" : `${fixed((100 * reached) / rate)} %`];
  };
  const head = ["model", ...prompts.flatMap((n) => [`tokens/s, prompt of ${n}`, "10^12 op/s", "of the int8 rate"])];
  return markdownTable([
    head,
    ...all.map(({ shape, prefill }) => [shape.title, ...prompts.flatMap((n) => cell(shape, prefill.get(n)))]),
  ]);
}

function decodeTable(all: readonly Measured[], contexts: readonly number[]): string {
  const rows = all.flatMap(({ shape, decode }) =>
    [1, 8].map((batch) => [
      shape.title,
      String(batch),
      ...contexts.flatMap((context) => {
        const speed = decode.get(decodeKey(batch, context));
        if (speed === null || speed === undefined) return ["no room", ""];
        return [fixed(speed.decode_tps), `${fixed((100 * speed.gb_per_s) / speed.stream_gb_per_s, 0)} %`];
      }),
    ]),
  );
  const head = ["model", "sequences", ...contexts.flatMap((n) => [`tokens/s behind ${n}`, "of the copy's GB/s"])];
  return markdownTable([head, ...rows]);
}

function rowsTable(all: readonly Measured[]): string {
  const body = all.flatMap(({ shape, rows }) =>
    rows === null
      ? []
      : [[shape.title, ...rows.rows.map((row) => `${fixed(row.ratio, 2)} (${fixed(row.distinct_experts)})`)]],
  );
  return markdownTable([["model", ...verifyRows.map((n) => `${n} row${n === 1 ? "" : "s"}`)], ...body]);
}

function stagesTable(speed: Speed, stages: Speed["decode_stages"]): string {
  const total = stages.reduce((sum, { ms }) => sum + ms, 0);
  const body = stages.map(({ stage, calls, ms, gb_per_s: reached }) => [
    stage,
    String(calls),
    fixed(ms, 2),
    `${fixed((100 * ms) / total, 0)} %`,
    fixed(reached ?? 0),
    `${fixed((100 * (reached ?? 0)) / speed.stream_gb_per_s, 0)} %`,
  ]);
  return markdownTable([["stage", "calls", "ms", "of the time", "GB/s", "of the copy's"], ...body]);
}

function stagesOf({ shape, prefill }: Measured): string[] {
  return [...prefill].flatMap(([prompt, speed]) =>
    speed === null
      ? []
      : [
          `${shape.title}, prompt of ${prompt}, each stage waited for:`,
          stagesTable(speed, speed.prefill_stages),
          `${shape.title}, ${decodeTokens} tokens behind it:`,
          stagesTable(speed, speed.decode_stages),
        ],
  );
}

function page(all: readonly Measured[], shared: string, { device, contexts, prompts }: Options): string {
  const { date, machine, conclave } = surroundings();
  const found = device === "cuda" ? card() : null;
  const where = found === null ? `device ${device}` : `${found.name}, driver ${found.driver}`;
  const copies = all.flatMap(({ prefill }) => [...prefill.values()].flatMap((speed) => speed?.stream_gb_per_s ?? []));
  return `${[
    `# Conclave on ${where}, ${date} UTC`,
    `${machine}. Conclave ${conclave}. Synthetic files of true shape; prompts in passes of ${chunk}; ${decodeTokens} tokens decoded. Copies within the memory reached ${fixed(Math.max(0, ...copies), 0)} GB/s, read and write counted.`,
    prefillTable(all, prompts, found === null ? null : int8Rate(found.name)),
    "Decode; of the copy's GB/s: the weights that one token reads, or all that a pass of eight moves.",
    decodeTable(all, contexts),
    "A pass of n rows in the time of one (distinct experts a layer), behind 512 tokens:",
    rowsTable(all),
    shared,
    ...all.flatMap(stagesOf),
  ].join("\n\n")}\n`;
}

function readOptions(): Options {
  const numbers = (text: string): number[] => z.array(z.coerce.number().int().positive()).parse(text.split(","));
  const { values } = parseArgs({
    options: {
      device: { type: "string", default: "cuda" },
      models: { type: "string", default: "olmoe,mixtral-whole,qwen3moe-whole,gpt-oss" },
      contexts: { type: "string", default: "512,8192,32768" },
      prompts: { type: "string", default: "512,4096" },
      prefixes: { type: "string", default: "1024,4096,16384" },
      batches: { type: "string", default: "32,128,512" },
    },
  });
  return {
    device: values.device,
    models: values.models.split(","),
    contexts: numbers(values.contexts),
    prompts: numbers(values.prompts),
    prefixes: numbers(values.prefixes),
    batches: numbers(values.batches),
  };
}

async function main(): Promise<void> {
  const options = readOptions();
  await (options.device === "cuda" ? buildCard() : buildAll(["native"]));
  const all: Measured[] = [];
  for (const name of options.models) all.push(await measureModel(name, options));
  const sharing = options.models.filter((name) => /^(olmoe|qwen3moe)/.test(name));
  const files = new Map<string, string>();
  for (const name of sharing) files.set(models.get(name)?.title ?? name, await ensureSynthetic(name, say));
  const text = page(all, await sharedPrefixes(measure, options, files), options);
  process.stdout.write(text);
  if (options.device !== "cuda") return;
  const folder = join(repositoryRoot, "test", "bench", "results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `gpu-${surroundings().date.replaceAll(/[ :]/g, "-")}.md`);
  writeFileSync(file, text);
  say(`Wrote ${file}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
