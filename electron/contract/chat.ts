// The chat service on the wire: conversations, messages as a tree, and the runs that write them.
import { z } from "zod";
import { attachmentSchema, maxAttachments } from "./attachments.ts";
import { wireErrorSchema } from "./errors.ts";
import { call, event, service } from "./service.ts";
import { steeringSchema } from "./steering.ts";

export const idSchema = z.string().min(1).max(64);
/** Milliseconds since 1970. */
const time = z.number();
/** Longest message text that is accepted, in UTF-16 units. */
export const maxMessageLength = 2_000_000;

export const samplerSchema = z.object({
  temperature: z.number().min(0).max(5),
  topK: z.number().int().min(0).max(1_000_000),
  topP: z.number().min(0).max(1),
  minP: z.number().min(0).max(1),
  repetitionPenalty: z.number().min(0.1).max(10),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).nullable(),
  maxTokens: z.number().int().min(1).max(1_000_000),
  stop: z.array(z.string().min(1).max(200)).max(16),
});
export type Sampler = z.infer<typeof samplerSchema>;
export const defaultSampler: Sampler = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repetitionPenalty: 1.1,
  seed: null,
  maxTokens: 1024,
  stop: [],
};

export const conversationSchema = z.object({
  id: idSchema,
  title: z.string(),
  createdAt: time,
  updatedAt: time,
  /** Leaf of the branch that is shown; null: no message yet. */
  activeLeafId: idSchema.nullable(),
  systemPrompt: z.string(),
  sampler: samplerSchema.partial(),
  pinned: z.boolean(),
  folderId: idSchema.nullable(),
  archived: z.boolean(),
  /** The model sees nothing above this message of the branch; null: it sees as much as fits. */
  contextStartId: idSchema.nullable(),
});
export type Conversation = z.infer<typeof conversationSchema>;

export const messageStates = ["complete", "generating", "interrupted", "failed"] as const;

export const messagePartSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string() }),
  z.object({ type: z.literal("reasoning"), text: z.string() }),
]);
export type MessagePart = z.infer<typeof messagePartSchema>;

/** How tokens are drafted: never changes an answer. `length` 0: as many as pay. */
export const draftModes = ["off", "lookup", "mdlm", "dflash", "auto"] as const;
export const maxDraftLength = 16;
export const draftSchema = z.object({
  mode: z.enum(draftModes),
  length: z.number().int().min(0).max(maxDraftLength),
});
export type Draft = z.infer<typeof draftSchema>;

export const timingsSchema = z.object({
  promptTokens: z.number(),
  reusedTokens: z.number(),
  generatedTokens: z.number(),
  draftedTokens: z.number(),
  acceptedTokens: z.number(),
  /** Forward passes that emitted the tokens. These five are absent from runs that are older than drafting. */
  passes: z.number().optional(),
  /** Spent in drafters. */
  draftMs: z.number().optional(),
  /** What a token would have taken without drafts, as measured beside them; 0: not measured well enough. */
  plainMs: z.number().optional(),
  /** Per MoE layer and pass, mean, and those of one token. */
  distinctExperts: z.number().optional(),
  expertsUsed: z.number().optional(),
  firstTokenMs: z.number(),
  prefillMs: z.number(),
  decodeMs: z.number(),
});
export type Timings = z.infer<typeof timingsSchema>;

export const stopReasons = ["end-of-text", "max-tokens", "context-full", "stop-string", "cancelled"] as const;
export const stopReasonSchema = z.enum(stopReasons);
export type StopReason = z.infer<typeof stopReasonSchema>;

/** Longest value of a template's variable, in UTF-16 units. */
const maxTemplateValueLength = 100_000;
export const valuesSchema = z.record(z.string().max(40), z.string().max(maxTemplateValueLength));
export type TemplateValues = z.infer<typeof valuesSchema>;

/** A conversation's template, or a run's: enough to make the same prefix again. Values include those of built-ins. */
export const appliedTemplateSchema = z.object({
  templateId: idSchema,
  version: z.number().int(),
  name: z.string(),
  values: valuesSchema,
});
export type AppliedTemplate = z.infer<typeof appliedTemplateSchema>;

/** What the model was given for one answer. */
export const runPromptSchema = z.object({
  systemPrompt: z.string(),
  /** First message of the branch that the model saw; null: none but the system prompt. */
  firstMessageId: idSchema.nullable(),
  /** Messages above it that did not fit, and their tokens. */
  droppedMessages: z.number(),
  droppedTokens: z.number(),
  /** Tokens that the loaded model held at most. */
  context: z.number(),
  /** UTF-16 length of the answer that was there before and was continued; 0: begun anew. */
  continuedFrom: z.number(),
  /** The template that the prompt began with; its text is part of `systemPrompt`. */
  template: appliedTemplateSchema.nullable().default(null),
  /** The summary of what is above the first message; its text is part of `systemPrompt`. */
  summaryId: idSchema.nullable().default(null),
  /** How the experts were steered; null: they were not. */
  steering: steeringSchema.nullable().default(null),
});
export type RunPrompt = z.infer<typeof runPromptSchema>;

