// What can be done to one message, and to the run under way.
import type { Message } from "../../../electron/contract/chat.ts";
import type { Action } from "../../ui/action.ts";
import { reportError } from "../../platform/toasts.ts";
import { client } from "../../platform/client.ts";
import { dispatch, setDraft, useChat } from "../chatStore.ts";
import { branchTo, newestLeafBelow, textOf } from "../thread.ts";

const openLeaf = (): string | null => {
  const { conversations, openId } = useChat.getState();
  return conversations.find((conversation) => conversation.id === openId)?.activeLeafId ?? null;
};

/** The run that writes into the shown thread, if any. */
export function shownRunId(): string | null {
  const { messages, runs } = useChat.getState();
  const message = branchTo(messages, openLeaf()).findLast((candidate) => runs.has(candidate.id));
  return message === undefined ? null : (runs.get(message.id)?.runId ?? null);
}

export const stopRun: Action = {
  id: "chat.stop",
  label: "Stop",
  keys: ["escape"],
  isEnabled: () => shownRunId() !== null,
  perform: async () => {
    const runId = shownRunId();
    if (runId === null) return;
    await client.chat.stopRun({ runId }).catch(reportError);
  },
};

export async function regenerateAnswer(messageId: string): Promise<void> {
  try {
    const started = await client.chat.regenerate({ messageId });
    dispatch({ type: "runStarted", conversationId: started.assistantMessage.conversationId, ...started });
  } catch (error) {
    reportError(error);
  }
}

export const regenerate: Action = {
  id: "chat.regenerate",
  label: "Regenerate",
  keys: ["mod+r"],
  isEnabled: () => openLeaf() !== null && shownRunId() === null,
  perform: async () => {
    const leaf = openLeaf();
    if (leaf !== null) await regenerateAnswer(leaf);
  },
};

export async function showVersion(message: Message): Promise<void> {
  const { messages } = useChat.getState();
  try {
    const conversation = await client.chat.setActiveLeaf({
      conversationId: message.conversationId,
      messageId: newestLeafBelow(messages, message.id),
    });
    dispatch({ type: "conversationChanged", conversation });
  } catch (error) {
    reportError(error);
  }
}

export function startEdit(message: Message): void {
  setDraft(message.conversationId, textOf(message));
  useChat.setState({ editingId: message.id });
  document.getElementById("composer")?.focus();
}

export function cancelEdit(): void {
  setDraft(useChat.getState().openId, "");
  useChat.setState({ editingId: null });
}

export const copyLastReply: Action = {
  id: "chat.copyLast",
  label: "Copy last reply",
  keys: ["mod+shift+c"],
  perform: async () => {
    const { messages } = useChat.getState();
    const last = branchTo(messages, openLeaf()).findLast((message) => message.role === "assistant");
    if (last !== undefined) await navigator.clipboard.writeText(textOf(last)).catch(reportError);
  },
};
