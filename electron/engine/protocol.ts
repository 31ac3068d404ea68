// What crosses between the services' side (engineClient.ts) and the engine process (host.ts). Both ends check what they
// receive: the engine process parses files from strangers, and it must itself survive any message.
import { z } from "zod";
import { draftSchema, samplerSchema, stopReasonSchema, timingsSchema } from "../contract/chat.ts";
import { engineStatusSchema } from "../contract/engine.ts";
import { wireErrorSchema } from "../contract/errors.ts";
import { traceChunkSchema } from "../contract/experts.ts";
import { loadOptionsSchema, modelPlanSchema, placementSchema } from "../contract/placement.ts";
import { steeringSchema } from "../contract/steering.ts";

/** Pieces of one run that may be on their way at once; the receiver returns a credit for each. */
export const runCredits = 32;
/** The host says at least this often that it lives. */
export const beatIntervalMs = 1000;

const callId = z.number().int().nonnegative();
const path = z.string().min(1);
const tokenIds = z.instanceof(Uint32Array);

export const loadRequestSchema = z.object({
  path,
  threads: z.number().int().min(0),
  context: z.number().int().min(0),
  chatTemplate: z.enum(["model", "chatml", "plain"]),
  /** Multiply in float with the weights as the file says: slower, for comparisons. */
  exact: z.boolean().optional(),
  /** Files of drafting models for this one. */
  drafters: z.array(path).optional(),
  device: loadOptionsSchema.shape.device.optional(),
  kvType: loadOptionsSchema.shape.kvType.optional(),
  expertCache: loadOptionsSchema.shape.expertCache.optional(),
  deviceBytes: z.number().int().min(0).optional(),
  expertUsage: z.array(z.array(z.number().min(0))).optional(),
});

const messages = z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() }));

const steering = steeringSchema.pick({ expertsUsed: true, biases: true });

export const runRequestSchema = z.object({
  messages,
  sampler: samplerSchema,
  seed: z.number().int().nonnegative(),
  draft: draftSchema.optional(),
  answerStart: z.string().optional(),
  steering: steering.optional(),
});

const inspected = {
  architecture: z.string(),
  name: z.string(),
  quantisation: z.string(),
  fileBytes: z.number(),
  layers: z.number(),
  moeLayers: z.number(),
  experts: z.number(),
  expertsUsed: z.number(),
  params: z.number(),
  paramsActive: z.number(),
  contextTrained: z.number(),
};

/** Calls: one reply each. */
export const hostCalls = {
  inspect: { input: z.object({ path }), output: z.object(inspected) },
  inspectDrafter: {
    input: z.object({ path, modelPath: path }),
    output: z.object({
      kind: z.enum(["mdlm", "dflash"]),
      name: z.string(),
      fileBytes: z.number(),
      maxLength: z.number(),
    }),
  },
  hashFile: { input: z.object({ path }), output: z.string() },
  load: {
    input: loadRequestSchema,
    output: z.object({
      ...inspected,
      context: z.number(),
      expertsOnGpu: z.number(),
      backend: z.string(),
      engineVersion: z.string(),
    }),
  },
  plan: { input: loadRequestSchema, output: modelPlanSchema },
  placement: { input: z.object({}), output: placementSchema.nullable() },
  unload: { input: z.object({}), output: z.null() },
  countTokens: { input: z.object({ text: z.string() }), output: z.number() },
  countPrompt: { input: z.object({ messages }), output: z.number() },
  score: {
    input: z.object({ messages, answer: z.string(), steering: steering.optional() }),
    output: z.object({ tokens: z.number(), logprob: z.number() }),
  },
  commonTokens: { input: z.object({ first: messages, second: messages }), output: tokenIds },
  knownPrefix: { input: z.object({ tokens: tokenIds }), output: z.number() },
  warmPrefix: {
    input: z.object({
      tokens: tokenIds,
      file: path.nullable(),
      modelSha256: z.string(),
      compute: z.boolean(),
    }),
    output: z.object({
      source: z.enum(["memory", "disk", "computed", "none"]),
      bytes: z.number(),
      ms: z.number(),
      trouble: z.string().nullable(),
    }),
  },
} as const;

export type HostCallName = keyof typeof hostCalls;
export type HostCallInput<C extends HostCallName> = z.infer<(typeof hostCalls)[C]["input"]>;
export type HostCallOutput<C extends HostCallName> = z.infer<(typeof hostCalls)[C]["output"]>;

export const toHostSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("call"), id: callId, name: z.string(), input: z.unknown() }),
  z.object({ kind: z.literal("cancelLoad") }),
  z.object({ kind: z.literal("run"), id: callId, request: runRequestSchema }),
  z.object({ kind: z.literal("cancel"), id: callId }),
  z.object({ kind: z.literal("credit"), id: callId }),
  z.object({ kind: z.literal("close") }),
]);
export type ToHost = z.infer<typeof toHostSchema>;

/** Of the engine process and its graphics card, in bytes; as in EngineStatus. */
const memorySchema = engineStatusSchema.pick({
  residentBytes: true,
  vramBytes: true,
  vramTotalBytes: true,
  peak: true,
});
export type EngineMemory = z.infer<typeof memorySchema>;

export const fromHostSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("hello"), engineVersion: z.string() }),
  z.object({ kind: z.literal("beat"), memory: memorySchema }),
  z.object({ kind: z.literal("reply"), id: callId, value: z.unknown() }),
  /** A call or a run ends with an error. */
  z.object({ kind: z.literal("failed"), id: callId, error: wireErrorSchema }),
  z.object({ kind: z.literal("progress"), id: callId, done: z.number(), total: z.number() }),
  z.object({ kind: z.literal("prefill"), id: callId, done: z.number(), reused: z.number(), total: z.number() }),
  z.object({
    kind: z.literal("tokens"),
    id: callId,
    text: z.string(),
    tokenIds: z.instanceof(Uint32Array),
    trace: traceChunkSchema.nullable(),
  }),
  z.object({ kind: z.literal("ended"), id: callId, reason: stopReasonSchema, timings: timingsSchema }),
]);
export type FromHost = z.infer<typeof fromHostSchema>;
