// Where each model would go, asked for when the list opens and again when something that it depends on changed.
import { create } from "zustand";
import type { Planned } from "../../electron/contract/placement.ts";
import { client } from "../platform/client.ts";
import { useModels } from "./modelsStore.ts";

interface PlanStore {
  readonly plans: Readonly<Record<string, Planned>>;
}

export const usePlans = create<PlanStore>()(() => ({ plans: {} }));

export const keepPlan = (modelId: string, planned: Planned): void =>
  usePlans.setState(({ plans }) => ({ plans: { ...plans, [modelId]: planned } }));

/** One after the other: a header is read for each. A model without a plan shows none; its own error says why. */
export async function planAll(): Promise<void> {
  const usable = useModels.getState().library.filter(({ broken }) => broken === null);
  for (const { id } of usable) {
    try {
      keepPlan(id, await client.models.getPlan({ modelId: id }));
    } catch {
      usePlans.setState(({ plans: { [id]: _, ...rest } }) => ({ plans: rest }));
    }
  }
}
