// The numbers of a sampler as a person sets them.
import type { Conversation } from "../../electron/contract/chat.ts";

export interface SamplerField {
  readonly key: "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty" | "maxTokens" | "seed";
  readonly label: string;
  readonly help: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export const samplerFields: readonly SamplerField[] = [
  {
    key: "temperature",
    label: "Temperature",
    help: "0 always takes the likeliest word.",
    min: 0,
    max: 5,
    step: 0.05,
  },
  { key: "topK", label: "Top-k", help: "Choose among this many words; 0 is off.", min: 0, max: 1000, step: 1 },
  { key: "topP", label: "Top-p", help: "Keep this share of probability; 1 is off.", min: 0, max: 1, step: 0.01 },
  { key: "minP", label: "Min-p", help: "Drop words below this share of the likeliest.", min: 0, max: 1, step: 0.01 },
  { key: "repetitionPenalty", label: "Repetition penalty", help: "1 is off.", min: 0.1, max: 10, step: 0.05 },
  { key: "maxTokens", label: "Longest answer", help: "In tokens.", min: 1, max: 1_000_000, step: 1 },
  {
    key: "seed",
    label: "Seed",
    help: "The same seed gives the same answer to the same prompt. Empty: another one each time.",
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    step: 1,
  },
];

/** The sampler without one key: that one is as in Settings again. */
export function without(sampler: Conversation["sampler"], key: SamplerField["key"]): Conversation["sampler"] {
  return Object.fromEntries(Object.entries(sampler).filter(([name]) => name !== key));
}
