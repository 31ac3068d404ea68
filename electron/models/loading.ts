// What a load of a model asks of the engine: the app's choices, the model's own over them, and how often its experts were chosen
// earlier. Shows where it would go, and remembers what it took, so that the next plan can say so.
import { type AppErrorCode, AppError, toWire } from "../contract/errors.ts";
import type { LoadedModel, Model } from "../contract/models.ts";
import type { LoadChanges, LoadOptions, Measured, ModelPlan, Planned } from "../contract/placement.ts";
import type { Settings } from "../contract/settings.ts";
import type { Database } from "../db/database.ts";
import { findMeasured, forgetMeasured, saveMeasured } from "../db/modelMemory.ts";
import type { EngineApi, LoadedInfo, LoadRequest } from "../engine/engineApi.ts";

/** Tokens of context when neither the user nor a shorter training says otherwise. */
const defaultContext = 8192;
const bytesPerMb = 1_000_000;

export type LoadingPreferences = Pick<Settings, "threads" | "context" | "device" | "chatTemplate" | "loading">;
type PlannedModel = Pick<Model, "id" | "path" | "contextTrained" | "moeLayers" | "experts">;
type PartialOptions = { readonly [K in keyof LoadOptions]?: LoadOptions[K] | undefined };

export interface LoadingDependencies {
  readonly database: Database;
  readonly engine: Pick<EngineApi, "plan" | "status">;
  readonly preferences: () => LoadingPreferences;
  readonly change: (values: Pick<Settings, "loading">) => void;
  /** The drafter's file that is loaded beside the model. */
  readonly drafterFor: (model: PlannedModel) => Promise<string | null>;
  /** [moeLayers][experts] how often each was chosen in earlier answers; null: in none. */
  readonly expertUsage: (model: PlannedModel) => Promise<number[][] | null>;
  readonly now: () => number;
  readonly log: (event: string, facts: Readonly<Record<string, string | number | null>>) => void;
}

export interface PreparedLoad {
  readonly request: LoadRequest;
  readonly options: LoadOptions;
  readonly drafter: string | null;
  /** null: it could not be made, which the load itself will say better. */
  readonly plan: ModelPlan | null;
}

export interface Loading {
  plan(model: PlannedModel, wanted?: PartialOptions): Promise<Planned>;
  set(model: PlannedModel, changes: LoadChanges | null): Promise<Planned>;
  prepare(model: PlannedModel): Promise<PreparedLoad>;
  /** From now on the engine's peak is this model's. */
  loaded(modelId: string, load: PreparedLoad, facts: LoadedInfo): void;
  /** Stores what the loaded model took at most so far; `end`: it is about to go. */
  settle(end: boolean): void;
  forget(modelId: string): void;
  /** The model's file is another one now. */
  forgetMeasured(modelId: string): void;
}

export function createLoading(dependencies: LoadingDependencies): Loading {
  const { database, engine, preferences, now, log } = dependencies;
  let watched: { readonly modelId: string; readonly key: string; readonly placement: Measured["placement"] } | null =
    null;

  function optionsFor(modelId: string, wanted: PartialOptions = {}): LoadOptions {
    const { device, context, loading } = preferences();
    return {
      device,
      context,
      kvType: "F16",
      expertCache: "fixed",
      vramMb: 0,
      ...present(loading[modelId] ?? {}),
      ...present(wanted),
    };
  }

  async function requestFor(
    model: PlannedModel,
    options: LoadOptions,
  ): Promise<{ request: LoadRequest; drafter: string | null }> {
    const { threads, chatTemplate } = preferences();
    const drafter = await dependencies.drafterFor(model);
    const { device, kvType, expertCache } = options;
    const context = options.context === 0 ? Math.min(model.contextTrained, defaultContext) : options.context;
    const request: LoadRequest = {
      path: model.path,
      threads,
      context,
      chatTemplate,
      device,
      kvType,
      expertCache,
      drafters: drafter === null ? [] : [drafter],
      deviceBytes: options.vramMb * bytesPerMb,
    };
    return { request, drafter };
  }

  async function plan(model: PlannedModel, wanted: PartialOptions = {}): Promise<Planned> {
    const options = optionsFor(model.id, wanted);
    const { request, drafter } = await requestFor(model, options);
    return {
      options,
      own: preferences().loading[model.id] ?? {},
      plan: await engine.plan(request),
      measured: findMeasured(database, model.id, keyOf(options, request, drafter)),
    };
  }

  return {
    plan,
    async set(model, changes) {
      const { [model.id]: own, ...rest } = preferences().loading;
      const next = changes === null ? {} : withChanges(own ?? {}, changes);
      dependencies.change({ loading: Object.keys(next).length === 0 ? rest : { ...rest, [model.id]: next } });
      return plan(model);
    },
    async prepare(model) {
      const options = optionsFor(model.id);
      const { request, drafter } = await requestFor(model, options);
      let made: ModelPlan | null = null;
      try {
        made = await engine.plan(request);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        log("model not planned", { modelId: model.id, error: toWire(error).message });
      }
      // Counting takes a while, and only what has a place to choose can use it.
      const usage = made !== null && made.machine.card !== "" ? await dependencies.expertUsage(model) : null;
      return { request: usage === null ? request : { ...request, expertUsage: usage }, options, drafter, plan: made };
    },
    loaded(modelId, { request, options, drafter }, { backend, expertsOnGpu, moeLayers, experts }) {
      const onCard = !backend.startsWith("cpu");
      const placement = !onCard ? "cpu" : expertsOnGpu < moeLayers * experts ? "hybrid" : "gpu";
      watched = { modelId, key: keyOf(options, request, drafter), placement };
    },
    settle(end) {
      if (watched === null) return;
      const { modelId, key, placement } = watched;
      if (end) watched = null;
      const { ram, ramWork, vram } = engine.status().peak;
      if (ram === 0) return; // the process has gone, or has not said yet
      try {
        saveMeasured(database, modelId, key, { placement, ram, ramWork, vram, at: now() });
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        log("memory not remembered", { modelId, error: error.message });
      }
    },
    forget(modelId) {
      const { [modelId]: _, ...rest } = preferences().loading;
      dependencies.change({ loading: rest });
    },
    forgetMeasured: (modelId) => forgetMeasured(database, modelId),
  };
}

/** The ways out of a load that failed for want of memory, or of a card; null: it failed for something else. */
export function waysOut(
  code: AppErrorCode,
  load: PreparedLoad | null,
): Extract<LoadedModel, { state: "failed" }>["ways"] {
  const plan = load?.plan ?? null;
  if (code === "unsupported" && load?.options.device === "gpu" && plan?.machine.card === "") {
    return { context: null, processor: true };
  }
  if (code !== "out-of-memory") return null;
  const shorter = plan !== null && plan.mostContext > 0 && plan.mostContext < plan.context;
  return {
    context: shorter ? plan.mostContext : null,
    processor: load !== null && load.options.device !== "cpu" && plan?.machine.card !== "",
  };
}

/** What decides how much memory a load takes. */
const keyOf = ({ device, kvType, expertCache, vramMb }: LoadOptions, request: LoadRequest, drafter: string | null) =>
  JSON.stringify({ device, context: request.context, kvType, expertCache, vramMb, drafter: drafter !== null });

function withChanges(own: PartialOptions, changes: LoadChanges): Partial<LoadOptions> {
  const entries = Object.entries({ ...own, ...present(changes) });
  return Object.fromEntries(entries.filter(([, value]) => value !== null));
}

/** Optional keys that are present but undefined must not hide what is chosen elsewhere. */
function present<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
