/**
 * `npm run perplexity -- MODEL TEXT [options]`: how well a model expects a text. Cuts the text into tokens with the model's
 * own tokenizer, then `conclave perplexity` computes. TEXT is a text file (one text) or a .jsonl file (a text each row, in
 * the member that --field names). Each text begins with the model's bos token where it has one. Options:
 *   --field text    --context 512    -t, --threads N    --exact    --json
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildAll } from "../../build/buildAll.ts";
import { run } from "../../build/run.ts";
import { readModelText } from "../../electron/engine/modelText.ts";
import type * as Native from "../../native/index.d.ts";
import { conclaveProgram } from "./measure.ts";

function readTexts(path: string, field: string): string[] {
  const content = readFileSync(path, "utf8");
  if (!path.endsWith(".jsonl")) return [content];
  const lines = content.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, i) => {
    const text = (JSON.parse(line) as Record<string, unknown>)[field];
    if (typeof text !== "string")
      throw new Error(`row ${i + 1} of ${path} has no text in "${field}"; name one with --field`);
    return text;
  });
}

function tokenLines(model: string, texts: readonly string[]): string {
  const native = createRequire(import.meta.url)("../../native/index.cjs") as typeof Native;
  const { tokenizer } = readModelText(model, native.readMetadata(model), "plain");
  const start = tokenizer.bos === null ? [] : [tokenizer.bos];
  return texts.map((text) => [...start, ...tokenizer.encode(text, { special: false })].join(" ")).join("\n");
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      field: { type: "string", default: "text" },
      context: { type: "string", default: "512" },
      threads: { type: "string", short: "t", default: "0" },
      exact: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const [model, text] = positionals;
  if (model === undefined || text === undefined || positionals.length > 2)
    throw new Error("name a model file and a text file: npm run perplexity -- MODEL TEXT");
  await buildAll(["native"]);
  const folder = mkdtempSync(join(tmpdir(), "conclave-perplexity-"));
  try {
    const tokens = join(folder, "tokens.txt");
    writeFileSync(tokens, tokenLines(model, readTexts(text, values.field)));
    const args = ["perplexity", model, "--tokens-file", tokens, "--context", values.context, "-t", values.threads];
    for (const flag of ["exact", "json"] as const) if (values[flag]) args.push(`--${flag}`);
    process.exitCode = (await run(conclaveProgram, args)).status;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${error instanceof Error ? error.message : String(error)}.\n`);
  process.exitCode = 1;
}
