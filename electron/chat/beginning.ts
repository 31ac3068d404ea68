// Pure: what a conversation begins with: the text of its template, if it has one, then the instructions of its own; else its
// own or everybody's system prompt.
import type { AppliedTemplate, Conversation, Timings } from "../contract/chat.ts";
import type { ChatTurn } from "../engine/engineApi.ts";

/** What the templates know of conversations. */
export interface ConversationPrefixes {
  appliedTo(conversationId: string): AppliedTemplate | null;
  /** The same turns every time; null for none. */
  prefix(applied: AppliedTemplate | null): { readonly system: string; readonly examples: readonly ChatTurn[] } | null;
  /** Has what is kept of it in memory before the run needs it. Never throws. */
  beforeRun(applied: AppliedTemplate): Promise<void>;
  /** @param first nothing of the conversation was computed before: what the run reused was the template's. */
  afterRun(applied: AppliedTemplate, timings: Timings, first: boolean): void;
  copy(fromConversationId: string, toConversationId: string): void;
}

export interface Beginning {
  readonly systemPrompt: string;
  readonly examples: readonly ChatTurn[];
}

export function beginningOf(
  conversation: Conversation | null,
  preferences: { readonly systemPrompt: string },
  prefix: ReturnType<ConversationPrefixes["prefix"]>,
): Beginning {
  const own = conversation?.systemPrompt ?? "";
  if (prefix === null) return { systemPrompt: own || preferences.systemPrompt, examples: [] };
  const parts = [prefix.system, own].filter((text) => text.trim() !== "");
  return { systemPrompt: parts.join("\n\n"), examples: prefix.examples };
}
