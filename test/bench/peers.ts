/**
 * `npm run bench:peers`: Conclave and node-llama-cpp on the same files in the same run, turn by turn (A B A B), medians and
 * ratios. Writes one table to test/bench/results. Options:
 *   --models olmoe,mixtral,qwen3moe   names of synthetic models
 *   --threads 1,2    --repeat 3    --prompt 512    --decode 64
 *   --contention     also with another process that keeps one core busy, at the most threads
 *   --long           also with a prompt of 8192 tokens, at the most threads
 *   --results FOLDER    --json (the last line is one object)
 * Numbers mean something only on a machine that does nothing else.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildAll } from "../../build/buildAll.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { measureConclave, measurePeer, median, type ConclaveSpeed, type Load, type PeerSpeed } from "./measure.ts";
import { ensurePeer } from "./peerInstall.ts";
import { ensureSynthetic } from "./syntheticGguf.ts";

const longPrompt = 8192;

interface Options {
  readonly models: readonly string[];
  readonly threads: readonly number[];
  readonly repeat: number;
  readonly prompt: number;
  readonly decode: number;
  readonly contention: boolean;
  readonly long: boolean;
  readonly json: boolean;
  readonly results: string;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes whole numbers from 1, not "${text}"`);
  return value;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      models: { type: "string", default: "olmoe,mixtral,qwen3moe" },
      threads: { type: "string", default: "1,2" },
      repeat: { type: "string", default: "3" },
      prompt: { type: "string", default: "512" },
      decode: { type: "string", default: "64" },
      contention: { type: "boolean", default: false },
      long: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      results: { type: "string", default: fileURLToPath(new URL("./results", import.meta.url)) },
    },
  });
  return {
    ...values,
    models: values.models.split(","),
    threads: values.threads.split(",").map((text) => wholeNumber("threads", text)),
    repeat: wholeNumber("repeat", values.repeat),
    prompt: wholeNumber("prompt", values.prompt),
    decode: wholeNumber("decode", values.decode),
  };
}

interface Row {
  readonly model: string;
  readonly setting: "quiet" | "contention" | "long";
  readonly threads: number;
  readonly prompt: number;
  readonly prefill_ratio: number;
  readonly decode_ratio: number;
  readonly prefill_tps: number;
  readonly decode_tps: number;
  readonly peer_prefill_tps: number;
  readonly peer_decode_tps: number;
  readonly gb_per_s: number;
  /** Plain streaming reads by the same threads: of memory in huge pages, and of the file's mapping, where the weights are. */
  readonly stream_gb_per_s: number;
  readonly mapped_gb_per_s: number;
  readonly bandwidth_ratio: number;
  readonly mapped_ratio: number;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const fixed = (value: number, digits = 1): string => value.toFixed(digits);

let peerRelease = "";

async function measureRow(model: string, setting: Row["setting"], load: Load, repeat: number): Promise<Row> {
  const ours: ConclaveSpeed[] = [];
  const theirs: PeerSpeed[] = [];
  for (let turn = 1; turn <= repeat; turn++) {
    ours.push(await measureConclave(load));
    theirs.push(await measurePeer(load));
    const speeds = [ours.at(-1), theirs.at(-1)].map(
      (s) => `${fixed(s?.prefill_tps ?? 0)} / ${fixed(s?.decode_tps ?? 0)}`,
    );
    say(
      `${model}, ${setting}, ${load.threads} threads, turn ${turn} of ${repeat}: Conclave ${speeds[0]}, peer ${speeds[1]}`,
    );
  }
  peerRelease = theirs[0]?.release ?? "";
  const of = <T>(speeds: readonly T[], key: (speed: T) => number): number => median(speeds.map(key));
  const prefill = of(ours, (speed) => speed.prefill_tps);
  const decode = of(ours, (speed) => speed.decode_tps);
  const peerPrefill = of(theirs, (speed) => speed.prefill_tps);
  const peerDecode = of(theirs, (speed) => speed.decode_tps);
  return {
    model,
    setting,
    threads: load.threads,
    prompt: load.prompt,
    prefill_ratio: prefill / peerPrefill,
    decode_ratio: decode / peerDecode,
    prefill_tps: prefill,
    decode_tps: decode,
    peer_prefill_tps: peerPrefill,
    peer_decode_tps: peerDecode,
    gb_per_s: of(ours, (speed) => speed.gb_per_s),
    stream_gb_per_s: of(ours, (speed) => speed.stream_gb_per_s),
    mapped_gb_per_s: of(ours, (speed) => speed.mapped_gb_per_s),
    bandwidth_ratio: of(ours, (speed) => speed.gb_per_s / speed.stream_gb_per_s),
    mapped_ratio: of(ours, (speed) => speed.gb_per_s / speed.mapped_gb_per_s),
  };
}

