// Sends the composer's text, in the open conversation or a new one; with a message being edited, beside that message.
import { t } from "../../i18n/texts.ts";
import type { Action } from "../../ui/action.ts";
import { reportError } from "../../platform/toasts.ts";
import { client } from "../../platform/client.ts";
import { attachmentsToSend, useAttachments } from "../attachments/attachmentStore.ts";
import { dispatch, openConversation, setDraft, useChat } from "../chatStore.ts";

/** The text goes back into the composer when it could not be sent; attachments stay there until they are. */
export async function sendText(
  text: string,
  parentId: string | null,
  attachmentIds: readonly string[] = [],
): Promise<void> {
  const before = useChat.getState().openId;
  setDraft(before, "");
  try {
    const conversationId = before ?? (await newConversation());
    const started = await client.chat.sendMessage({
      conversationId,
      parentId,
      text,
      ...(attachmentIds.length === 0 ? {} : { attachmentIds: [...attachmentIds] }),
    });
    dispatch({ type: "runStarted", conversationId, ...started });
  } catch (error) {
    setDraft(useChat.getState().openId, text);
    reportError(error);
  }
}

/** The open conversation; made now when there is none yet. */
export async function ensureConversation(): Promise<string> {
  return useChat.getState().openId ?? (await newConversation());
}

async function newConversation(): Promise<string> {
  const conversation = await client.chat.createConversation({});
  dispatch({ type: "conversationChanged", conversation });
  await openConversation(conversation.id);
  return conversation.id;
}

export const sendMessage: Action = {
  id: "chat.send",
  get label() {
    return t("chat.send");
  },
  isEnabled: () => {
    const { drafts, openId } = useChat.getState();
    const attached = attachmentsToSend(useAttachments.getState(), openId);
    return attached.length > 0 || (drafts[openId ?? ""] ?? "").trim() !== "";
  },
  perform: async () => {
    const { drafts, openId, conversations, editingId, messages } = useChat.getState();
    const text = (drafts[openId ?? ""] ?? "").trim();
    const edited = editingId === null ? undefined : messages.get(editingId);
    const leaf = conversations.find((conversation) => conversation.id === openId)?.activeLeafId ?? null;
    const attachmentIds = attachmentsToSend(useAttachments.getState(), openId).map(({ id }) => id);
    useChat.setState({ editingId: null });
    await sendText(text, edited === undefined ? leaf : edited.parentId, attachmentIds);
  },
};
