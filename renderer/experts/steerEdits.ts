// Changes to a steering, and what makes one impossible. Pure.
import { type ExpertBias, inOrder, type Steering } from "../../electron/contract/steering.ts";
import type { ExpertPlace } from "./expertTrace.ts";

/** What a model's routers are. */
export interface RouterShape {
  readonly moeLayers: number;
  readonly experts: number;
  /** Experts per token, as trained. */
  readonly expertsUsed: number;
}

/** 0: as trained; null: muted. */
export function biasOf({ biases }: Steering, { layer, expert }: ExpertPlace): ExpertBias["bias"] {
  const found = biases.find((entry) => entry.layer === layer && entry.expert === expert);
  return found === undefined ? 0 : found.bias;
}

export const withBias = (steering: Steering, place: ExpertPlace, bias: ExpertBias["bias"]): Steering => ({
  ...steering,
  biases: inOrder([...steering.biases, { ...place, bias }]),
});

/** The first layer that has fewer experts left than a token takes; null: none. */
export function tooManyMuted(
  { expertsUsed, biases }: Steering,
  shape: RouterShape,
): { readonly layer: number; readonly left: number; readonly needed: number } | null {
  const needed = expertsUsed ?? shape.expertsUsed;
  for (let layer = 0; layer < shape.moeLayers; layer++) {
    const muted = biases.filter((entry) => entry.layer === layer && entry.bias === null).length;
    const left = shape.experts - muted;
    if (left < needed) return { layer, left, needed };
  }
  return null;
}
