// The settings service on the wire: preferences with their defaults, one flat record.
import { z } from "zod";
import { defaultSampler, samplerSchema } from "./chat.ts";
import { call, event, service } from "./service.ts";

export const settingsSchema = z.object({
  theme: z.enum(["system", "light", "dark"]),
  sendWith: z.enum(["enter", "mod-enter"]),
  wideColumn: z.boolean(),
  sidebarOpen: z.boolean(),
  inspectorOpen: z.boolean(),
  sidebarWidth: z.number().min(200).max(400),
  inspectorWidth: z.number().min(280).max(480),
  sampler: samplerSchema,
  systemPrompt: z.string().max(200_000),
  /** 0: physical cores. */
  threads: z.number().int().min(0).max(256),
  /** Tokens; 0: as the model was trained, at most 8192. */
  context: z.number().int().min(0).max(1_048_576),
  /** Chat template: the model's own, or a built-in form. */
  chatTemplate: z.enum(["model", "chatml", "plain"]),
  lastModelId: z.string().nullable(),
});
export type Settings = z.infer<typeof settingsSchema>;

export const defaultSettings: Settings = {
  theme: "system",
  sendWith: "enter",
  wideColumn: false,
  sidebarOpen: true,
  inspectorOpen: true,
  sidebarWidth: 264,
  inspectorWidth: 320,
  sampler: defaultSampler,
  systemPrompt: "",
  threads: 0,
  context: 0,
  chatTemplate: "model",
  lastModelId: null,
};

export const settings = service({
  calls: {
    get: call(z.object({}), settingsSchema),
    update: call(settingsSchema.partial(), settingsSchema),
  },
  events: { changed: event(settingsSchema) },
});
