// Keeps unsent text over restarts: written a moment after the last key, read once at the start.
import { AppError } from "../../electron/contract/errors.ts";
import { client, onConnection } from "../platform/client.ts";
import { reportError } from "../platform/toasts.ts";
import { useChat } from "./chatStore.ts";

const quietMs = 500;

/** What is stored, by conversation; '' for the one that does not exist yet. */
const stored = new Map<string, string>();
let timer: ReturnType<typeof setTimeout> | undefined;

function write(): void {
  const { drafts, editingId, openId } = useChat.getState();
  for (const [key, text] of Object.entries(drafts)) {
    // While a sent message is edited the composer holds that one, which is not unsent.
    if ((editingId !== null && key === (openId ?? "")) || (stored.get(key) ?? "") === text) continue;
    stored.set(key, text);
    client.library.saveDraft({ conversationId: key === "" ? null : key, text }).catch((error: unknown) => {
      // The draft of a conversation that was deleted meanwhile is wanted by nobody.
      if (!(error instanceof AppError && error.code === "not-found")) reportError(error);
    });
  }
}

export function startDraftStore(): void {
  useChat.subscribe((state, before) => {
    if (state.drafts === before.drafts && state.editingId === before.editingId) return;
    clearTimeout(timer);
    timer = setTimeout(write, quietMs);
  });
  window.addEventListener("pagehide", write);
  const stop = onConnection((connection) => {
    if (connection !== "open") return;
    queueMicrotask(() => stop());
    client.library
      .getDrafts({})
      .then((drafts) => {
        for (const [key, text] of Object.entries(drafts)) stored.set(key, text);
        // What was typed before this answer came is newer.
        useChat.setState((state) => ({ drafts: { ...drafts, ...withWords(state.drafts) } }));
      })
      .catch(reportError);
  });
}

const withWords = (drafts: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(drafts).filter(([, text]) => text !== ""));
