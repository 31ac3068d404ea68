// The models service on the wire: what is on this machine, and what is loaded.
import { z } from "zod";
import { idSchema, maxDraftLength } from "./chat.ts";
import { wireErrorSchema } from "./errors.ts";
import { loadChangesSchema, loadOptionsSchema, locatedModelSchema, plannedSchema } from "./placement.ts";
import { call, event, service } from "./service.ts";

export const modelSchema = z.object({
  id: idSchema,
  name: z.string(),
  path: z.string(),
  /** 'embedded' ships with the app and cannot be removed. */
  source: z.enum(["embedded", "file"]),
  architecture: z.string(),
  quantisation: z.string(),
  fileBytes: z.number(),
  layers: z.number(),
  moeLayers: z.number(),
  experts: z.number(),
  expertsUsed: z.number(),
  params: z.number(),
  paramsActive: z.number(),
  contextTrained: z.number(),
  /** Null until computed in the background. */
  sha256: z.string().nullable(),
  addedAt: z.number(),
  lastUsedAt: z.number().nullable(),
  /** Why it cannot be used now (file gone, damaged, unsupported); null: usable. */
  broken: wireErrorSchema.nullable(),
});
export type Model = z.infer<typeof modelSchema>;

export const loadedModelSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("none") }),
  z.object({ state: z.literal("loading"), modelId: idSchema, doneBytes: z.number(), totalBytes: z.number() }),
  z.object({
    state: z.literal("ready"),
    modelId: idSchema,
    context: z.number(),
    backend: z.string(),
    /** Over all layers, and those on a graphics card at the load. */
    experts: z.number(),
    expertsOnGpu: z.number(),
  }),
  z.object({
    state: z.literal("failed"),
    modelId: idSchema,
    error: wireErrorSchema,
    /** Out of memory, or without the card that was asked for: the longest context that fits where it was to go (null: none), and whether the processor is another place. */
    ways: z.object({ context: z.number().nullable(), processor: z.boolean() }).nullable(),
  }),
]);
export type LoadedModel = z.infer<typeof loadedModelSchema>;

/** How the answers of one model are drafted. Never changes what is answered, only when. */
export const draftingSchema = z.object({
  /** 'auto': as many tokens as pay, none included; 'fixed': `length` at each step. */
  mode: z.enum(["off", "auto", "fixed"]),
  length: z.number().int().min(1).max(maxDraftLength),
  /** The file of a drafting model, or the id of one that ships with the app; null: only what the conversation itself repeats. */
  drafter: z.string().min(1).max(4096).nullable(),
});
export type Drafting = z.infer<typeof draftingSchema>;

export const drafterSchema = z.object({
  /** As in Drafting. */
  id: z.string(),
  name: z.string(),
  kind: z.enum(["mdlm", "dflash"]),
});
export type Drafter = z.infer<typeof drafterSchema>;

export const draftingStateSchema = draftingSchema.extend({
  /** Drafters that ship for this model, and the one chosen. */
  drafters: z.array(drafterSchema),
  /** Why the chosen drafter is not used; null: it is, or none is chosen. */
  trouble: wireErrorSchema.nullable(),
});
export type DraftingState = z.infer<typeof draftingStateSchema>;

export const models = service({
  calls: {
    list: call(z.object({}), z.array(modelSchema)),
    /** Registers a GGUF where it lies (nothing is copied), after reading its header. */
    addFile: call(z.object({ path: z.string().min(1).max(4096) }), modelSchema),
    /** Opens the system's file dialog where there is one; null: cancelled or no dialog here. */
    pickFile: call(z.object({}), modelSchema.nullable()),
    /** Forgets the entry; never deletes the file. */
    remove: call(z.object({ modelId: idSchema }), z.null()),
    load: call(z.object({ modelId: idSchema }), loadedModelSchema),
    /** Where the model would go with these options; those left out are as they would be loaded. Reads only the file's header. */
    getPlan: call(z.object({ modelId: idSchema, options: loadOptionsSchema.partial().optional() }), plannedSchema),
    /** For the next load of this model: options of its own; null: none. */
    setLoadOptions: call(z.object({ modelId: idSchema, options: loadChangesSchema.nullable() }), plannedSchema),
    /** Null: no model is loaded. Meant for once a second at most. */
    getPlacement: call(z.object({}), locatedModelSchema.nullable()),
    cancelLoad: call(z.object({}), z.null()),
    unload: call(z.object({}), z.null()),
    getLoaded: call(z.object({}), loadedModelSchema),
    getDrafting: call(z.object({ modelId: idSchema }), draftingStateSchema),
    /** From the next answer on. A drafter's file that does not fit the model is refused and nothing is changed. */
    setDrafting: call(draftingSchema.partial().extend({ modelId: idSchema }), draftingStateSchema),
    /** Opens the system's file dialog where there is one; null: cancelled or no dialog here. */
    pickDrafter: call(z.object({ modelId: idSchema }), draftingStateSchema.nullable()),
  },
  events: {
    libraryChanged: event(z.array(modelSchema)),
    loadedChanged: event(loadedModelSchema),
  },
});
