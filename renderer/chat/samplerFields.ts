// The numbers of a sampler as a person sets them; their names and what they do are among the texts of Settings.
import type { Conversation } from "../../electron/contract/chat.ts";

export interface SamplerField {
  readonly key: "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty" | "maxTokens" | "seed";
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export const samplerFields: readonly SamplerField[] = [
  { key: "temperature", min: 0, max: 5, step: 0.05 },
  { key: "topK", min: 0, max: 1000, step: 1 },
  { key: "topP", min: 0, max: 1, step: 0.01 },
  { key: "minP", min: 0, max: 1, step: 0.01 },
  { key: "repetitionPenalty", min: 0.1, max: 10, step: 0.05 },
  { key: "maxTokens", min: 1, max: 1_000_000, step: 1 },
  { key: "seed", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
];

/** The sampler without one key: that one is as in Settings again. */
export function without(sampler: Conversation["sampler"], key: SamplerField["key"]): Conversation["sampler"] {
  return Object.fromEntries(Object.entries(sampler).filter(([name]) => name !== key));
}
