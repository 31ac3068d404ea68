// The tier of each expert of the loaded model: on the card, in memory, on disk. Pure.
import type { LocatedModel } from "../../electron/contract/placement.ts";
import { t } from "../i18n/texts.ts";

/** By the number that the engine gives each. The mark's fill says the tier: full, half, a line. */
export const tiers = [
  { name: "vram", mark: "█", fill: 1 },
  { name: "ram", mark: "▄", fill: 0.5 },
  { name: "disk", mark: "▁", fill: 0.15 },
] as const;
export type Tier = (typeof tiers)[number];

export interface TierGrid {
  readonly layers: number;
  readonly experts: number;
  /** [layers * experts] index into `tiers` */
  readonly cells: Uint8Array;
}

interface Shape {
  readonly moeLayers: number;
  readonly expertCount: number;
}

/** Null: the loaded model is not the one that wrote the answer. */
export function tiersOf(placement: LocatedModel | null, modelId: string | undefined, shape: Shape): Uint8Array | null {
  if (placement === null || placement.modelId !== modelId) return null;
  const fits = placement.moeLayers === shape.moeLayers && placement.experts === shape.expertCount;
  return fits && placement.tiers.length === shape.moeLayers * shape.expertCount ? placement.tiers : null;
}

/** [tiers] how many experts of a layer are in each; without a layer, of all. */
export function countTiers({ experts, cells }: TierGrid, layer?: number): number[] {
  const counted = layer === undefined ? cells : cells.subarray(layer * experts, (layer + 1) * experts);
  return tiers.map((_, tier) => counted.reduce((sum, cell) => sum + (cell === tier ? 1 : 0), 0));
}

/** "▄ RAM" */
export function tierText(cell: number | undefined): string {
  const tier = tiers[cell ?? -1];
  return tier === undefined ? "" : `${tier.mark} ${t(`experts.tier-${tier.name}`)}`;
}
