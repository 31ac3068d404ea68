// The user's models: the embedded one that ships with the app and files registered where they lie, and which one is
// loaded. Headers are read and files hashed in the engine process; nothing here opens a model file.
import { randomUUID } from "node:crypto";
import { isAbsolute, resolve } from "node:path";
import { AppError, toWire } from "../contract/errors.ts";
import type { Publish, ServiceHandlers } from "../contract/ipc.ts";
import type { Drafting, LoadedModel, Model } from "../contract/models.ts";
import type { Settings } from "../contract/settings.ts";
import type { Database } from "../db/database.ts";
import {
  findModel,
  findModelByPath,
  listModels,
  markModelUsed,
  removeModel,
  saveModel,
  saveModelHash,
  type StoredModel,
} from "../db/models.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import { createDrafting, type DraftingChoices, type ShippedDrafter } from "./drafting.ts";
import {
  createLoading,
  type LoadingDependencies,
  type LoadingPreferences,
  type PreparedLoad,
  waysOut,
} from "./loading.ts";
import { findFile, type ModelFile, readModelFile } from "./modelFile.ts";

export const embeddedModelId = "embedded";

export interface ModelsDependencies {
  readonly database: Database;
  readonly engine: Pick<
    EngineApi,
    "inspect" | "inspectDrafter" | "hashFile" | "load" | "cancelLoad" | "unload" | "plan" | "placement" | "status"
  >;
  /** Places where the embedded model may lie, best first. */
  readonly embeddedFiles: readonly string[];
  readonly shippedDrafters: readonly ShippedDrafter[];
  readonly preferences: () => LoadingPreferences & Pick<Settings, "lastModelId" | "drafting">;
  readonly change: (values: Partial<Pick<Settings, "drafting" | "loading">>) => void;
  readonly expertUsage: LoadingDependencies["expertUsage"];
  readonly rememberModel: (modelId: string) => void;
  /** null: there is no dialog here, or it was cancelled. */
  readonly pickModelFile: () => Promise<string | null>;
  readonly publish: Publish;
  readonly log: (event: string, facts: Readonly<Record<string, string | number | null>>) => void;
  readonly now?: () => number;
}

export interface ModelsService extends ServiceHandlers<"models"> {
  /** The given model; else the loaded or loading one, the last used, or the embedded one. @throws AppError 'no-model'. */
  wanted(modelId?: string): Promise<Model>;
  /** Loads it unless it is loaded, with the drafter that is chosen for it; several callers share one load. */
  ensureLoaded(modelId: string): Promise<void>;
  draftFor: DraftingChoices["draftFor"];
  /** The drafter's file that is loaded beside the model; null: none. */
  loadedDrafter(): string | null;
  /** Stores what the loaded model took; while the engine is still there to ask. */
  settle(): void;
  /** Waits for work in the background (hashing). */
  close(): Promise<void>;
}

