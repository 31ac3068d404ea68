// How each model's answers are drafted: what the user chose, or else the drafter that ships for the model and as many tokens as
// pay. Whether a drafter's file fits is for the engine process to say, which reads it.
import { isAbsolute } from "node:path";
import type { Draft } from "../contract/chat.ts";
import { AppError, toWire, type WireError } from "../contract/errors.ts";
import type { Drafter, Drafting, DraftingState } from "../contract/models.ts";
import type { Settings } from "../contract/settings.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import { findFile, readModelFile } from "./modelFile.ts";

const defaultLength = 4;

/** A drafter that ships with the app; the first that is there is the one used when nothing was chosen. */
export interface ShippedDrafter {
  readonly id: string;
  readonly modelId: string;
  /** Where it may lie, best first. */
  readonly files: readonly string[];
}

export interface DraftingDependencies {
  readonly engine: Pick<EngineApi, "inspectDrafter">;
  readonly shipped: readonly ShippedDrafter[];
  readonly preferences: () => Pick<Settings, "drafting">;
  readonly change: (values: Pick<Settings, "drafting">) => void;
}

/** What drafting needs to know of a model. */
export interface DraftedModel {
  readonly id: string;
  readonly path: string;
}

export interface DraftingChoices {
  state(model: DraftedModel): Promise<DraftingState>;
  /** @throws AppError when the drafter's file cannot be used with this model. */
  set(model: DraftedModel, values: Partial<Drafting>): Promise<DraftingState>;
  /** What a run asks of the engine. */
  draftFor(modelId: string): Draft;
  /** The drafter's file to load with the model; null: none is chosen, or the chosen one cannot be used. */
  fileFor(model: DraftedModel): Promise<string | null>;
  forget(modelId: string): void;
}

export function createDrafting(dependencies: DraftingDependencies): DraftingChoices {
  const { engine, preferences } = dependencies;

  async function shippedFor(modelId: string): Promise<{ id: string; path: string }[]> {
    const found = dependencies.shipped
      .filter((drafter) => drafter.modelId === modelId)
      .map(async ({ id, files }) => ({ id, path: await findFile(files) }));
    return (await Promise.all(found)).flatMap(({ id, path }) => (path === undefined ? [] : [{ id, path }]));
  }

  async function chosen(modelId: string): Promise<Drafting> {
    const stored = preferences().drafting[modelId];
    if (stored !== undefined) return stored;
    const [first] = await shippedFor(modelId);
    return { mode: "auto", length: defaultLength, drafter: first?.id ?? null };
  }

  async function inspect(model: DraftedModel, id: string): Promise<{ path: string; drafter: Drafter }> {
    const shipped = await shippedFor(model.id);
    const path = shipped.find((drafter) => drafter.id === id)?.path ?? id;
    if (!isAbsolute(path))
      throw new AppError("not-found", `The drafter “${id}” does not ship with this Conclave; choose another one.`);
    const file = await readModelFile(path);
    const { kind, name } = await engine.inspectDrafter(file.path, model.path);
    return { path: file.path, drafter: { id, kind, name: name.trim() === "" ? file.name : name } };
  }

  async function state(model: DraftedModel): Promise<DraftingState> {
    const drafting = await chosen(model.id);
    const ids = new Set((await shippedFor(model.id)).map(({ id }) => id));
    if (drafting.drafter !== null) ids.add(drafting.drafter);
    const drafters: Drafter[] = [];
    let trouble: WireError | null = null;
    for (const id of ids) {
      try {
        drafters.push((await inspect(model, id)).drafter);
      } catch (error) {
        if (id === drafting.drafter) trouble = toWire(error);
      }
    }
    return { ...drafting, drafters, trouble };
  }

  return {
    state,
    async set(model, values) {
      if (values.drafter !== undefined && values.drafter !== null) await inspect(model, values.drafter);
      const next = { ...(await chosen(model.id)), ...values };
      dependencies.change({ drafting: { ...preferences().drafting, [model.id]: next } });
      return state(model);
    },
    draftFor(modelId) {
      const { mode, length } = preferences().drafting[modelId] ?? { mode: "auto", length: 0 };
      return mode === "off" ? { mode, length: 0 } : { mode: "auto", length: mode === "fixed" ? length : 0 };
    },
    async fileFor(model) {
      const { mode, drafter } = await chosen(model.id);
      if (mode === "off" || drafter === null) return null;
      try {
        return (await inspect(model, drafter)).path;
      } catch (error) {
        if (error instanceof AppError) return null; // Settings say why
        throw error;
      }
    },
    forget(modelId) {
      const { [modelId]: _, ...rest } = preferences().drafting;
      dependencies.change({ drafting: rest });
    },
  };
}
