// Part of `npm run bench:gpu`: sequences behind one prefix, in the settings of Juravsky et al. 2024 ("Hydragen"): one
// attention alone, then whole models, meeting the shared pages together, each for itself, and with no attention at all.
import { z } from "zod";
import { markdownTable } from "./machine.ts";

const attentionReport = z.object({
  settings: z.array(
    z.object({
      batch: z.number(),
      prefix: z.number(),
      suffix: z.number(),
      apart_ms: z.number(),
      together_ms: z.number(),
    }),
  ),
});
const modelReport = z.object({
  settings: z.array(
    z.object({
      batch: z.number(),
      prefix: z.number(),
      together_tps: z.number(),
      apart_tps: z.number(),
      no_attention_tps: z.number(),
    }),
  ),
});

/** Runs `conclave` with these arguments; null where there is no room for it. */
export type Measure = <T>(schema: z.ZodType<T>, args: readonly (string | number)[]) => Promise<T | null>;

export interface SharedOptions {
  readonly device: string;
  readonly prefixes: readonly number[];
  readonly batches: readonly number[];
}

/** Query heads and key heads: the paper's, every head with its own keys, and Qwen3's. */
const heads = ["8,1", "16,16", "32,4"];
const suffixes = [0, 128, 512];
const tokens = 128;

async function attentionTable(measure: Measure, { device, prefixes, batches }: SharedOptions): Promise<string> {
  // The larger batch goes with the longer prefix, as in the paper, which ends at 4096 sequences behind 8192 tokens.
  const pairs = [
    ["--batch", [...batches, ...batches.slice(-1).map((batch) => 8 * batch)].join(",")],
    ["--prefix", [...batches.map((_, i) => prefixes[i] ?? 1024), 8192].join(",")],
  ].flat();
  const rows: string[][] = [];
  for (const each of heads) {
    const report = await measure(attentionReport, [
      "attention",
      "--device",
      device,
      "--heads",
      each,
      ...pairs,
      "--suffix",
      suffixes.join(","),
    ]);
    for (const row of report?.settings ?? [])
      rows.push([
        each.replace(",", " on "),
        String(row.batch),
        String(row.prefix),
        String(row.suffix),
        row.apart_ms.toFixed(3),
        row.together_ms.toFixed(3),
        `${(row.apart_ms / row.together_ms).toFixed(2)}x`,
      ]);
  }
  return markdownTable([["heads", "sequences", "prefix", "suffix", "apart ms", "together ms", "gain"], ...rows]);
}

/** `models`: titles and files. A setting that has no room is left out: each batch is measured by itself. */
async function modelsTable(
  measure: Measure,
  { device, prefixes, batches }: SharedOptions,
  models: ReadonlyMap<string, string>,
): Promise<string> {
  const rows: string[][] = [];
  for (const [title, path] of models)
    for (const batch of batches) {
      const args = ["--shared-prefix", prefixes.join(","), "--batch", batch, "-n", tokens];
      const report = await measure(modelReport, ["bench", path, "--device", device, ...args]);
      const shortest = report?.settings[0]?.together_tps ?? 0;
      for (const row of report?.settings ?? [])
        rows.push([
          title,
          String(batch),
          String(row.prefix),
          row.together_tps.toFixed(0),
          `${((100 * row.together_tps) / shortest).toFixed(0)} %`,
          row.apart_tps.toFixed(0),
          row.no_attention_tps.toFixed(0),
        ]);
      if (report === null) rows.push([title, String(batch), "no room", "", "", "", ""]);
    }
  return markdownTable([
    ["model", "sequences", "prefix", "together, tokens/s", "of the shortest prefix's", "apart", "no attention"],
    ...rows,
  ]);
}

export async function sharedPrefixes(
  measure: Measure,
  options: SharedOptions,
  models: ReadonlyMap<string, string>,
): Promise<string> {
  return [
    "One attention over a prefix that all sequences share (keys and values F16, width 128), one row each:",
    await attentionTable(measure, options),
    `Decode of ${tokens} tokens by each of the sequences behind one prefix, their pages shared in all three ways:`,
    await modelsTable(measure, options, models),
  ].join("\n\n");
}
