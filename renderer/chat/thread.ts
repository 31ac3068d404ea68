// The message tree as the thread needs it. Pure.
import type { ContextUse, Message } from "../../electron/contract/chat.ts";

export type MessageMap = ReadonlyMap<string, Message>;

const byAge = (a: Message, b: Message): number => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);

/** Versions of one message (same parent, itself included), oldest first. */
export function siblingsOf(messages: MessageMap, message: Message): Message[] {
  return [...messages.values()].filter((other) => other.parentId === message.parentId).toSorted(byAge);
}

/** Root to leaf. An unknown leaf, or null, gives an empty thread. */
export function branchTo(messages: MessageMap, leafId: string | null): Message[] {
  const branch: Message[] = [];
  const seen = new Set<string>();
  for (let id = leafId; id !== null && !seen.has(id);) {
    seen.add(id);
    const message = messages.get(id);
    if (message === undefined) break;
    branch.push(message);
    id = message.parentId;
  }
  return branch.toReversed();
}

/** The newest leaf below a message: where the thread continues when a version is chosen. */
export function newestLeafBelow(messages: MessageMap, messageId: string): string {
  const children = [...messages.values()].filter((message) => message.parentId === messageId).toSorted(byAge);
  const newest = children.at(-1);
  return newest === undefined ? messageId : newestLeafBelow(messages, newest.id);
}

export const textOf = (message: Message): string =>
  message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");

export interface UnseenTurns {
  /** First message of the branch that the model sees. */
  readonly firstMessageId: string;
  readonly droppedTokens: number;
  /** The user let the model begin here, rather than there being no room. */
  readonly chosen: boolean;
}

/**
 * Where the model's view of the branch begins; null: it sees all of it. By what the next message would send, or while
 * that is not known (no model is loaded) by what the last answer was given.
 */
export function unseenTurns(
  branch: readonly Message[],
  use: Pick<ContextUse, "firstMessageId" | "droppedMessages" | "droppedTokens"> | null,
  contextStartId: string | null,
): UnseenTurns | null {
  const view = use ?? branch.findLast((message) => message.run?.prompt != null)?.run?.prompt ?? null;
  if (view === null || view.firstMessageId === null || view.droppedMessages === 0) return null;
  const { firstMessageId, droppedTokens } = view;
  return { firstMessageId, droppedTokens, chosen: contextStartId === firstMessageId };
}
