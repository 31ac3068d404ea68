// The summaries service on the wire: what stands in for turns that no longer fit the model's context. The turns stay as
// they are; the model is given the summary in their place.
import { z } from "zod";
import { call, event, service } from "./service.ts";

const id = z.string().min(1).max(64);
export const maxSummaryLength = 50_000;

export const summarySchema = z.object({
  id,
  conversationId: id,
  /** The model is given the summary for everything above this message, on each branch that holds it. */
  firstMessageId: id,
  text: z.string(),
  /** Messages that it stands for. */
  messages: z.number().int(),
  edited: z.boolean(),
  createdAt: z.number(),
});
export type Summary = z.infer<typeof summarySchema>;

export const summaries = service({
  calls: {
    list: call(z.object({ conversationId: id }), z.array(summarySchema)),
    /**
     * Lets the model write a summary of the turns of the shown branch that no longer fit; answers when it is written.
     * 'cancelled' when it was stopped, 'conflict' while an answer is being written or when everything fits.
     */
    write: call(z.object({ conversationId: id }), summarySchema),
    stop: call(z.object({ conversationId: id }), z.null()),
    edit: call(z.object({ summaryId: id, text: z.string().trim().min(1).max(maxSummaryLength) }), summarySchema),
    /** Hides it: the model is given the turns again, as far as they fit. */
    remove: call(z.object({ summaryId: id }), z.null()),
    restore: call(z.object({ summaryId: id }), z.null()),
  },
  events: {
    changed: event(z.object({ conversationId: id, summaries: z.array(summarySchema) })),
    /** One is being written. `text`: of this part, from its beginning. */
    growing: event(
      z.object({ conversationId: id, firstMessageId: id, text: z.string(), part: z.number(), parts: z.number() }),
    ),
  },
});
