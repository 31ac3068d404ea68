// How much of the model's context the open conversation takes, asked of the services when something changed and then was
// quiet for a moment. null: no model is loaded, so nobody knows.
import { useEffect } from "react";
import { create } from "zustand";
import type { ContextUse } from "../../electron/contract/chat.ts";
import { client } from "../platform/client.ts";
import { useSettings } from "../platform/settingsStore.ts";
import { attachmentsToSend, useAttachments } from "./attachments/attachmentStore.ts";
import { useChat } from "./chatStore.ts";
import { useSummaries } from "./transcript/summaryStore.ts";

const quietMs = 250;

interface ContextStore {
  readonly use: ContextUse | null;
  /** Grows when a model was loaded or closed. */
  readonly loads: number;
}

export const useContext = create<ContextStore>()(() => ({ use: null, loads: 0 }));

export function startContextStore(): void {
  client.models.on("loadedChanged", (loaded) => {
    if (loaded.state === "loading") return;
    // A model is loaded by the message that needs it, and while that is answered nothing is asked: its size is known all the same.
    useContext.setState(({ loads, use }) => ({
      loads: loads + 1,
      use: use !== null && loaded.state === "ready" ? { ...use, context: loaded.context } : use,
    }));
  });
}

let asked = 0;

async function ask(conversationId: string | null, draft: string, attachmentIds: string[]): Promise<void> {
  asked += 1;
  const mine = asked;
  // A conversation deleted meanwhile, or an engine that just went away: there is nothing to show then.
  const use = await client.chat.getContextUse({ conversationId, draft, attachmentIds }).catch(() => null);
  if (mine === asked) useContext.setState({ use });
}

/** Keeps the store up to date; used once, in the composer. */
export function useContextUpdates(): void {
  const openId = useChat((state) => state.openId);
  const draft = useChat((state) => state.drafts[state.openId ?? ""] ?? "");
  // The conversation's identity changes with its leaf, system prompt, sampler and context start.
  const conversation = useChat((state) => state.conversations.find(({ id }) => id === state.openId));
  const running = useChat((state) => [...state.runs.values()].some((run) => run.conversationId === state.openId));
  const messages = useChat((state) => (running ? null : state.messages));
  const loads = useContext((state) => state.loads);
  const systemPrompt = useSettings((settings) => settings.systemPrompt);
  const sampler = useSettings((settings) => settings.sampler);
  const unsent = useAttachments((state) => state.unsent);
  const kept = useAttachments((state) => state.kept);
  const summaries = useSummaries((state) => state.summaries);
  useEffect(() => {
    if (running) return;
    const ids = attachmentsToSend({ unsent, kept }, openId).map(({ id }) => id);
    const timer = setTimeout(() => void ask(openId, draft, ids), quietMs);
    return () => clearTimeout(timer);
  }, [openId, draft, conversation, running, messages, loads, systemPrompt, sampler, unsent, kept, summaries]);
}
