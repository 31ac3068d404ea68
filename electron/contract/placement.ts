// Where a model's parts go or are, on the wire: what is asked of a load, the plan before it, what is measured after it.
import { z } from "zod";

/** What a load may be asked for. */
export const loadOptionsSchema = z.object({
  /** 'auto': a graphics card if there is one that the model's common parts fit on; 'gpu': it, or no load. */
  device: z.enum(["auto", "cpu", "gpu"]),
  /** Tokens; 0: as the model was trained, at most 8192. */
  context: z.number().int().min(0).max(1_048_576),
  /** Number format of keys and values. */
  kvType: z.enum(["F16", "Q8_0"]),
  /** Whether experts change places where a card does not hold all: what was not used for longest goes, or what is used least. */
  expertCache: z.enum(["fixed", "lru", "lfu"]),
  /** Megabytes of the card to use; 0: what is free. */
  vramMb: z.number().int().min(0).max(1_000_000),
});
export type LoadOptions = z.infer<typeof loadOptionsSchema>;

const { shape } = loadOptionsSchema;
/** Changes of a model's own options; null: as the app's again. */
export const loadChangesSchema = z
  .object({
    device: shape.device.nullable(),
    context: shape.context.nullable(),
    kvType: shape.kvType.nullable(),
    expertCache: shape.expertCache.nullable(),
    vramMb: shape.vramMb.nullable(),
  })
  .partial();
export type LoadChanges = z.infer<typeof loadChangesSchema>;

/** Bytes of each kind in one memory. */
export const memoryUseSchema = z.object({
  /** What every token reads. */
  weights: z.number(),
  experts: z.number(),
  /** Keys and values. */
  kv: z.number(),
  work: z.number(),
});
export type MemoryUse = z.infer<typeof memoryUseSchema>;

export const machineMemorySchema = z.object({
  ram: z.number(),
  ramFree: z.number(),
  /** 0: no card, or none asked for. */
  vram: z.number(),
  vramFree: z.number(),
  /** The card takes its part from the RAM. */
  unified: z.boolean(),
});
export type MachineMemory = z.infer<typeof machineMemorySchema>;

export const modelPlanSchema = z.object({
  placement: z.enum(["gpu", "hybrid", "cpu", "too-large"]),
  /** One sentence for people. */
  reason: z.string(),
  gpu: memoryUseSchema,
  cpu: memoryUseSchema,
  experts: z.number(),
  expertsOnGpu: z.number(),
  context: z.number(),
  /** The longest context that would fit; 0: none. */
  mostContext: z.number(),
  /** As it would be without a model loaded. */
  machine: machineMemorySchema.extend({
    card: z.string(),
    /** Why a card that was asked for cannot be used. */
    noCard: z.string(),
  }),
});
export type ModelPlan = z.infer<typeof modelPlanSchema>;

/** The most that a model took when it was last loaded so, in bytes. */
export const measuredSchema = z.object({
  placement: z.enum(["gpu", "hybrid", "cpu"]),
  ram: z.number(),
  /** Of that, without weights, keys and values. */
  ramWork: z.number(),
  vram: z.number(),
  at: z.number(),
});
export type Measured = z.infer<typeof measuredSchema>;

export const plannedSchema = z.object({
  /** What the plan is for. */
  options: loadOptionsSchema,
  /** Which of them are this model's own, not the app's. */
  own: loadOptionsSchema.partial(),
  plan: modelPlanSchema,
  measured: measuredSchema.nullable(),
});
export type Planned = z.infer<typeof plannedSchema>;

/** Where the loaded model is at this moment. */
export const placementSchema = z.object({
  backend: z.string(),
  gpu: memoryUseSchema,
  /** What the processor computes with, as far as it came to be in memory. */
  cpu: memoryUseSchema,
  machine: machineMemorySchema,
  moeLayers: z.number(),
  experts: z.number(),
  /** [moeLayers * experts] 0: on the card, 1: in memory, 2: on disk. */
  tiers: z.instanceof(Uint8Array),
  /** Choices of experts, in layers of which the card has some, that it computed; and that the processor did. */
  hits: z.number(),
  misses: z.number(),
  /** Of experts, to the card, since the load. */
  bytesMoved: z.number(),
});
export type Placement = z.infer<typeof placementSchema>;

export const locatedModelSchema = placementSchema.extend({ modelId: z.string() });
export type LocatedModel = z.infer<typeof locatedModelSchema>;
