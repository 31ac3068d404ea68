// The templates service on the wire: named, versioned beginnings of conversations with typed variables, and how much of
// each is kept computed ("warm") for the model that is loaded.
import { z } from "zod";
import { appliedTemplateSchema, idSchema, valuesSchema } from "./chat.ts";
import { call, event, service } from "./service.ts";

export const variableTypes = ["text", "multiline", "number", "choice", "date"] as const;
export type VariableType = (typeof variableTypes)[number];
/** What stands between the braces of `{{name}}`. */
export const variableName = /^[A-Za-z][A-Za-z0-9_]{0,39}$/;
/** Filled in by the app, never asked for. */
export const builtIns = ["date", "time", "weekday", "locale", "timezone", "clipboard", "selection"] as const;
export type BuiltIn = (typeof builtIns)[number];
/** Longest file that an import accepts, in UTF-16 units. */
export const maxImportLength = 4_000_000;

export const variableSchema = z.object({
  name: z.string().regex(variableName),
  /** Shown above the field; '' shows the name. */
  label: z.string().max(80),
  type: z.enum(variableTypes),
  /** '' for none. Numbers and dates (2026-11-21) as text. */
  default: z.string().max(10_000),
  required: z.boolean(),
  /** For 'choice'; empty otherwise. */
  choices: z.array(z.string().min(1).max(200)).max(50),
});
export type TemplateVariable = z.infer<typeof variableSchema>;

export const exampleSchema = z.object({ role: z.enum(["user", "assistant"]), content: z.string().max(50_000) });
export type TemplateExample = z.infer<typeof exampleSchema>;

export const templateContentSchema = z.object({
  name: z.string().trim().min(1).max(80),
  slug: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
  description: z.string().max(300),
  system: z.string().max(200_000),
  /** Turns that are shown to the model as if they had happened. */
  examples: z.array(exampleSchema).max(20),
  variables: z.array(variableSchema).max(30),
});
export type TemplateContent = z.infer<typeof templateContentSchema>;

export const warmStates = ["unknown", "cold", "warming", "memory", "disk"] as const;
export const warmthSchema = z.object({
  /** 'unknown': no model is loaded, so nobody can say. */
  state: z.enum(warmStates),
  /** Tokens before the first variable, for the loaded model. */
  tokens: z.number(),
  /** Of the file that keeps them; 0: none. */
  bytes: z.number(),
  /** First answers that began warm, and the prefill they were spared. */
  uses: z.number(),
  savedMs: z.number(),
});
export type Warmth = z.infer<typeof warmthSchema>;

export const templateSchema = z.object({
  id: idSchema,
  version: z.number().int(),
  content: templateContentSchema,
  /** Came with the app. */
  shipped: z.boolean(),
  createdAt: z.number(),
  updatedAt: z.number(),
  warmth: warmthSchema,
});
export type Template = z.infer<typeof templateSchema>;

export const templateVersionSchema = z.object({
  version: z.number().int(),
  createdAt: z.number(),
  content: templateContentSchema,
});
export type TemplateVersion = z.infer<typeof templateVersionSchema>;

/** One line of a comparison. */
export const diffLineSchema = z.object({ kind: z.enum(["same", "removed", "added"]), text: z.string() });
export type DiffLine = z.infer<typeof diffLineSchema>;

export const previewSchema = z.object({
  /** As the model would get it; what has no value yet stands as {{name}}. */
  system: z.string(),
  examples: z.array(exampleSchema),
  /** What keeps it from being saved, one sentence each. */
  problems: z.array(z.string()),
  /** What keeps it from being used with these values, by variable. */
  missing: z.record(z.string(), z.string()),
  /** Names in the text that are neither declared nor built in. */
  undeclared: z.array(z.string()),
  /** Built-ins that the text uses. */
  builtIns: z.array(z.enum(builtIns)),
  /** Of the whole prefix, and of the part before the first variable; null: no model is loaded. */
  tokens: z.number().nullable(),
  warmTokens: z.number().nullable(),
  /** Where the warm part ends: at this UTF-16 offset of the system text, or in a later part; null: all of it is warm. */
  warmEnd: z.object({ part: z.enum(["system", "examples"]), offset: z.number() }).nullable(),
  /** The system text with paragraphs that hold variables behind those that hold none; null: would not help. */
  reordered: z.string().nullable(),
});
export type TemplatePreview = z.infer<typeof previewSchema>;

export const prefixCacheSchema = z.object({ bytes: z.number(), capBytes: z.number(), files: z.number() });
export type PrefixCache = z.infer<typeof prefixCacheSchema>;

export const templates = service({
  calls: {
    list: call(z.object({}), z.array(templateSchema)),
    /** id null: a new one. Changed content becomes a new version; unchanged content changes nothing. */
    save: call(z.object({ id: idSchema.nullable(), content: templateContentSchema }), templateSchema),
    /** Hides it; restore brings it back with its history. */
    remove: call(z.object({ id: idSchema }), z.null()),
    restore: call(z.object({ id: idSchema }), templateSchema),
    /** Newest first. */
    history: call(z.object({ id: idSchema }), z.array(templateVersionSchema)),
    diff: call(z.object({ id: idSchema, from: z.number().int(), to: z.number().int() }), z.array(diffLineSchema)),
    /** An older version's content as the newest version. */
    restoreVersion: call(z.object({ id: idSchema, version: z.number().int() }), templateSchema),
    preview: call(
      z.object({ content: templateContentSchema.extend({ name: z.string(), slug: z.string() }), values: valuesSchema }),
      previewSchema,
    ),
    /** JSON that importTemplates takes; no ids: all. */
    exportTemplates: call(z.object({ ids: z.array(idSchema).max(1000).optional() }), z.string()),
    /** @returns the added ones; a taken slug gets a number. */
    importTemplates: call(z.object({ json: z.string().max(maxImportLength) }), z.array(templateSchema)),
    /** `values` of variables, and of the built-ins that only the page knows (clipboard, selection, locale, timezone). */
    apply: call(
      z.object({ conversationId: idSchema, templateId: idSchema, values: valuesSchema }),
      appliedTemplateSchema,
    ),
    clearApplied: call(z.object({ conversationId: idSchema }), z.null()),
    getApplied: call(z.object({ conversationId: idSchema }), appliedTemplateSchema.nullable()),
    /** Computes the warm part for the loaded model unless it is known, and keeps it in memory and on disk. */
    warm: call(z.object({ id: idSchema }), templateSchema),
    /** Deletes what is kept on disk: of one template, or (null) of all. */
    forget: call(z.object({ id: idSchema.nullable() }), z.null()),
    getCache: call(z.object({}), prefixCacheSchema),
  },
  events: {
    listChanged: event(z.array(templateSchema)),
    appliedChanged: event(z.object({ conversationId: idSchema, applied: appliedTemplateSchema.nullable() })),
  },
});
