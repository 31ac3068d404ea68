// Pure: the rows of one branch -> what the model is given. Reasoning is never sent back, answers without text are left
// out, and neighbours of one role become one turn, because many chat templates refuse roles that do not alternate. When
// the branch does not fit, whole turns are left out from the oldest on, and the caller learns which.
import type { Message } from "../contract/chat.ts";
import type { AttachedText } from "../db/attachments.ts";
import type { ChatTurn } from "../engine/engineApi.ts";
import { withAttachments } from "./attachedFiles.ts";
import { branchTo } from "./branches.ts";

export function textOf(message: Pick<Message, "parts">): string {
  return message.parts
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("");
}

export interface BranchTurn extends ChatTurn {
  readonly role: "user" | "assistant";
  /** The messages that went into it, oldest first; never empty. */
  readonly messageIds: readonly string[];
}

export type AttachedTexts = ReadonlyMap<string, readonly AttachedText[]>;

/**
 * @param leafId the last message that is sent; null: none.
 * @param attached the texts of attachments by message; they stand before what the message says.
 */
export function branchTurns(
  messages: readonly Message[],
  leafId: string | null,
  attached: AttachedTexts = new Map(),
): BranchTurn[] {
  const turns: BranchTurn[] = [];
  for (const message of branchTo(messages, leafId)) {
    const content = withAttachments(textOf(message), attached.get(message.id) ?? []);
    if (content === "") continue;
    const last = turns.at(-1);
    const messageIds = [message.id];
    if (last?.role !== message.role) turns.push({ role: message.role, content, messageIds });
    else {
      turns[turns.length - 1] = {
        role: last.role,
        content: `${last.content}\n\n${content}`,
        messageIds: [...last.messageIds, message.id],
      };
    }
  }
  return turns;
}

/** @param systemPrompt '' for none. @param examples turns of a template, which come before all others. */
export function withSystem(
  turns: readonly ChatTurn[],
  systemPrompt: string,
  examples: readonly ChatTurn[] = [],
): ChatTurn[] {
  const plain = [...examples, ...turns].map(({ role, content }) => ({ role, content }));
  return systemPrompt.trim() === "" ? plain : [{ role: "system", content: systemPrompt }, ...plain];
}

/** Everything from the branch's beginning, as one prompt. */
export function transcript(messages: readonly Message[], leafId: string, systemPrompt: string): ChatTurn[] {
  return withSystem(branchTurns(messages, leafId), systemPrompt);
}

/** How many turns stand before the one that holds this message; 0 when it is not on the branch, or null. */
export function turnsBefore(turns: readonly BranchTurn[], messageId: string | null): number {
  const index = turns.findIndex((turn) => messageId !== null && turn.messageIds.includes(messageId));
  return Math.max(0, index);
}

/**
 * How many turns to leave out from the front so that the rest takes at most `room` tokens. What is kept begins with a
 * user's turn, and the last turn is always kept: whether that one fits is for the caller to say.
 * @param tokens of each turn, its share of the template included.
 */
export function turnsToDrop(turns: readonly Pick<ChatTurn, "role">[], tokens: readonly number[], room: number): number {
  let total = tokens.reduce((sum, count) => sum + count, 0);
  let dropped = 0;
  const mayGo = (): boolean => dropped < turns.length - 1;
  while (mayGo() && (total > room || (dropped > 0 && turns[dropped]?.role !== "user"))) {
    total -= tokens[dropped] ?? 0;
    dropped += 1;
  }
  return dropped;
}
