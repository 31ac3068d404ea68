/**
 * `npm run bench:memory`: what the engine holds of the machine's memory, and how soon it answers. Resident set before
 * loading, after loading, after the first token of a 16-token prompt, after 512 more tokens, after closing; the time from
 * nothing to that first token, with the file in the page cache. Options: --model NAME (a synthetic one) or --file PATH,
 * --threads N, --json.
 */
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { buildAll } from "../../build/buildAll.ts";
import type * as Native from "../../native/index.d.ts";
import { markdownTable, surroundings } from "./machine.ts";
import { ensureSynthetic } from "./syntheticGguf.ts";

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const residentBytes = (): number => process.memoryUsage().rss;

async function readThrough(path: string): Promise<void> {
  for await (const piece of createReadStream(path, { highWaterMark: 8 << 20 })) void piece;
}

/** Resolves when the run has ended; `onToken` hears the first token. */
function generate(engine: Native.Engine, promptLength: number, maxTokens: number, onToken: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const tokens = Uint32Array.from({ length: promptLength }, (_, i) => (i * 7919 + 13) % (engine.info.vocab - 2));
    let seen = false;
    engine.request({ tokens, maxTokens, stopTokens: new Uint32Array(0) }, (batch) => {
      if (!seen && batch.tokens.length > 0) onToken();
      seen ||= batch.tokens.length > 0;
      if (batch.failed !== undefined) reject(new Error(batch.failed.message));
      if (batch.ended !== undefined) resolve();
    });
  });
}

async function measure(path: string, threads: number): Promise<[string, number][]> {
  const native = createRequire(import.meta.url)("../../native/index.cjs") as typeof Native;
  const readings: [string, number][] = [["before loading", residentBytes()]];
  const began = performance.now();
  const engine = await native.Engine.open({ path, threads });
  readings.push(["loaded", residentBytes()]);
  let firstToken = 0;
  await generate(engine, 16, 1, () => (firstToken = performance.now() - began));
  readings.push(["after the first token", residentBytes()]);
  await generate(engine, 16, 512, () => undefined);
  readings.push(["after 512 tokens", residentBytes()]);
  const { weightBytes, kvBytesReserved } = engine.stats();
  await engine.close();
  await delay(200);
  readings.push(["after closing", residentBytes()]);
  return [
    ...readings,
    ["file", weightBytes],
    ["keys and values", kvBytesReserved],
    ["milliseconds to the first token", firstToken],
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: "olmoe" },
      file: { type: "string" },
      threads: { type: "string", default: "0" },
      json: { type: "boolean", default: false },
    },
  });
  await buildAll(["native"]);
  const path = values.file ?? (await ensureSynthetic(values.model, say));
  await readThrough(path);
  const readings = await measure(path, Number(values.threads));
  const { date, machine, conclave } = surroundings();
  console.log(`${values.file ?? values.model}, ${date} UTC, ${machine}, Conclave ${conclave}\n`);
  const shown = (name: string, value: number): string =>
    name.startsWith("milliseconds") ? value.toFixed(0) : megabytes(value);
  console.log(markdownTable([["", ""], ...readings.map(([name, value]) => [name, shown(name, value)])]));
  if (values.json) console.log(JSON.stringify(Object.fromEntries(readings)));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