/** Runs `work` while another process keeps one core busy. */
async function underContention<T>(work: () => Promise<T>): Promise<T> {
  const busy = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
  try {
    return await work();
  } finally {
    busy.kill("SIGKILL");
  }
}

async function measureModel(model: string, options: Options): Promise<Row[]> {
  const path = await ensureSynthetic(model, say);
  const { prompt, decode, repeat } = options;
  const rows: Row[] = [];
  for (const threads of options.threads)
    rows.push(await measureRow(model, "quiet", { path, prompt, decode, threads }, repeat));
  const threads = Math.max(...options.threads);
  if (options.contention) {
    rows.push(await underContention(() => measureRow(model, "contention", { path, prompt, decode, threads }, repeat)));
  }
  if (options.long) rows.push(await measureRow(model, "long", { path, prompt: longPrompt, decode, threads }, 1));
  return rows;
}

function speedTable(rows: readonly Row[]): string {
  const head = [
    "model",
    "threads",
    "prefill",
    "peer",
    "ratio",
    "decode",
    "peer",
    "ratio",
    "GB/s",
    "read of memory",
    "share",
    "read of the file",
    "share",
  ];
  const body = rows.map((row) => [
    row.model,
    String(row.threads),
    fixed(row.prefill_tps),
    fixed(row.peer_prefill_tps),
    `**${fixed(row.prefill_ratio, 2)}**`,
    fixed(row.decode_tps),
    fixed(row.peer_decode_tps),
    `**${fixed(row.decode_ratio, 2)}**`,
    fixed(row.gb_per_s),
    fixed(row.stream_gb_per_s),
    `${fixed(100 * row.bandwidth_ratio, 0)} %`,
    fixed(row.mapped_gb_per_s),
    `${fixed(100 * row.mapped_ratio, 0)} %`,
  ]);
  return markdownTable([head, ...body]);
}

/** What is kept of the quiet run's speed, by Conclave and by the peer. */
function keptTable(rows: readonly Row[], setting: Row["setting"]): string {
  const head = ["model", "prefill", "kept", "peer", "kept", "decode", "kept", "peer", "kept"];
  const speeds: readonly ((of: Row) => number)[] = [
    (of) => of.prefill_tps,
    (of) => of.peer_prefill_tps,
    (of) => of.decode_tps,
    (of) => of.peer_decode_tps,
  ];
  const body = rows
    .filter((row) => row.setting === setting)
    .map((row) => {
      const quiet = rows.find(
        (other) => other.setting === "quiet" && other.model === row.model && other.threads === row.threads,
      );
      const kept = (speed: (of: Row) => number): string[] => [
        fixed(speed(row)),
        quiet === undefined ? "" : `${fixed((100 * speed(row)) / speed(quiet), 0)} %`,
      ];
      return [row.model, ...speeds.flatMap(kept)];
    });
  return markdownTable([head, ...body]);
}

function page(rows: readonly Row[], options: Options, peerVersion: string): string {
  const { date, machine, conclave } = surroundings();
  const quiet = rows.filter((row) => row.setting === "quiet");
  const parts = [
    `# Conclave beside node-llama-cpp, ${date} UTC`,
    `${machine}. Conclave ${conclave}; node-llama-cpp ${peerVersion} (llama.cpp ${peerRelease}, prebuilt, CPU); Node ${process.versions.node}.`,
    `Synthetic Q4_K_M files of true shape. Tokens per second, medians of ${options.repeat} turns, interleaved: prefill of ${options.prompt}, then decode of ${options.decode}. GB/s: weight bytes per decoded token x tokens per second; beside it what plain streaming reads reached with the same threads in the same run, of memory in huge pages and of the file where the weights lie.`,
    speedTable(quiet),
  ];
  if (options.contention) parts.push("Speed kept while another process takes one core:", keptTable(rows, "contention"));
  if (options.long) parts.push(`Speed kept with a prompt of ${longPrompt} tokens:`, keptTable(rows, "long"));
  return `${parts.join("\n\n")}\n`;
}

async function main(): Promise<void> {
  const options = readOptions();
  await buildAll(["native"]);
  const peerVersion = await ensurePeer(say);
  const rows: Row[] = [];
  for (const model of options.models) rows.push(...(await measureModel(model, options)));
  const text = page(rows, options, peerVersion);
  mkdirSync(options.results, { recursive: true });
  const file = join(options.results, `peers-${surroundings().date.replaceAll(/[ :]/g, "-")}.md`);
  writeFileSync(file, text);
  say(`Wrote ${file}`);
  process.stdout.write(text);
  if (options.json) console.log(JSON.stringify({ rows }));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
