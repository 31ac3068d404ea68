// Attachments that are not sent yet, by conversation, as the services hold them; and of a message that is being edited,
// those that its new version keeps.
import { create } from "zustand";
import type { Attachment } from "../../../electron/contract/attachments.ts";
import { client, onConnection } from "../../platform/client.ts";
import { reportError } from "../../platform/toasts.ts";
import { useChat } from "../chatStore.ts";

interface AttachmentStore {
  /** By conversation; '' is the key of the one not made yet. */
  readonly unsent: Readonly<Record<string, readonly Attachment[]>>;
  /** Of the message being edited. */
  readonly kept: readonly Attachment[];
  /** Names of files that are being read. */
  readonly reading: readonly string[];
  /** What is shown in the viewer. */
  readonly viewed: Attachment | null;
}

export const useAttachments = create<AttachmentStore>()(() => ({ unsent: {}, kept: [], reading: [], viewed: null }));

const none: readonly Attachment[] = [];

/** What goes with the next message of the open conversation. */
export function attachmentsToSend(
  { unsent, kept }: Pick<AttachmentStore, "unsent" | "kept">,
  openId: string | null,
): readonly Attachment[] {
  const own = unsent[openId ?? ""] ?? none;
  return kept.length === 0 ? own : [...kept, ...own];
}

export function startAttachmentStore(): void {
  client.attachments.on("unsentChanged", ({ conversationId, attachments }) =>
    useAttachments.setState(({ unsent }) => ({ unsent: { ...unsent, [conversationId ?? ""]: attachments } })),
  );
  onConnection((connection) => {
    if (connection !== "open") return;
    client.attachments.listUnsent({}).then((unsent) => useAttachments.setState({ unsent }), reportError);
  });
  useChat.subscribe(({ editingId, messages }, before) => {
    if (editingId === before.editingId) return;
    const kept = editingId === null ? none : (messages.get(editingId)?.attachments ?? none);
    useAttachments.setState({ kept });
  });
}
