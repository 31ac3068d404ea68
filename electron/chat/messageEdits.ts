// What the user does to messages without an answer being written: new versions by hand, deleting one, bringing it back,
// copying a branch into a conversation of its own. Nothing is lost by any of these.
import { randomUUID } from "node:crypto";
import type { Conversation, Message } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import { sendAttachments } from "../db/attachments.ts";
import { insertConversation, updateConversation } from "../db/conversations.ts";
import { copyMessages } from "../db/copyConversation.ts";
import type { Database } from "../db/database.ts";
import { copySummaries } from "../db/summaries.ts";
import { conversationOfDeleted, insertMessage, setMessageDeleted } from "../db/messages.ts";
import { branchTo, newestLeafUnder } from "./branches.ts";
import type { Conversations } from "./conversations.ts";
import type { Turns } from "./turns.ts";

export interface MessageEdits {
  edit(messageId: string, text: string): Message;
  remove(messageId: string): void;
  restore(messageId: string): void;
  fork(messageId: string): Conversation;
  duplicate(conversationId: string): Conversation;
}

export interface MessageEditDependencies {
  readonly database: Database;
  readonly conversations: Conversations;
  readonly turns: Pick<Turns, "isBusy" | "shareMemory">;
  readonly now: () => number;
}

export function createMessageEdits(dependencies: MessageEditDependencies): MessageEdits {
  const { database, conversations, turns, now } = dependencies;

  function requireQuiet(conversationId: string): void {
    if (!turns.isBusy(conversationId)) return;
    throw new AppError("conflict", "An answer is being written in this conversation; stop it or wait for its end.");
  }

  /** Changes the tree and tells the windows of the difference, the shown branch included. */
  function changeTree(conversationId: string, work: () => string | null): void {
    const before = conversations.messages(conversationId);
    database.transaction(() => updateConversation(database, conversationId, { activeLeafId: work() }));
    conversations.announceTree(conversationId, before);
    conversations.announce(conversationId);
  }

  function copy(
    source: Conversation,
    title: string,
    messages: readonly Message[],
    leafId: string | null,
  ): Conversation {
    const id = randomUUID();
    database.transaction(() => {
      insertConversation(database, { id, title, createdAt: now() });
      const newIds = copyMessages(database, messages, id);
      copySummaries(database, source.id, id, newIds);
      updateConversation(database, id, {
        activeLeafId: leafId === null ? null : (newIds.get(leafId) ?? null),
        systemPrompt: source.systemPrompt,
        sampler: source.sampler,
        folderId: source.folderId,
        contextStartId: source.contextStartId === null ? null : (newIds.get(source.contextStartId) ?? null),
      });
    });
    turns.shareMemory(source.id, id);
    return conversations.announce(id);
  }

  return {
    edit(messageId, text) {
      const { conversationId, parentId, role, attachments } = conversations.message(null, messageId);
      conversations.get(conversationId);
      requireQuiet(conversationId);
      const id = randomUUID();
      changeTree(conversationId, () => {
        insertMessage(database, { id, conversationId, parentId, role, state: "complete", createdAt: now(), text });
        sendAttachments(
          database,
          { id, conversationId },
          attachments.map((attachment) => attachment.id),
        );
        return id;
      });
      return conversations.message(conversationId, id);
    },
    remove(messageId) {
      const message = conversations.message(null, messageId);
      const { conversationId } = message;
      const { activeLeafId } = conversations.get(conversationId);
      requireQuiet(conversationId);
      const before = conversations.messages(conversationId);
      changeTree(conversationId, () => {
        setMessageDeleted(database, messageId, now());
        if (activeLeafId !== messageId) return activeLeafId;
        return leafInsteadOf(message, before);
      });
    },
    restore(messageId) {
      const conversationId = conversationOfDeleted(database, messageId);
      if (conversationId === undefined) throw new AppError("not-found", "This message is not there any more.");
      const { activeLeafId } = conversations.get(conversationId);
      requireQuiet(conversationId);
      changeTree(conversationId, () => {
        setMessageDeleted(database, messageId, null);
        const after = conversations.messages(conversationId);
        const onBranch = branchTo(after, activeLeafId).some((message) => message.id === messageId);
        return onBranch ? activeLeafId : newestLeafUnder(after, messageId);
      });
    },
    fork(messageId) {
      const message = conversations.message(null, messageId);
      const source = conversations.get(message.conversationId);
      requireQuiet(source.id);
      const branch = branchTo(conversations.messages(source.id), messageId);
      return copy(source, `${source.title} (fork)`, branch, messageId);
    },
    duplicate(conversationId) {
      const source = conversations.get(conversationId);
      requireQuiet(conversationId);
      return copy(source, `${source.title} (copy)`, conversations.messages(conversationId), source.activeLeafId);
    },
  };
}

/** Where the thread ends once its last message is gone: at another version of it, else at what stood above. */
function leafInsteadOf(message: Message, before: readonly Message[]): string | null {
  const sibling = before.findLast((other) => other.parentId === message.parentId && other.id !== message.id);
  return sibling === undefined ? message.parentId : newestLeafUnder(before, sibling.id);
}
