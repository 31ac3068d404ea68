// Where the loaded model is, asked for once a second while somebody looks at it, and not at all otherwise.
import { useEffect } from "react";
import { create } from "zustand";
import type { LocatedModel } from "../../electron/contract/placement.ts";
import { client } from "./client.ts";

const lookMs = 1000;

/** null: no model is loaded, or nobody looks. */
const usePlacementStore = create<{ readonly placement: LocatedModel | null }>()(() => ({ placement: null }));

let lookers = 0;
let asking = false;
let timer: ReturnType<typeof setInterval> | null = null;

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);

/** What did not change stays the same object, so that only what shows it is drawn again. */
export function keepUnchanged(before: LocatedModel | null, found: LocatedModel | null): LocatedModel | null {
  if (before === null || found === null) return found;
  const alike = before.modelId === found.modelId && sameBytes(before.tiers, found.tiers);
  return alike ? { ...found, tiers: before.tiers } : found;
}

async function look(): Promise<void> {
  if (document.hidden || asking) return;
  asking = true;
  try {
    const found = await client.models.getPlacement({});
    if (lookers > 0) usePlacementStore.setState(({ placement }) => ({ placement: keepUnchanged(placement, found) }));
  } catch {
    usePlacementStore.setState({ placement: null }); // the status bar says what is wrong with the engine
  } finally {
    asking = false;
  }
}

function begin(): () => void {
  lookers += 1;
  void look();
  timer ??= setInterval(() => void look(), lookMs);
  return () => {
    lookers -= 1;
    if (lookers > 0) return;
    if (timer !== null) clearInterval(timer);
    timer = null;
    usePlacementStore.setState({ placement: null });
  };
}

/** While the component is there. `choose` picks what it shows, so that it is drawn only when that changes. */
export function usePlacement<T>(choose: (placement: LocatedModel | null) => T): T {
  useEffect(begin, []);
  return usePlacementStore(({ placement }) => choose(placement));
}

/** As it was found last; null where nobody looks. */
export const lastPlacement = (): LocatedModel | null => usePlacementStore.getState().placement;
