// The experts service on the wire: which experts answered, live and stored.
import { z } from "zod";
import { idSchema } from "./chat.ts";
import { call, event, service } from "./service.ts";

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

export const experts = service({
  calls: {
    /** The stored trace of an assistant message; null when there is none (dense model, cleared). */
    getTrace: call(z.object({ messageId: idSchema }), traceChunkSchema.nullable()),
  },
  events: { traceArrived: event(z.object({ messageId: idSchema, conversationId: idSchema, chunk: traceChunkSchema })) },
});
