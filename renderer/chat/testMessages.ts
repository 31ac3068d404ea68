// Messages and conversations for the renderer's tests.
import { defaultSampler, type Conversation, type Message, type Run } from "../../electron/contract/chat.ts";

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
    attachments: [],
    run: null,
    hasTrace: false,
    ...rest,
  };
};

export const runOf = (fields: Partial<Run> = {}): Run => ({
  id: "r1",
  modelId: "m",
  modelName: "Tiny",
  modelSha256: "ab".repeat(32),
  templateId: "model",
  sampler: defaultSampler,
  seed: 7,
  draft: { mode: "auto", length: 0 },
  engineVersion: "0.1.0",
  startedAt: 1,
  stopReason: "end-of-text",
  error: null,
  timings: {
    promptTokens: 5310,
    reusedTokens: 4096,
    generatedTokens: 20,
    draftedTokens: 0,
    acceptedTokens: 0,
    firstTokenMs: 120,
    prefillMs: 110,
    decodeMs: 400,
  },
  prompt: {
    systemPrompt: "",
    firstMessageId: "q1",
    droppedMessages: 0,
    droppedTokens: 0,
    context: 8192,
    continuedFrom: 0,
    template: null,
    summaryId: null,
    steering: null,
  },
  reuse: { kind: "kept", turn: null },
  ...fields,
});