/** Why a prompt's tokens had to be computed instead of being taken from the last run. */
export const reuseKinds = [
  "kept", // only what is new was computed
  "first-message", // nothing of this conversation was computed before
  "edited", // turn `turn` differs from last time
  "system-changed",
  "template-changed",
  "steering-changed",
  "other-model",
  "context-moved", // older turns were left out, so everything after them moved
  "evicted", // it had been computed, but the memory was given to something else
  "engine-restarted",
] as const;
export const reuseReasonSchema = z.object({
  kind: z.enum(reuseKinds),
  /** For 'edited': which turn differs, the first one is 1. */
  turn: z.number().nullable(),
});
export type ReuseReason = z.infer<typeof reuseReasonSchema>;

/** How an assistant message came about: enough to make it again. */
export const runSchema = z.object({
  id: idSchema,
  modelId: idSchema,
  modelName: z.string(),
  modelSha256: z.string(),
  templateId: z.string(),
  sampler: samplerSchema,
  seed: z.number(),
  /** null: older than drafting. */
  draft: draftSchema.nullable().default(null),
  engineVersion: z.string(),
  startedAt: time,
  stopReason: stopReasonSchema.nullable(),
  error: wireErrorSchema.nullable(),
  timings: timingsSchema.nullable(),
  /** null: the run ended before its prompt was made, or is older than this record. */
  prompt: runPromptSchema.nullable(),
  reuse: reuseReasonSchema.nullable(),
});
export type Run = z.infer<typeof runSchema>;

export const messageSchema = z.object({
  id: idSchema,
  conversationId: idSchema,
  /** null: a first message. Siblings with one parent are versions of each other. */
  parentId: idSchema.nullable(),
  role: z.enum(["user", "assistant"]),
  state: z.enum(messageStates),
  createdAt: time,
  parts: z.array(messagePartSchema),
  /** Without their text; attachments.getText reads it. */
  attachments: z.array(attachmentSchema),
  run: runSchema.nullable(),
  /** True when an expert trace is stored; experts.getTrace reads it. */
  hasTrace: z.boolean(),
});
export type Message = z.infer<typeof messageSchema>;

/** The next prompt of a conversation against what the model holds. Counts are tokens. */
export const contextUseSchema = z.object({
  /** What would be sent, draft and attachments included. */
  used: z.number(),
  /** All that the model holds, the answer included. */
  context: z.number(),
  /** Kept free for the answer. */
  reserved: z.number(),
  contextTrained: z.number(),
  /** What does not fit, or lies above the conversation's contextStartId. */
  droppedMessages: z.number(),
  droppedTokens: z.number(),
  /** First message that would be sent; null: none yet. */
  firstMessageId: idSchema.nullable(),
  /** The summary that stands in for what is above the first message; null: none does. */
  summaryId: idSchema.nullable(),
  /** Of each of the asked attachments as it would stand in the prompt, by id. */
  attachments: z.record(z.string(), z.number()),
  /** By how much the draft with its attachments is more than could be sent even alone; 0: it fits. */
  overflow: z.number(),
});
export type ContextUse = z.infer<typeof contextUseSchema>;

const turnStarted = z.object({
  runId: idSchema,
  userMessage: messageSchema.nullable(),
  assistantMessage: messageSchema,
});

export const searchHitSchema = z.object({
  conversationId: idSchema,
  conversationTitle: z.string(),
  messageId: idSchema,
  /** Plain text; matches stand between U+E000 and U+E001. */
  snippet: z.string(),
});
export type SearchHit = z.infer<typeof searchHitSchema>;

