// What every part of the chat service asks of conversations and messages: finding them, or saying that they are gone,
// changing them, and telling the windows.
import type { Conversation, Message } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import type { Publish } from "../contract/ipc.ts";
import { textsByMessage } from "../db/attachments.ts";
import { findConversation, listConversations, updateConversation } from "../db/conversations.ts";
import type { Database } from "../db/database.ts";
import { findMessage, listMessages } from "../db/messages.ts";
import { type BranchTurn, branchTurns } from "./transcript.ts";

export interface Conversations {
  all(): Conversation[];
  /** @throws AppError 'not-found'. */
  get(id: string): Conversation;
  /** Tells the windows how it is now. */
  announce(id: string): Conversation;
  change(id: string, values: Parameters<typeof updateConversation>[2]): Conversation;
  /** The stored tree with running and not yet stored answers as they are in memory. */
  messages(id: string): Message[];
  /** What the model is given of the branch that ends here, attachments included. */
  turns(id: string, leafId: string | null): BranchTurn[];
  /** @param conversationId null: wherever it is. @throws AppError 'not-found'. */
  message(conversationId: string | null, messageId: string): Message;
  /** Tells the windows what differs from the tree `before`. */
  announceTree(id: string, before: readonly Message[]): void;
}

export function createConversations(
  database: Database,
  publish: Publish,
  inMemory: (conversationId: string) => Message[],
): Conversations {
  function get(id: string): Conversation {
    const conversation = findConversation(database, id);
    if (conversation === undefined) throw new AppError("not-found", "This conversation is not there any more.");
    return conversation;
  }

  function announce(id: string): Conversation {
    const conversation = get(id);
    publish("chat", "conversationChanged", conversation);
    return conversation;
  }

  function messages(id: string): Message[] {
    const fresh = new Map(inMemory(id).map((message) => [message.id, message]));
    return listMessages(database, id).map((message) => {
      const growing = fresh.get(message.id);
      return growing === undefined ? message : { ...growing, parentId: message.parentId };
    });
  }

  return {
    all: () => listConversations(database),
    get,
    announce,
    change(id, values) {
      get(id);
      updateConversation(database, id, values);
      return announce(id);
    },
    messages,
    turns: (id, leafId) => branchTurns(messages(id), leafId, textsByMessage(database, id)),
    message(conversationId, messageId) {
      const message = findMessage(database, messageId);
      if (message === undefined || (conversationId !== null && message.conversationId !== conversationId)) {
        throw new AppError("not-found", "This message is not there any more.");
      }
      return message;
    },
    announceTree(id, before) {
      const old = new Map(before.map((message) => [message.id, message]));
      const after = messages(id);
      const changed = after.filter((message) => old.get(message.id)?.parentId !== message.parentId);
      const present = new Set(after.map((message) => message.id));
      const removed = before.filter((message) => !present.has(message.id)).map((message) => message.id);
      publish("chat", "messagesChanged", { conversationId: id, changed, removed });
    },
  };
}
