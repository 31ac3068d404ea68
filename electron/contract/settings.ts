// The settings service on the wire: preferences with their defaults, one flat record.
import { z } from "zod";
import { defaultSampler, samplerSchema } from "./chat.ts";
import { draftingSchema } from "./models.ts";
import { loadOptionsSchema } from "./placement.ts";
import { call, event, service } from "./service.ts";

/** A named way to answer that a conversation can take over. */
export const presetSchema = z.object({
  id: z.string().min(1).max(64),
  name: z.string().trim().min(1).max(100),
  systemPrompt: z.string().max(200_000),
  sampler: samplerSchema.partial(),
});
export type Preset = z.infer<typeof presetSchema>;

/** What the app speaks, as BCP 47 tags. */
export const languageSchema = z.enum(["en", "ko", "ja", "zh-Hans", "es", "de", "fr"]);
export type Language = z.infer<typeof languageSchema>;

/** The first of the system's languages (BCP 47 tags, best first) that the app speaks; English when it speaks none. */
export function languageFor(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const [primary] = tag.toLowerCase().split("-");
    const found = languageSchema.options.find((language) => language.split("-")[0] === primary);
    if (found !== undefined) return found;
  }
  return "en";
}

export const settingsSchema = z.object({
  /** "system": the first of the system's languages that the app speaks. */
  language: z.union([z.literal("system"), languageSchema]),
  theme: z.enum(["system", "light", "dark"]),
  sendWith: z.enum(["enter", "mod-enter"]),
  wideColumn: z.boolean(),
  sidebarOpen: z.boolean(),
  inspectorOpen: z.boolean(),
  sidebarWidth: z.number().min(200).max(400),
  inspectorWidth: z.number().min(280).max(480),
  sampler: samplerSchema,
  systemPrompt: z.string().max(200_000),
  /** After the first answer the model gives the conversation its title. */
  titleByModel: z.boolean(),
  presets: z.array(presetSchema).max(200),
  /** Keys of actions that the user bound anew, by action id; an empty list: none. */
  shortcuts: z.record(z.string().max(64), z.array(z.string().max(40)).max(4)),
  /** 0: physical cores. */
  threads: z.number().int().min(0).max(256),
  /** Tokens; 0: as the model was trained, at most 8192. */
  context: z.number().int().min(0).max(1_048_576),
  device: loadOptionsSchema.shape.device,
  /** By model id, what its loads are asked for instead of the above. */
  loading: z.record(z.string().max(64), loadOptionsSchema.partial()),
  /** Chat template: the model's own, or a built-in form. */
  chatTemplate: z.enum(["model", "chatml", "plain"]),
  lastModelId: z.string().nullable(),
  /** Megabytes that the computed beginnings of templates may take on disk; 0: none are kept there. */
  prefixCacheMb: z.number().int().min(0).max(1_000_000),
  /** By model id; a model without an entry is drafted as the models service thinks best. */
  drafting: z.record(z.string().max(64), draftingSchema),
  /** Answers show as plain text, with the tokens tinted that a draft had right. */
  tintDrafts: z.boolean(),
});
export type Settings = z.infer<typeof settingsSchema>;

export const defaultSettings: Settings = {
  language: "system",
  theme: "system",
  sendWith: "enter",
  wideColumn: false,
  sidebarOpen: true,
  inspectorOpen: true,
  sidebarWidth: 264,
  inspectorWidth: 320,
  sampler: defaultSampler,
  systemPrompt: "",
  titleByModel: true,
  presets: [
    { id: "precise", name: "Precise", systemPrompt: "", sampler: { temperature: 0.2, topP: 0.9, minP: 0.1 } },
    { id: "creative", name: "Creative", systemPrompt: "", sampler: { temperature: 1.2, topP: 0.98, minP: 0.02 } },
    { id: "repeatable", name: "Repeatable", systemPrompt: "", sampler: { temperature: 0, seed: 0 } },
  ],
  shortcuts: {},
  threads: 0,
  context: 0,
  device: "auto",
  loading: {},
  chatTemplate: "model",
  lastModelId: null,
  prefixCacheMb: 2048,
  drafting: {},
  tintDrafts: false,
};

export const settings = service({
  calls: {
    get: call(z.object({}), settingsSchema),
    update: call(settingsSchema.partial(), settingsSchema),
  },
  events: { changed: event(settingsSchema) },
});
