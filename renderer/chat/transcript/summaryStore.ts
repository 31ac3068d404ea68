// The summaries of the open conversation, and the one that is being written.
import { create } from "zustand";
import type { Message } from "../../../electron/contract/chat.ts";
import type { EventOf } from "../../../electron/contract/ipc.ts";
import type { Summary } from "../../../electron/contract/summaries.ts";
import { client, onConnection } from "../../platform/client.ts";
import { reportError } from "../../platform/toasts.ts";
import { useChat } from "../chatStore.ts";

interface SummaryStore {
  readonly conversationId: string | null;
  readonly summaries: readonly Summary[];
  /** By conversation: asked for, and what is written of it so far (null: nothing yet). */
  readonly growing: Readonly<Record<string, EventOf<"summaries", "growing"> | null>>;
}

const none: readonly Summary[] = [];
export const useSummaries = create<SummaryStore>()(() => ({ conversationId: null, summaries: none, growing: {} }));

function read(conversationId: string | null): void {
  useSummaries.setState({ conversationId, summaries: none });
  if (conversationId === null) return;
  client.summaries.list({ conversationId }).then((summaries) => {
    if (useSummaries.getState().conversationId === conversationId) useSummaries.setState({ summaries });
  }, reportError);
}

export function startSummaryStore(): void {
  useChat.subscribe(({ openId }, before) => {
    if (openId !== before.openId) read(openId);
  });
  onConnection((connection) => {
    if (connection === "open") read(useChat.getState().openId);
  });
  client.summaries.on("changed", ({ conversationId, summaries }) => {
    const { [conversationId]: _ended, ...growing } = useSummaries.getState().growing;
    const here = useSummaries.getState().conversationId === conversationId;
    useSummaries.setState(here ? { growing, summaries } : { growing });
  });
  client.summaries.on("growing", (piece) =>
    useSummaries.setState(({ growing }) => ({ growing: { ...growing, [piece.conversationId]: piece } })),
  );
}

/** The one that the model is given on this branch: that which reaches furthest, unless the user lets it begin later. */
export function shownSummary(
  branch: readonly Message[],
  summaries: readonly Summary[],
  contextStartId: string | null,
): Summary | null {
  if (summaries.length === 0) return null;
  const placeOf = (id: string | null): number => branch.findIndex((message) => message.id === id);
  let found: Summary | null = null;
  let place = Math.max(0, placeOf(contextStartId));
  for (const summary of summaries) {
    const its = placeOf(summary.firstMessageId);
    if (its > place || (found !== null && its === place)) {
      found = summary;
      place = its;
    }
  }
  return found;
}
