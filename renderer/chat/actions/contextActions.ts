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

/** Of a model that has a context of its own that one, else the app's. */
async function setContext(modelId: string, context: number, own: boolean): Promise<void> {
  if (own) {
    await client.models.setLoadOptions({ modelId, options: { context } });
    return;
  }
  updateSettings({ context });
  // The load reads the preference, so that has to be there first.
  await client.settings.update({ context });
}

/** Loads the model again with this many tokens of context. */
export async function raiseContext(context: number): Promise<void> {
  const load = async (modelId: string, tokens: number, own: boolean): Promise<void> => {
    await setContext(modelId, tokens, own);
    await client.models.load({ modelId });
  };
  try {
    const loaded = await client.models.getLoaded({});
    if (loaded.state !== "ready") return;
    const { modelId } = loaded;
    const settings = useSettings.getState();
    const own = settings.loading[modelId]?.context;
    await load(modelId, context, own !== undefined);
    const undo = (): Promise<void> => load(modelId, own ?? settings.context, own !== undefined);
    offerUndo(t("chat.contextRaised", { count: context }), undo);
  } catch (error) {
    reportError(error);
  }
}
