// Pure: the text of a file -> conversations, checked before anything is stored. Reads our own JSON whole, and OpenAI's and
// ShareGPT's records, one a line or in a list. What cannot be read is refused with the place, never half imported.
import { z } from "zod";
import { newAttachmentSchema } from "../contract/attachments.ts";
import { type Message, messagePartSchema, messageStates, runSchema, samplerSchema } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import { summarySchema } from "../contract/summaries.ts";

const id = z.string().min(1).max(200);
const importedMessageSchema = z.object({
  id,
  parentId: id.nullable(),
  role: z.enum(["user", "assistant"]),
  state: z.enum(messageStates),
  createdAt: z.number(),
  parts: z.array(messagePartSchema),
  /** Absent from files that are older than attachments. */
  attachments: z.array(newAttachmentSchema).default([]),
  run: runSchema.nullable(),
  /** Which experts wrote it: a stored trace. Absent from answers without one. */
  trace: z.base64().nullable().default(null),
});
export type ImportedMessage = z.infer<typeof importedMessageSchema>;

const importedSummarySchema = summarySchema.omit({ conversationId: true }).extend({ id, firstMessageId: id });

const importedSchema = z.object({
  title: z.string().max(1000),
  createdAt: z.number(),
  updatedAt: z.number(),
  activeLeafId: id.nullable(),
  systemPrompt: z.string(),
  sampler: samplerSchema.partial(),
  pinned: z.boolean().default(false),
  archived: z.boolean().default(false),
  /** These two are absent from older files. */
  contextStartId: id.nullable().default(null),
  summaries: z.array(importedSummarySchema).default([]),
  messages: z.array(importedMessageSchema),
});
export type ImportedConversation = z.infer<typeof importedSchema>;

const ownSchema = z.object({
  format: z.literal("conclave"),
  version: z.literal(1),
  conversations: z.array(importedSchema),
});

const openAiSchema = z.object({
  title: z.string().optional(),
  messages: z
    .array(z.object({ role: z.enum(["system", "developer", "user", "assistant"]), content: z.string() }))
    .min(1),
});
const shareGptSchema = z.object({
  title: z.string().optional(),
  conversations: z
    .array(z.object({ from: z.enum(["system", "human", "user", "gpt", "assistant", "chatgpt"]), value: z.string() }))
    .min(1),
});

const roleOf: Readonly<Record<string, "system" | Message["role"]>> = {
  system: "system",
  developer: "system",
  human: "user",
  user: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  assistant: "assistant",
};

interface Turn {
  readonly role: string;
  readonly content: string;
}

/** @param now milliseconds, for records without a time. @throws AppError 'bad-file' with what is wrong and where. */
export function parseImport(text: string, now: number): ImportedConversation[] {
  if (text.trim() === "") throw new AppError("bad-file", "The file is empty; choose one that was exported.");
  const whole = parseJson(text);
  if (whole !== undefined && isRecord(whole) && whole["format"] === "conclave") return ownConversations(whole);
  const records = whole === undefined ? jsonLines(text) : Array.isArray(whole) ? whole : [whole];
  return records.map((record: unknown, index) => foreignConversation(record, index + 1, now));
}

function ownConversations(whole: Record<string, unknown>): ImportedConversation[] {
  if (whole["version"] !== 1) {
    throw new AppError(
      "unsupported",
      `The file has version ${String(whole["version"])} of Conclave's format and this Conclave reads version 1; update Conclave to import it.`,
    );
  }
  const parsed = ownSchema.safeParse(whole);
  if (!parsed.success) throw refused(parsed.error);
  for (const [index, conversation] of parsed.data.conversations.entries()) requireTree(conversation, index);
  return parsed.data.conversations;
}

/** Every parent must come before its children: then there is neither a gap nor a cycle. */
function requireTree({ messages }: ImportedConversation, index: number): void {
  const seen = new Set<string>();
  for (const message of messages) {
    const known = message.parentId === null || seen.has(message.parentId);
    if (!known || seen.has(message.id)) {
      throw new AppError(
        "bad-file",
        `Conversation ${index + 1} of the file is not a tree at message ${seen.size + 1}; export it again.`,
      );
    }
    seen.add(message.id);
  }
}

function foreignConversation(record: unknown, place: number, now: number): ImportedConversation {
  const openAi = openAiSchema.safeParse(record);
  if (openAi.success) return linear(openAi.data.messages, openAi.data.title, now);
  const shareGpt = shareGptSchema.safeParse(record);
  if (shareGpt.success) {
    const turns = shareGpt.data.conversations.map(({ from, value }) => ({ role: from, content: value }));
    return linear(turns, shareGpt.data.title, now);
  }
  throw new AppError(
    "bad-file",
    `Record ${place} of the file is none of Conclave's JSON, OpenAI's ("messages") or ShareGPT's ("conversations"); nothing was imported.`,
  );
}

function linear(turns: readonly Turn[], title: string | undefined, now: number): ImportedConversation {
  const named = turns.map(({ role, content }) => ({ role: roleOf[role] ?? "user", content }));
  const system = named.filter(({ role }) => role === "system").map(({ content }) => content);
  const said = named.flatMap(({ role, content }) => (role === "system" ? [] : [{ role, content }]));
  const messages = said.map(({ role, content }, index): ImportedMessage => ({
    id: String(index + 1),
    parentId: index === 0 ? null : String(index),
    role,
    state: "complete",
    createdAt: now,
    parts: [{ type: "text", text: content }],
    attachments: [],
    run: null,
    trace: null,
  }));
  return {
    title: title ?? "",
    createdAt: now,
    updatedAt: now,
    activeLeafId: messages.at(-1)?.id ?? null,
    systemPrompt: system.join("\n\n"),
    sampler: {},
    pinned: false,
    archived: false,
    contextStartId: null,
    summaries: [],
    messages,
  };
}

function jsonLines(text: string): unknown[] {
  const numbered = text.split("\n").map((line, index) => ({ line: line.trim(), number: index + 1 }));
  return numbered
    .filter(({ line }) => line !== "")
    .map(({ line, number }) => {
      const record = parseJson(line);
      if (record === undefined) {
        throw new AppError("bad-file", `Line ${number} of the file is not JSON; nothing was imported.`);
      }
      return record;
    });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function refused(error: z.ZodError): AppError {
  const issue = error.issues[0];
  const where = issue === undefined ? "" : ` at ${issue.path.join(".")} (${issue.message})`;
  return new AppError("bad-file", `The file is damaged${where}; export the conversations again.`);
}
