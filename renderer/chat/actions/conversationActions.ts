// What can be done to a conversation as a whole.
import { t } from "../../i18n/texts.ts";
import type { Action } from "../../ui/action.ts";
import { offerUndo, reportError } from "../../platform/toasts.ts";
import { client } from "../../platform/client.ts";
import { dispatch, openConversation, useChat } from "../chatStore.ts";

export const newChat: Action = {
  id: "chat.new",
  get label() {
    return t("chat.newChat");
  },
  keys: ["mod+shift+o", "mod+n"],
  perform: async () => {
    await openConversation(null);
    document.getElementById("composer")?.focus();
  },
};

export async function renameConversation(conversationId: string, title: string): Promise<void> {
  if (title.trim() === "") return;
  try {
    const conversation = await client.chat.renameConversation({ conversationId, title });
    dispatch({ type: "conversationChanged", conversation });
  } catch (error) {
    reportError(error);
  }
}

export async function setPinned(conversationId: string, pinned: boolean): Promise<void> {
  try {
    dispatch({ type: "conversationChanged", conversation: await client.chat.setPinned({ conversationId, pinned }) });
  } catch (error) {
    reportError(error);
  }
}

/** At once, with a way back: no question is asked. */
export async function deleteConversation(conversationId: string): Promise<void> {
  const wasOpen = useChat.getState().openId === conversationId;
  try {
    await client.chat.deleteConversation({ conversationId });
    dispatch({ type: "conversationDeleted", conversationId });
    offerUndo(t("chat.conversationDeleted"), async () => {
      const conversation = await client.chat.restoreConversation({ conversationId });
      dispatch({ type: "conversationChanged", conversation });
      if (wasOpen) await openConversation(conversationId);
    });
  } catch (error) {
    reportError(error);
  }
}

export async function duplicateConversation(conversationId: string): Promise<void> {
  try {
    const copy = await client.chat.duplicateConversation({ conversationId });
    dispatch({ type: "conversationChanged", conversation: copy });
    await openConversation(copy.id);
  } catch (error) {
    reportError(error);
  }
}

export const deleteOpen: Action = {
  id: "chat.delete",
  get label() {
    return t("chat.deleteOpen");
  },
  keys: ["mod+shift+d"],
  isEnabled: () => useChat.getState().openId !== null,
  perform: async () => {
    const { openId } = useChat.getState();
    if (openId !== null) await deleteConversation(openId);
  },
};
