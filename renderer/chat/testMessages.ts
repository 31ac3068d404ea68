// Messages and conversations for the renderer's tests.
import type { Conversation, Message } from "../../electron/contract/chat.ts";

export const conversationOf = (fields: Partial<Conversation> = {}): Conversation => ({
  id: "c1",
  title: "A fox",
  createdAt: 1,
  updatedAt: 1,
  activeLeafId: null,
  systemPrompt: "",
  sampler: {},
  pinned: false,
  folderId: null,
  archived: false,
  contextStartId: null,
  ...fields,
});

export const messageOf = (fields: Partial<Message> & { readonly text?: string } = {}): Message => {
  const { text = "", ...rest } = fields;
  return {
    id: "m1",
    conversationId: "c1",
    parentId: null,
    role: "assistant",
    state: "complete",
    createdAt: 1,
    parts: text === "" ? [] : [{ type: "text", text }],
    run: null,
    hasTrace: false,
    ...rest,
  };
};
