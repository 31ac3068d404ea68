// The attachments service on the wire: files as text, kept beside a draft until they are sent and with their message from
// then on. A message carries what is known of its attachments; their text is asked for when it is wanted.
import { z } from "zod";
import { call, event, service } from "./service.ts";

const id = z.string().min(1).max(64);

export const attachmentKinds = ["text", "markdown", "code", "csv", "pdf"] as const;
/** Longest text of an attachment, and of all that go with one message, in UTF-16 units. */
export const maxAttachmentLength = 2_000_000;
export const maxAttachments = 20;

/** What reading the file brought to light; absent where it does not apply. */
export const attachmentFactsSchema = z.object({
  /** Absent: UTF-8, or no file of its own. 'latin-1' is a guess. */
  encoding: z.enum(["utf-16", "latin-1"]).optional(),
  /** Pages of the file, and how many of them were read. */
  pages: z.number().int().optional(),
  pagesRead: z.number().int().optional(),
  /** Pages that hold no text (a scan). */
  pagesEmpty: z.number().int().optional(),
  rows: z.number().int().optional(),
  columns: z.number().int().optional(),
  /** It was pasted, so there is no file. */
  pasted: z.boolean().optional(),
});
export type AttachmentFacts = z.infer<typeof attachmentFactsSchema>;

const described = {
  name: z.string().min(1).max(200),
  kind: z.enum(attachmentKinds),
  /** What a code block of it would be called; '' for none. */
  language: z.string().max(40),
  /** Of the file. */
  bytes: z.number().int().min(0),
  facts: attachmentFactsSchema,
};

export const attachmentSchema = z.object({
  id,
  ...described,
  /** UTF-16 length of its text. */
  characters: z.number().int(),
});
export type Attachment = z.infer<typeof attachmentSchema>;

export const newAttachmentSchema = z.object({ ...described, text: z.string().min(1).max(maxAttachmentLength) });
export type NewAttachment = z.infer<typeof newAttachmentSchema>;

/** null: the conversation that does not exist yet. */
const conversationId = id.nullable();

export const attachments = service({
  calls: {
    /** Unsent ones by conversation; '' is the one that does not exist yet. */
    listUnsent: call(z.object({}), z.record(z.string(), z.array(attachmentSchema))),
    add: call(z.object({ conversationId, attachment: newAttachmentSchema }), attachmentSchema),
    /** Only one that was not sent. */
    remove: call(z.object({ attachmentId: id }), z.null()),
    getText: call(z.object({ attachmentId: id }), z.string()),
  },
  events: { unsentChanged: event(z.object({ conversationId, attachments: z.array(attachmentSchema) })) },
});