export function createModelsService(dependencies: ModelsDependencies): ModelsService {
  const { database, engine, publish, log } = dependencies;
  const now = dependencies.now ?? Date.now;
  const drafting = createDrafting({
    engine,
    shipped: dependencies.shippedDrafters,
    preferences: dependencies.preferences,
    change: dependencies.change,
  });
  const loads = createLoading({ ...dependencies, now, drafterFor: drafting.fileFor });
  let loaded: LoadedModel = { state: "none" };
  /** Of the last load that succeeded. */
  let loadedDrafter: string | null = null;
  let loading: { modelId: string; result: Promise<LoadedModel> } | undefined;
  let hashing: Promise<void> = Promise.resolve();
  let closing = false;
  let cancels = 0;
  const embeddedReady = registerEmbedded();

  function setLoaded(next: LoadedModel): LoadedModel {
    loaded = next;
    publish("models", "loadedChanged", next);
    return next;
  }

  async function announceLibrary(): Promise<void> {
    publish("models", "libraryChanged", await library());
  }

  async function library(): Promise<Model[]> {
    return Promise.all(listModels(database).map(withHealth));
  }

  /** The embedded model's place differs between installations, so it is looked up at every start. */
  async function registerEmbedded(): Promise<void> {
    const path = await findFile(dependencies.embeddedFiles);
    try {
      if (path === undefined) {
        removeModel(database, embeddedModelId);
        log("embedded model missing", { looked: dependencies.embeddedFiles.length });
      } else {
        await register(path, "embedded");
      }
    } catch (error) {
      log("embedded model unusable", { error: toWire(error).message });
    }
  }

  async function register(path: string, source: Model["source"]): Promise<StoredModel> {
    const file = await readModelFile(path);
    const known = source === "embedded" ? findModel(database, embeddedModelId) : findModelByPath(database, file.path);
    if (known !== undefined && isUnchanged(known, file)) {
      hashLater(known);
      return known;
    }
    const { name, ...facts } = await engine.inspect(file.path);
    if (known !== undefined) loads.forgetMeasured(known.id);
    const model: StoredModel = {
      ...facts,
      id: known?.id ?? (source === "embedded" ? embeddedModelId : randomUUID()),
      name: name.trim() === "" ? file.name : name,
      path: file.path,
      source,
      fileBytes: file.bytes,
      fileChangedAt: file.changedAt,
      sha256: null,
      addedAt: known?.addedAt ?? now(),
      lastUsedAt: known?.lastUsedAt ?? null,
    };
    database.transaction(() => {
      const atPath = findModelByPath(database, file.path);
      if (atPath !== undefined && atPath.id !== model.id) removeModel(database, atPath.id);
      saveModel(database, model);
    });
    hashLater(model);
    await announceLibrary();
    return model;
  }

  /** One file at a time, so that a long list does not keep the disk from the user. */
  function hashLater(model: StoredModel): void {
    if (model.sha256 !== null) return;
    hashing = hashing.then(async () => {
      if (closing) return;
      try {
        const sha256 = await engine.hashFile(model.path);
        if (closing || findModel(database, model.id) === undefined) return;
        saveModelHash(database, model.id, sha256);
        await announceLibrary();
      } catch (error) {
        log("hashing failed", { modelId: model.id, error: toWire(error).message });
      }
    });
  }

  function modelOf(id: string): StoredModel {
    const model = findModel(database, id);
    if (model === undefined)
      throw new AppError("not-found", "This model is not in the library any more; choose another one.");
    return model;
  }

  /** A full disk must not keep a model from loading: only the memory of it is lost. */
  function remember(modelId: string): void {
    try {
      markModelUsed(database, modelId, now());
      dependencies.rememberModel(modelId);
    } catch (error) {
      log("model not remembered", { modelId, error: toWire(error).message });
    }
  }

  function load(modelId: string): Promise<LoadedModel> {
    if (loading?.modelId === modelId) return loading.result;
    const result = loadNow(modelId).finally(() => {
      if (loading?.result === result) loading = undefined;
    });
    loading = { modelId, result };
    return result;
  }

  async function loadNow(modelId: string): Promise<LoadedModel> {
    await embeddedReady;
    const model = await withHealth(modelOf(modelId));
    const mine = (): boolean => loading === undefined || loading.modelId === modelId;
    let prepared: PreparedLoad | null = null;
    try {
      if (model.broken !== null) throw new AppError(model.broken.code, model.broken.message, model.broken.details);
      setLoaded({ state: "loading", modelId, doneBytes: 0, totalBytes: model.fileBytes });
      const asked = cancels;
      prepared = await loads.prepare(model);
      // The engine knows nothing of this load yet, and so could neither cancel nor replace it.
      if (cancels !== asked || !mine()) throw new AppError("cancelled", "Loading the model was cancelled.");
      loads.settle(true);
      const facts = await engine.load(prepared.request, (doneBytes, totalBytes) => {
        if (mine() && loaded.state === "loading") setLoaded({ state: "loading", modelId, doneBytes, totalBytes });
      });
      loadedDrafter = prepared.drafter;
      loads.loaded(modelId, prepared, facts);
      loads.settle(false);
      remember(modelId);
      const { context, backend, expertsOnGpu, moeLayers } = facts;
      log("model loaded", { modelId, context, backend, expertsOnGpu });
      const experts = moeLayers * facts.experts;
      return setLoaded({ state: "ready", modelId, context, backend, experts, expertsOnGpu });
    } catch (error) {
      const wire = toWire(error);
      // A load that another one replaced must not overwrite what that one says.
      if (mine()) {
        const ways = waysOut(wire.code, prepared);
        setLoaded(wire.code === "cancelled" ? { state: "none" } : { state: "failed", modelId, error: wire, ways });
      }
      log("model not loaded", { modelId, code: wire.code, error: wire.message });
      throw error;
    }
  }

  return {
    async list() {
      await embeddedReady;
      return library();
    },
    async addFile({ path }) {
      if (!isAbsolute(path))
        throw new AppError(
          "bad-argument",
          "The path of a model file must be absolute; give it from the root of the disk.",
        );
      return withHealth(await register(resolve(path), "file"));
    },
    async pickFile() {
      const path = await dependencies.pickModelFile();
      return path === null ? null : withHealth(await register(resolve(path), "file"));
    },
    async remove({ modelId }) {
      const model = modelOf(modelId);
      if (model.source === "embedded")
        throw new AppError("bad-argument", "The embedded model is part of Conclave and cannot be removed.");
      if ((loaded.state === "ready" || loaded.state === "loading") && loaded.modelId === modelId) {
        throw new AppError("conflict", "This model is loaded; unload it or load another one first.");
      }
      if (loaded.state === "failed" && loaded.modelId === modelId) setLoaded({ state: "none" });
      removeModel(database, modelId);
      drafting.forget(modelId);
      loads.forget(modelId);
      await announceLibrary();
      return null;
    },
    load: ({ modelId }) => load(modelId),
    async cancelLoad() {
      cancels += 1;
      engine.cancelLoad();
      return null;
    },
    getPlan: async ({ modelId, options }) => loads.plan(modelOf(modelId), options),
    setLoadOptions: async ({ modelId, options }) => loads.set(modelOf(modelId), options),
    async getPlacement() {
      if (loaded.state !== "ready") return null;
      const { modelId } = loaded;
      const placement = await engine.placement();
      return placement === null ? null : { ...placement, modelId };
    },
    async unload() {
      loads.settle(true);
      await engine.unload();
      setLoaded({ state: "none" });
      return null;
    },
    getLoaded: async () => loaded,
    getDrafting: async ({ modelId }) => drafting.state(modelOf(modelId)),
    setDrafting: async ({ modelId, ...values }) => drafting.set(modelOf(modelId), present(values)),
    async pickDrafter({ modelId }) {
      const path = await dependencies.pickModelFile();
      return path === null ? null : drafting.set(modelOf(modelId), { drafter: resolve(path) });
    },
    draftFor: drafting.draftFor,
    loadedDrafter: () => loadedDrafter,
    async wanted(modelId) {
      await embeddedReady;
      if (modelId !== undefined) {
        const model = await withHealth(modelOf(modelId));
        if (model.broken !== null) throw new AppError(model.broken.code, model.broken.message, model.broken.details);
        return model;
      }
      const current = loading?.modelId ?? (loaded.state === "ready" ? loaded.modelId : null);
      const candidates = [current, dependencies.preferences().lastModelId, embeddedModelId].filter((id) => id !== null);
      for (const id of candidates) {
        const model = findModel(database, id);
        const checked = model === undefined ? undefined : await withHealth(model);
        if (checked?.broken === null) return checked;
      }
      throw new AppError("no-model", "No model is loaded and none can be: add a GGUF file in the model list first.");
    },
    async ensureLoaded(modelId) {
      if (loaded.state === "ready" && loaded.modelId === modelId) {
        if ((await drafting.fileFor(modelOf(modelId))) === loadedDrafter) return;
      }
      await load(modelId);
    },
    settle: () => loads.settle(true),
    async close() {
      closing = true;
      await embeddedReady;
      await hashing;
    },
  };
}

/** Optional keys that are present but undefined must not hide what is stored. */
function present({ mode, length, drafter }: { [K in keyof Drafting]?: Drafting[K] | undefined }): Partial<Drafting> {
  return {
    ...(mode === undefined ? {} : { mode }),
    ...(length === undefined ? {} : { length }),
    ...(drafter === undefined ? {} : { drafter }),
  };
}

function isUnchanged(model: StoredModel, file: ModelFile): boolean {
  return model.path === file.path && model.fileBytes === file.bytes && model.fileChangedAt === file.changedAt;
}

/** A stored model with whether its file is still there. */
async function withHealth({ fileChangedAt: _, ...model }: StoredModel): Promise<Model> {
  try {
    await readModelFile(model.path);
    return { ...model, broken: null };
  } catch (error) {
    return { ...model, broken: toWire(error) };
  }
}