export const chat = service({
  calls: {
    listConversations: call(z.object({}), z.array(conversationSchema)),
    createConversation: call(z.object({ title: z.string().max(300).optional() }), conversationSchema),
    renameConversation: call(
      z.object({ conversationId: idSchema, title: z.string().trim().min(1).max(300) }),
      conversationSchema,
    ),
    setPinned: call(z.object({ conversationId: idSchema, pinned: z.boolean() }), conversationSchema),
    updateConversation: call(
      z.object({
        conversationId: idSchema,
        systemPrompt: z.string().max(200_000).optional(),
        sampler: samplerSchema.partial().optional(),
      }),
      conversationSchema,
    ),
    /** Hides it; restoreConversation brings it back. Purged at the next start after a day. */
    deleteConversation: call(z.object({ conversationId: idSchema }), z.null()),
    restoreConversation: call(z.object({ conversationId: idSchema }), conversationSchema),
    /** The whole tree, oldest first. */
    getMessages: call(z.object({ conversationId: idSchema }), z.array(messageSchema)),
    setActiveLeaf: call(z.object({ conversationId: idSchema, messageId: idSchema.nullable() }), conversationSchema),
    /** Adds a user message under `parentId` (null: a new root) and starts the answer. Editing = sending under the edited message's parent. */
    sendMessage: call(
      z
        .object({
          conversationId: idSchema,
          parentId: idSchema.nullable(),
          text: z.string().trim().max(maxMessageLength),
          /** Unsent ones, which become the message's, or another message's of the same conversation, which are copied. */
          attachmentIds: z.array(idSchema).max(maxAttachments).optional(),
        })
        .refine(({ text, attachmentIds = [] }) => text !== "" || attachmentIds.length > 0, {
          message: "a message needs words or an attachment",
          path: ["text"],
        }),
      turnStarted,
    ),
    /**
     * A new answer beside the given assistant message, or under the given user message: by another model, with other
     * sampling, or exactly as the given answer was made (same model, prompt, sampler and seed; else 'conflict').
     */
    regenerate: call(
      z.object({
        messageId: idSchema,
        modelId: idSchema.optional(),
        sampler: samplerSchema.partial().optional(),
        exactly: z.boolean().optional(),
        /** false: as the model was trained, whatever the conversation says. */
        steered: z.boolean().optional(),
      }),
      turnStarted,
    ),
    /**
     * How well a model expects an answer's words after the prompt that it was given: the mean log-probability (nats) of a token,
     * with this steering and without any. Needs the model that wrote it.
     */
    scoreAnswer: call(
      z.object({ messageId: idSchema, steering: steeringSchema }),
      z.object({ tokens: z.number(), unsteered: z.number(), steered: z.number() }),
    ),
    /** A new version of an answer that begins with all its words and goes on from there. */
    continueAnswer: call(z.object({ messageId: idSchema }), turnStarted),
    /** A new version with this text, without an answer to it. The old version stays. */
    editMessage: call(
      z.object({ messageId: idSchema, text: z.string().trim().min(1).max(maxMessageLength) }),
      messageSchema,
    ),
    /** Hides one message; what stood below it hangs on its parent. restoreMessage brings it back, for a day. */
    deleteMessage: call(z.object({ messageId: idSchema }), z.null()),
    restoreMessage: call(z.object({ messageId: idSchema }), z.null()),
    /** A new conversation that holds the branch up to this message. */
    forkConversation: call(z.object({ messageId: idSchema }), conversationSchema),
    /** A copy with all branches. */
    duplicateConversation: call(z.object({ conversationId: idSchema }), conversationSchema),
    /** Lets the model see nothing above this message; null: as much as fits. */
    setContextStart: call(z.object({ conversationId: idSchema, messageId: idSchema.nullable() }), conversationSchema),
    /** What the next message would take; null while no model is loaded. */
    getContextUse: call(
      z.object({
        conversationId: idSchema.nullable(),
        draft: z.string().max(maxMessageLength),
        attachmentIds: z.array(idSchema).max(maxAttachments).optional(),
      }),
      contextUseSchema.nullable(),
    ),
    stopRun: call(z.object({ runId: idSchema }), z.null()),
    search: call(
      z.object({ query: z.string().max(1000), limit: z.number().int().min(1).max(200).default(50) }),
      z.array(searchHitSchema),
    ),
  },
  events: {
    conversationChanged: event(conversationSchema),
    /** Messages were written by hand, deleted or brought back. `changed` holds those that are new or hang elsewhere now. */
    messagesChanged: event(
      z.object({ conversationId: idSchema, changed: z.array(messageSchema), removed: z.array(idSchema) }),
    ),
    conversationDeleted: event(z.object({ conversationId: idSchema })),
    runStarted: event(turnStarted.extend({ conversationId: idSchema })),
    prefillProgress: event(
      z.object({ runId: idSchema, messageId: idSchema, done: z.number(), reused: z.number(), total: z.number() }),
    ),
    /** `offset`: UTF-16 length of the text before this piece, so that a lost or repeated event is seen. */
    tokensArrived: event(
      z.object({
        runId: idSchema,
        conversationId: idSchema,
        messageId: idSchema,
        offset: z.number(),
        text: z.string(),
        /** Of the whole answer so far, so that a piece that went missing is made good by the next. */
        tokens: z.number(),
        tokensPerSecond: z.number(),
      }),
    ),
    runEnded: event(z.object({ runId: idSchema, conversationId: idSchema, message: messageSchema })),
    runFailed: event(
      z.object({ runId: idSchema, conversationId: idSchema, message: messageSchema, error: wireErrorSchema }),
    ),
  },
});
