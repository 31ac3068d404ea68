// The command line of `npm run chat`: what may be said and what it means. Pure.
import { parseArgs } from "node:util";
import {
  defaultSampler,
  draftModes,
  draftSchema,
  maxDraftLength,
  samplerSchema,
  type Draft,
  type Sampler,
} from "../contract/chat.ts";

export const usage = `Usage: npm run chat -- ["PROMPT"] [options]

Streams the model's answer to PROMPT, or opens an interactive chat without one.

  --model FILE        GGUF file (default: the embedded model)
  --system TEXT       system prompt
  --temperature T     0 always takes the likeliest token (default ${defaultSampler.temperature})
  --top-k N           0 is off (default ${defaultSampler.topK})
  --top-p P           1 is off (default ${defaultSampler.topP})
  --min-p P           0 is off (default ${defaultSampler.minP})
  --max-tokens N      longest answer (default ${defaultSampler.maxTokens})
  --seed S            the same seed gives the same answer (default: a random one)
  --draft MODE        ${draftModes.join("|")}: never changes the answer (default off)
  --draft-length N    tokens drafted at each step; 0 is as many as pay (default 0)
  --drafter FILE      drafting model; may be given once for each kind (default: the embedded model's own)
  --threads N         0 is all physical cores (default 0)
  --exact             multiply with the weights as the file says: slower, for comparisons
  --json              end with one line of JSON: text, tokens, timings
  --help
`;

/** A wrong command line; the message is one sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface ChatOptions {
  readonly prompt: string | null;
  /** Null: the embedded model. */
  readonly model: string | null;
  readonly system: string | null;
  readonly sampler: Sampler;
  /** Null: a random one for each answer. */
  readonly seed: number | null;
  readonly draft: Draft;
  readonly drafters: readonly string[];
  readonly threads: number;
  readonly exact: boolean;
  readonly json: boolean;
}

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const spec = {
  model: text,
  system: text,
  temperature: text,
  "top-k": text,
  "top-p": text,
  "min-p": text,
  "max-tokens": text,
  seed: text,
  draft: text,
  "draft-length": text,
  drafter: { type: "string", multiple: true },
  threads: text,
  exact: flag,
  json: flag,
  help: { type: "boolean", short: "h" },
} as const;

/** Option -> the sampler's field. */
const samplerFields = {
  temperature: "temperature",
  "top-k": "topK",
  "top-p": "topP",
  "min-p": "minP",
  "max-tokens": "maxTokens",
  seed: "seed",
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: spec, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function numberOf(option: string, value: string): number {
  const number = value.trim() === "" ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) throw new UsageError(`--${option} is "${value}" where a number belongs.`);
  return number;
}

function draftOf(mode = "off", length = "0"): Draft {
  const known = draftModes.find((name) => name === mode);
  if (known === undefined) throw new UsageError(`--draft is "${mode}"; it must be ${draftModes.join(", ")}.`);
  const draft = draftSchema.safeParse({ mode: known, length: numberOf("draft-length", length) });
  if (draft.success) return draft.data;
  throw new UsageError(`--draft-length is ${length}; it must be a whole number from 0 to ${maxDraftLength}.`);
}

/** Null: the user asks for help. Throws UsageError. */
export function readOptions(args: readonly string[]): ChatOptions | null {
  const { values, positionals } = parse(args);
  if (values.help === true) return null;
  if (positionals.length > 1) {
    throw new UsageError(`There are ${positionals.length} prompts where one belongs; put the prompt in quotes.`);
  }
  const sampler: Record<string, unknown> = { ...defaultSampler };
  for (const [option, field] of Object.entries(samplerFields)) {
    const value = values[option as keyof typeof samplerFields];
    if (value === undefined) continue;
    sampler[field] = numberOf(option, value);
    const checked = samplerSchema.shape[field].safeParse(sampler[field]);
    if (!checked.success)
      throw new UsageError(`--${option} is ${value}: ${checked.error.issues[0]?.message ?? "out of range"}.`);
  }
  const threads = values.threads === undefined ? 0 : numberOf("threads", values.threads);
  if (!Number.isInteger(threads) || threads < 0 || threads > 256) {
    throw new UsageError(`--threads is ${values.threads}; it must be a whole number from 0 to 256.`);
  }
  const checked = samplerSchema.parse(sampler);
  return {
    prompt: positionals[0] ?? null,
    model: values.model ?? null,
    system: values.system ?? null,
    sampler: checked,
    seed: checked.seed,
    draft: draftOf(values.draft, values["draft-length"]),
    drafters: values.drafter ?? [],
    threads,
    exact: values.exact ?? false,
    json: values.json ?? false,
  };
}
