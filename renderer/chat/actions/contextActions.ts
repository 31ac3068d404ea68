// What can be done when the conversation is longer than the model's context.
import { t } from "../../i18n/texts.ts";
import { offerUndo, reportError } from "../../platform/toasts.ts";
import { client } from "../../platform/client.ts";
import { updateSettings, useSettings } from "../../platform/settingsStore.ts";
import { dispatch, useChat } from "../chatStore.ts";

/** Lets the model see nothing above the message; null: as much as fits. */
export async function startContextAt(messageId: string | null): Promise<void> {
  const { openId, conversations } = useChat.getState();
  const before = conversations.find((conversation) => conversation.id === openId)?.contextStartId ?? null;
  if (openId === null) return;
  const set = async (start: string | null): Promise<void> => {
    const conversation = await client.chat.setContextStart({ conversationId: openId, messageId: start });
    dispatch({ type: "conversationChanged", conversation });
  };
  try {
    await set(messageId);
    offerUndo(messageId === null ? t("chat.contextStartShown") : t("chat.contextStartHere"), () => set(before));
  } catch (error) {
    reportError(error);
  }
}

/** Loads the model again with this many tokens of context. */
export async function raiseContext(context: number): Promise<void> {
  const before = useSettings.getState().context;
  const load = async (tokens: number): Promise<void> => {
    const loaded = await client.models.getLoaded({});
    if (loaded.state !== "ready") return;
    updateSettings({ context: tokens });
    // The load reads the preference, so that has to be there first.
    await client.settings.update({ context: tokens });
    await client.models.load({ modelId: loaded.modelId });
  };
  try {
    await load(context);
    offerUndo(t("chat.contextRaised", { count: context }), () => load(before));
  } catch (error) {
    reportError(error);
  }
}
