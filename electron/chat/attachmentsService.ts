// Attachments before they are sent: kept beside their draft, so that a restart loses none of them, and told to every window.
import type { ServiceHandlers } from "../contract/ipc.ts";
import type { Publish } from "../contract/ipc.ts";
import { AppError } from "../contract/errors.ts";
import { maxAttachmentLength, maxAttachments } from "../contract/attachments.ts";
import { attachedText, deleteUnsent, insertAttachment, listUnsent, purgeUnsent, unsentOf } from "../db/attachments.ts";
import { findConversation } from "../db/conversations.ts";
import type { Database } from "../db/database.ts";

export interface AttachmentDependencies {
  readonly database: Database;
  readonly publish: Publish;
}

/** Tells the windows what stands beside a draft now. */
export function announceUnsent({ database, publish }: AttachmentDependencies, draftKey: string): void {
  const attachments = unsentOf(database, draftKey);
  publish("attachments", "unsentChanged", { conversationId: draftKey === "" ? null : draftKey, attachments });
}

export function createAttachmentsService(dependencies: AttachmentDependencies): ServiceHandlers<"attachments"> {
  const { database } = dependencies;
  purgeUnsent(database);

  function requireRoomFor(draftKey: string, length: number): void {
    const present = unsentOf(database, draftKey);
    if (present.length >= maxAttachments) {
      throw new AppError("bad-argument", `A message takes ${maxAttachments} attachments; send these first.`);
    }
    const total = present.reduce((sum, { characters }) => sum + characters, length);
    if (total <= maxAttachmentLength) return;
    const over = (total - maxAttachmentLength).toLocaleString("en-US");
    throw new AppError(
      "bad-argument",
      `These attachments are ${over} characters over the ${maxAttachmentLength.toLocaleString("en-US")} that one message takes; send some of them first.`,
    );
  }

  return {
    listUnsent: async () => listUnsent(database),
    async add({ conversationId, attachment }) {
      if (conversationId !== null && findConversation(database, conversationId) === undefined) {
        throw new AppError("not-found", "This conversation is not there any more.");
      }
      const draftKey = conversationId ?? "";
      requireRoomFor(draftKey, attachment.text.length);
      const id = insertAttachment(database, attachment, { draftKey });
      announceUnsent(dependencies, draftKey);
      const { text, ...described } = attachment;
      return { ...described, id, characters: text.length };
    },
    async remove({ attachmentId }) {
      const draftKey = deleteUnsent(database, attachmentId);
      if (draftKey !== undefined) announceUnsent(dependencies, draftKey);
      return null;
    },
    getText: async ({ attachmentId }) => attachedText(database, attachmentId).text,
  };
}
