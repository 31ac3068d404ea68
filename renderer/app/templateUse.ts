// Choosing a template, from the list, the cards or the composer: asks for its variables when it has any, and makes the
// conversation that it begins when none is open.
import type { AppliedTemplate } from "../../electron/contract/chat.ts";
import type { Template } from "../../electron/contract/templates.ts";
import { dispatch, openConversation, useChat } from "../chat/chatStore.ts";
import { client } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { applyTemplate, pageValues } from "../templates/templateActions.ts";
import { useTemplates } from "../templates/templatesStore.ts";

const toComposer = (): void => document.getElementById("composer")?.focus();

export function closeForm(): void {
  if (useTemplates.getState().formId === null) return;
  useTemplates.setState({ formId: null });
  toComposer();
}

async function openOrNewConversation(): Promise<string> {
  const { openId } = useChat.getState();
  if (openId !== null) return openId;
  const conversation = await client.chat.createConversation({});
  dispatch({ type: "conversationChanged", conversation });
  await openConversation(conversation.id);
  return conversation.id;
}

/** For the open conversation, or a new one. Rejects with what the services found wrong. */
export async function applyHere(templateId: string, values: AppliedTemplate["values"]): Promise<void> {
  await applyTemplate(await openOrNewConversation(), templateId, values);
  useTemplates.setState({ formId: null });
  toComposer();
}

export function chooseTemplate(template: Template): void {
  if (template.content.variables.length > 0) {
    useTemplates.setState({ formId: template.id });
    return;
  }
  const selection = window.getSelection()?.toString() ?? "";
  pageValues(["clipboard", "selection"], selection)
    .then((values) => applyHere(template.id, values))
    .catch(reportError);
}
