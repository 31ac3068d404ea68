// What can be done to one message, and to the run under way. Nothing here loses anything: what replaces a message is a
// version beside it, and what hides one has a way back.
import { toast } from "sonner";
import type { Message, Sampler } from "../../../electron/contract/chat.ts";
import { t } from "../../i18n/texts.ts";
import type { Action } from "../../ui/action.ts";
import { offerUndo, reportError } from "../../platform/toasts.ts";
import { client } from "../../platform/client.ts";
import { dispatch, openConversation, setDraft, useChat } from "../chatStore.ts";
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
  get label() {
    return t("chat.stop");
  },
  keys: ["escape"],
  isEnabled: () => shownRunId() !== null,
  perform: async () => {
    const runId = shownRunId();
    if (runId === null) return;
    await client.chat.stopRun({ runId }).catch(reportError);
  },
};

type Started = Awaited<ReturnType<typeof client.chat.regenerate>>;

async function startAnswer(call: () => Promise<Started>): Promise<Started | null> {
  try {
    const started = await call();
    dispatch({ type: "runStarted", conversationId: started.assistantMessage.conversationId, ...started });
    return started;
  } catch (error) {
    reportError(error);
    return null;
  }
}

export interface OtherWay {
  readonly modelId?: string;
  readonly sampler?: Partial<Sampler>;
}

export async function regenerateAnswer(messageId: string, otherWay: OtherWay = {}): Promise<void> {
  await startAnswer(() => client.chat.regenerate({ messageId, ...otherWay }));
}

export const regenerate: Action = {
  id: "chat.regenerate",
  get label() {
    return t("chat.regenerate");
  },
  keys: ["mod+r"],
  isEnabled: () => openLeaf() !== null && shownRunId() === null,
  perform: async () => {
    const leaf = openLeaf();
    if (leaf !== null) await regenerateAnswer(leaf);
  },
};

export async function continueAnswer(messageId: string): Promise<void> {
  await startAnswer(() => client.chat.continueAnswer({ messageId }));
}

/** Index of the first character in which two texts differ; -1: they are equal. */
export function firstDifference(one: string, other: string): number {
  if (one === other) return -1;
  let index = 0;
  while (index < one.length && one[index] === other[index]) index += 1;
  return index;
}

/** Makes the answer once more from its record and says whether it came out the same. */
export async function runAgainExactly(original: Message): Promise<void> {
  const started = await startAnswer(() => client.chat.regenerate({ messageId: original.id, exactly: true }));
  if (started === null) return;
  const stop = client.chat.on("runEnded", ({ runId, message }) => {
    if (runId !== started.runId) return;
    stop();
    const at = firstDifference(textOf(original), textOf(message));
    if (message.run?.stopReason === "cancelled" && original.run?.stopReason !== "cancelled") return;
    if (at < 0) toast.success(t("chat.sameAnswer"));
    else toast.warning(t("chat.otherAnswer", { at: at + 1 }));
  });
}

async function showMessage(message: Message): Promise<void> {
  const { messages } = useChat.getState();
  const conversation = await client.chat.setActiveLeaf({
    conversationId: message.conversationId,
    messageId: newestLeafBelow(messages, message.id),
  });
  dispatch({ type: "conversationChanged", conversation });
}

export async function showVersion(message: Message): Promise<void> {
  await showMessage(message).catch(reportError);
}

/** A user's message is edited in the composer and sent again; an answer in its place. */
export function startEdit(message: Message): void {
  if (message.role === "assistant") {
    useChat.setState({ editingAnswerId: message.id });
    return;
  }
  setDraft(message.conversationId, textOf(message));
  useChat.setState({ editingId: message.id });
  document.getElementById("composer")?.focus();
}

export function cancelEdit(): void {
  setDraft(useChat.getState().openId, "");
  useChat.setState({ editingId: null });
}

export const cancelAnswerEdit = (): void => useChat.setState({ editingAnswerId: null });

/** A new version of the message, which stays as it is. */
export async function saveEdit(message: Message, text: string): Promise<void> {
  if (text.trim() === "" || text.trim() === textOf(message).trim()) {
    cancelAnswerEdit();
    return;
  }
  try {
    const edited = await client.chat.editMessage({ messageId: message.id, text });
    cancelAnswerEdit();
    offerUndo(t("chat.savedAsVersion"), async () => {
      await client.chat.deleteMessage({ messageId: edited.id });
      await showMessage(message);
    });
  } catch (error) {
    reportError(error);
  }
}

export async function deleteMessage(message: Message): Promise<void> {
  try {
    await client.chat.deleteMessage({ messageId: message.id });
    offerUndo(t("chat.messageDeleted"), async () => void (await client.chat.restoreMessage({ messageId: message.id })));
  } catch (error) {
    reportError(error);
  }
}

export async function forkHere(message: Message): Promise<void> {
  try {
    const fork = await client.chat.forkConversation({ messageId: message.id });
    dispatch({ type: "conversationChanged", conversation: fork });
    await openConversation(fork.id);
    offerUndo(t("chat.forked"), async () => {
      await client.chat.deleteConversation({ conversationId: fork.id });
      dispatch({ type: "conversationDeleted", conversationId: fork.id });
      await openConversation(message.conversationId);
    });
  } catch (error) {
    reportError(error);
  }
}

export const copyLastReply: Action = {
  id: "chat.copyLast",
  get label() {
    return t("chat.copyLast");
  },
  keys: ["mod+shift+c"],
  perform: async () => {
    const { messages } = useChat.getState();
    const last = branchTo(messages, openLeaf()).findLast((message) => message.role === "assistant");
    if (last !== undefined) await navigator.clipboard.writeText(textOf(last)).catch(reportError);
  },
};

const lastQuestion = (): Message | undefined =>
  branchTo(useChat.getState().messages, openLeaf()).findLast((message) => message.role === "user");

export const editLast: Action = {
  id: "chat.editLast",
  get label() {
    return t("chat.editLast");
  },
  keys: ["mod+shift+e"],
  isEnabled: () => shownRunId() === null && lastQuestion() !== undefined,
  perform: () => {
    const last = lastQuestion();
    if (last !== undefined) startEdit(last);
  },
};
