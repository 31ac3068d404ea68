// The experts service on the wire: which experts answered, live and stored.
import { z } from "zod";
import { idSchema } from "./chat.ts";
import { call, event, service } from "./service.ts";
import { conversationSteeringSchema } from "./steering.ts";

/**
 * Routing of consecutive answer tokens. `experts` is uint16 little endian [tokens][moeLayers][expertsUsed], best expert
 * first; `weights` is uint8 of the same shape, weight * 255 rounded. The routing is that of the forward row which chose
 * the token.
 */
export const traceChunkSchema = z.object({
  firstToken: z.number(),
  tokens: z.number(),
  moeLayers: z.number(),
  expertsUsed: z.number(),
  expertCount: z.number(),
  experts: z.instanceof(Uint8Array),
  weights: z.instanceof(Uint8Array),
  /** UTF-16 length of the answer's text that each token contributed, so that text can be coloured. [tokens] */
  textLengths: z.array(z.number()),
  /** 1: a draft had the token right, so that it cost no pass of its own. [tokens] */
  drafted: z.instanceof(Uint8Array),
});
export type TraceChunk = z.infer<typeof traceChunkSchema>;

/** Most answers that one question about many traces looks at. */
export const maxCountedAnswers = 5000;

/** How often each expert was among the chosen, over `tokens` tokens of `answers` answers of one shape. */
export const traceCountsSchema = z.object({
  moeLayers: z.number(),
  expertCount: z.number(),
  answers: z.number(),
  tokens: z.number(),
  /** Choices per layer: tokens times the experts that each took. */
  choices: z.number(),
  /** [moeLayers * expertCount] */
  counts: z.array(z.number()),
});
export type TraceCounts = z.infer<typeof traceCountsSchema>;

/** What answers are told apart by. 'kind': fenced code against all else, token by token. */
export const topicTags = ["conversation", "template", "folder", "kind"] as const;
export type TopicTag = (typeof topicTags)[number];

export const topicsSchema = z.object({
  /** Most tokens first. `name` is the tag's own; null: without one ('kind': prose is null, code is 'code'). */
  topics: z.array(z.object({ key: z.string(), name: z.string().nullable(), counts: traceCountsSchema })),
  /** Answers of the model that have a trace, and how many of them, newest first, were looked at. */
  answers: z.number(),
  counted: z.number(),
});
export type Topics = z.infer<typeof topicsSchema>;

const traceStorageSchema = z.object({ answers: z.number(), bytes: z.number() });

export const experts = service({
  calls: {
    /** The stored trace of an assistant message; null when there is none (dense model, cleared). */
    getTrace: call(z.object({ messageId: idSchema }), traceChunkSchema.nullable()),
    /** The stored traces of these messages added up, those of the first one's shape; null when none has one. */
    getCounts: call(z.object({ messageIds: z.array(idSchema).max(maxCountedAnswers) }), traceCountsSchema.nullable()),
    getSteering: call(z.object({ conversationId: idSchema }), conversationSteeringSchema.nullable()),
    /** For the answers to come; null forgets it. */
    setSteering: call(
      z.object({ conversationId: idSchema, steering: conversationSteeringSchema.nullable() }),
      z.null(),
    ),
    /** What the stored traces take: of this conversation, and of all. */
    getTraceStorage: call(
      z.object({ conversationId: idSchema }),
      z.object({ conversation: traceStorageSchema, all: traceStorageSchema }),
    ),
    /** For good; null: of every conversation. The answers stay. */
    clearTraces: call(z.object({ conversationId: idSchema.nullable() }), z.null()),
    /** A model's answers by tag. */
    getTopics: call(z.object({ by: z.enum(topicTags), modelId: idSchema }), topicsSchema),
  },
  events: {
    traceArrived: event(z.object({ messageId: idSchema, conversationId: idSchema, chunk: traceChunkSchema })),
    tracesCleared: event(z.object({ conversationId: idSchema.nullable() })),
    steeringChanged: event(z.object({ conversationId: idSchema, steering: conversationSteeringSchema.nullable() })),
  },
});
