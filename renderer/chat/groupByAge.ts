// Conversations under the headings of the sidebar. Pure.
import type { Conversation } from "../../electron/contract/chat.ts";

import { t } from "../i18n/texts.ts";
import { formatMonth } from "../ui/format.ts";

export interface ConversationGroup {
  readonly label: string;
  readonly conversations: readonly Conversation[];
}

const dayMs = 86_400_000;

/** Pinned / Today / Yesterday / Previous 7 days / month and year; order within a group is kept. */
export function groupByAge(conversations: readonly Conversation[], now: Date): ConversationGroup[] {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const labelOf = (conversation: Conversation): string => {
    if (conversation.pinned) return t("chat.pinned");
    if (conversation.updatedAt >= today) return t("chat.today");
    if (conversation.updatedAt >= today - dayMs) return t("chat.yesterday");
    if (conversation.updatedAt >= today - 7 * dayMs) return t("chat.previousWeek");
    return formatMonth(conversation.updatedAt);
  };
  const groups = new Map<string, Conversation[]>([[t("chat.pinned"), []]]);
  for (const conversation of conversations) {
    const label = labelOf(conversation);
    groups.set(label, [...(groups.get(label) ?? []), conversation]);
  }
  return [...groups]
    .filter(([, members]) => members.length > 0)
    .map(([label, members]) => ({ label, conversations: members }));
}
