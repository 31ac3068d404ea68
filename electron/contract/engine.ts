// The engine service on the wire: the state of the engine process, for the status bar.
import { z } from "zod";
import { call, event, service } from "./service.ts";

export const engineStatusSchema = z.object({
  state: z.enum(["stopped", "starting", "idle", "loading", "prompt", "generating", "crashed", "given-up"]),
  /** Process id of the engine process; null when stopped. */
  pid: z.number().nullable(),
  backend: z.string(),
  engineVersion: z.string(),
  tokensPerSecond: z.number(),
  prefill: z.object({ done: z.number(), total: z.number() }).nullable(),
  residentBytes: z.number(),
  systemBytes: z.number(),
  /** Of the graphics card that computes, all programs together; 0: none does. */
  vramBytes: z.number(),
  vramTotalBytes: z.number(),
  /** The most that the loaded model took so far; see `measuredSchema`. */
  peak: z.object({ ram: z.number(), ramWork: z.number(), vram: z.number() }),
  crashes: z.number(),
});
export type EngineStatus = z.infer<typeof engineStatusSchema>;

export const engine = service({
  calls: {
    getStatus: call(z.object({}), engineStatusSchema),
    /** After 'given-up': forgets the strikes and starts again. */
    restart: call(z.object({}), engineStatusSchema),
  },
  events: { statusChanged: event(engineStatusSchema) },
});
