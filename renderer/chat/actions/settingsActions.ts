// How one conversation is answered: its system prompt, its sampling, and the presets that set both.
import type { Conversation } from "../../../electron/contract/chat.ts";
import type { Preset } from "../../../electron/contract/settings.ts";
import { t } from "../../i18n/texts.ts";
import { offerUndo, reportError } from "../../platform/toasts.ts";
import { client } from "../../platform/client.ts";
import { updateSettings, useSettings } from "../../platform/settingsStore.ts";
import { dispatch, useChat } from "../chatStore.ts";
import { ensureConversation } from "./sendMessage.ts";

export type Manner = Pick<Conversation, "systemPrompt" | "sampler">;

export const plainManner: Manner = { systemPrompt: "", sampler: {} };

export function openManner(): Manner {
  const { conversations, openId } = useChat.getState();
  return conversations.find((conversation) => conversation.id === openId) ?? plainManner;
}

async function write(conversationId: string, manner: Partial<Manner>): Promise<void> {
  const conversation = await client.chat.updateConversation({ conversationId, ...manner });
  dispatch({ type: "conversationChanged", conversation });
}

export async function changeManner(manner: Partial<Manner>): Promise<void> {
  try {
    await write(await ensureConversation(), manner);
  } catch (error) {
    reportError(error);
  }
}

/** Takes over all that the preset says, and nothing else; what the conversation said before is one Undo away. */
export async function applyPreset({ name, systemPrompt, sampler }: Manner & { readonly name: string }): Promise<void> {
  const { systemPrompt: oldPrompt, sampler: oldSampler } = openManner();
  try {
    const conversationId = await ensureConversation();
    await write(conversationId, { systemPrompt, sampler });
    offerUndo(t("chat.presetApplied", { name }), () =>
      write(conversationId, { systemPrompt: oldPrompt, sampler: oldSampler }),
    );
  } catch (error) {
    reportError(error);
  }
}

export function savePreset(name: string): void {
  const { systemPrompt, sampler } = openManner();
  const preset: Preset = { id: crypto.randomUUID(), name: name.trim(), systemPrompt, sampler };
  const others = useSettings.getState().presets.filter((other) => other.name !== preset.name);
  updateSettings({ presets: [...others, preset] });
}

export function deletePreset(preset: Preset): void {
  const { presets } = useSettings.getState();
  updateSettings({ presets: presets.filter(({ id }) => id !== preset.id) });
  offerUndo(t("chat.presetDeleted", { name: preset.name }), async () => updateSettings({ presets }));
}
