// The chat service: conversations, their messages and the runs that write answers, as the contract names them. The turns
// under way are turns.ts's; what the user changes by hand is messageEdits.ts's. Everything the renderer may see goes out
// through `publish`.
import { randomUUID } from "node:crypto";
import type { ContextUse, Message } from "../contract/chat.ts";
import { AppError, type WireError } from "../contract/errors.ts";
import type { CallArguments, ServiceHandlers, Services } from "../contract/ipc.ts";
import { attachedText } from "../db/attachments.ts";
import {
  findConversation,
  insertConversation,
  listConversations,
  purgeConversations,
  untitled,
  updateConversation,
} from "../db/conversations.ts";
import { interruptLeftovers, purgeMessages } from "../db/messages.ts";
import { searchMessages } from "../db/search.ts";
import { listSummaries } from "../db/summaries.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import { createAnswerStore } from "./answerStore.ts";
import { attachedFile } from "./attachedFiles.ts";
import { beginningOf } from "./beginning.ts";
import { newestLeafUnder } from "./branches.ts";
import { answerRoom, createContextFit } from "./contextFit.ts";
import { createConversations } from "./conversations.ts";
import { createMessageEdits } from "./messageEdits.ts";
import { promptStart, withSummary } from "./promptPlan.ts";
import { createSummarizer } from "./summarizer.ts";
import { scoreAnswer } from "./scoring.ts";
import { createTitler } from "./titler.ts";
import { textOf } from "./transcript.ts";
import { createTurns, type TurnDependencies } from "./turns.ts";

const undoMs = 24 * 60 * 60 * 1000;

export type ChatDependencies = Omit<
  TurnDependencies,
  "engine" | "now" | "conversations" | "store" | "contextFit" | "titler" | "isSummarising"
> & {
  readonly engine: Pick<EngineApi, "run" | "status" | "countTokens" | "countPrompt" | "score">;
  /** Storing answers fails (reason), or works again (null). */
  readonly onStorageTrouble: (reason: WireError | null) => void;
  readonly now?: () => number;
};

export interface ChatService extends ServiceHandlers<"chat"> {
  readonly summaries: ServiceHandlers<"summaries">;
  /** Stops every run, stores what there is, and forgets nothing. @returns how many answers could not be stored. */
  close(): Promise<number>;
}

type Input<C extends keyof Services["chat"]["calls"]> = CallArguments<Services["chat"]["calls"][C]>;

export function createChatService(dependencies: ChatDependencies): ChatService {
  const { database, engine, models, traces, publish, log } = dependencies;
  const now = dependencies.now ?? Date.now;
  const store = createAnswerStore({ database, traces, onTrouble: dependencies.onStorageTrouble });
  const conversations = createConversations(database, publish, store.inMemory);
  const contextFit = createContextFit(engine);
  const titler = createTitler({
    database,
    engine,
    isBusy: () => turns.isAnyBusy(),
    isEnabled: () => dependencies.preferences().titleByModel,
    announce: conversations.announce,
    log,
  });
  const summarizer = createSummarizer({
    database,
    engine,
    models,
    publish,
    conversations,
    contextFit,
    beginningOf: (id) => beginning(id),
    maxTokensOf: (id) => conversations.get(id).sampler.maxTokens ?? dependencies.preferences().sampler.maxTokens,
    isBusy: (id) => turns.isBusy(id),
    interruptTitle: titler.interrupt,
    now,
  });
  const { isWriting: isSummarising } = summarizer;
  const turns = createTurns({ ...dependencies, now, conversations, store, contextFit, titler, isSummarising });
  const edits = createMessageEdits({ database, conversations, turns, now });

  const leftovers = interruptLeftovers(database);
  const purged = purgeConversations(database, now() - undoMs) + purgeMessages(database, now() - undoMs);
  if (leftovers + purged > 0) log("conversations tidied", { interrupted: leftovers, purged });

  function answerOf(messageId: string): Message & { readonly parentId: string } {
    const message = conversations.message(null, messageId);
    conversations.get(message.conversationId);
    const { parentId } = message;
    if (message.role !== "assistant" || parentId === null) {
      throw new AppError("bad-argument", "This is not an answer to a message, so it cannot be continued.");
    }
    return { ...message, parentId };
  }

  function beginning(conversationId: string | null): ReturnType<typeof beginningOf> {
    const conversation = conversationId === null ? null : conversations.get(conversationId);
    const { prefixes } = dependencies;
    const prefix = conversationId === null ? null : prefixes.prefix(prefixes.appliedTo(conversationId));
    return beginningOf(conversation, dependencies.preferences(), prefix);
  }

  /** Tokens by attachment. One that was removed meanwhile counts for nothing. */
  async function countAttachments(modelId: string, ids: readonly string[]): Promise<Record<string, number>> {
    const counts = ids.map(async (id): Promise<[string, number]> => {
      try {
        return [id, await contextFit.countText(modelId, attachedFile(attachedText(database, id)))];
      } catch (error) {
        if (error instanceof AppError && error.code === "not-found") return [id, 0];
        throw error;
      }
    });
    return Object.fromEntries(await Promise.all(counts));
  }

  async function contextUse(input: Input<"getContextUse">): Promise<ContextUse | null> {
    const { conversationId, draft, attachmentIds = [] } = input;
    const loaded = await models.getLoaded({});
    if (loaded.state !== "ready") return null;
    const { modelId, context } = loaded;
    const { contextTrained } = await models.wanted(modelId);
    const conversation = conversationId === null ? null : conversations.get(conversationId);
    const maxTokens = conversation?.sampler.maxTokens ?? dependencies.preferences().sampler.maxTokens;
    const attachments = await countAttachments(modelId, attachmentIds);
    const draftTokens = Object.values(attachments).reduce(
      (sum, count) => sum + count,
      draft === "" ? 0 : await contextFit.countText(modelId, draft),
    );
    const reserved = answerRoom(maxTokens, context);
    const branch = conversation === null ? [] : conversations.turns(conversation.id, conversation.activeLeafId);
    const summaries = conversation === null ? [] : listSummaries(database, conversation.id);
    const start = promptStart(branch, conversation?.contextStartId ?? null, summaries);
    const begins = { modelId, ...withSummary(beginning(conversationId), start.summary) };
    const { used, dropped } = await contextFit.fit({
      ...begins,
      turns: branch,
      startId: start.startId,
      context,
      reserved: reserved + draftTokens,
    });
    const overflow = Math.max(0, draftTokens + (await contextFit.countBeginning(begins)) + reserved - context);
    const summaryId = start.summary?.id ?? null;
    return {
      used: used + draftTokens,
      context,
      reserved,
      contextTrained,
      ...dropped,
      summaryId,
      attachments,
      overflow,
    };
  }

  return {
    summaries: summarizer,
    listConversations: async () => listConversations(database),
    async createConversation({ title }: Input<"createConversation">) {
      const id = randomUUID();
      insertConversation(database, { id, title: title?.trim() ?? "", createdAt: now() });
      return conversations.announce(id);
    },
    renameConversation: async ({ conversationId, title }) =>
      conversations.change(conversationId, { title, titleSource: "user" }),
    setPinned: async ({ conversationId, pinned }) => conversations.change(conversationId, { pinned }),
    updateConversation: async ({ conversationId, systemPrompt, sampler }) =>
      conversations.change(conversationId, { systemPrompt, sampler }),
    async deleteConversation({ conversationId }) {
      conversations.get(conversationId);
      turns.stopConversation(conversationId);
      updateConversation(database, conversationId, { deletedAt: now() });
      publish("chat", "conversationDeleted", { conversationId });
      return null;
    },
    async restoreConversation({ conversationId }) {
      if (findConversation(database, conversationId, true) !== undefined) {
        updateConversation(database, conversationId, { deletedAt: null });
      }
      return conversations.announce(conversationId);
    },
    duplicateConversation: async ({ conversationId }) => edits.duplicate(conversationId),
    async getMessages({ conversationId }) {
      conversations.get(conversationId);
      return conversations.messages(conversationId);
    },
    async setActiveLeaf({ conversationId, messageId }) {
      if (messageId === null) return conversations.change(conversationId, { activeLeafId: null });
      conversations.message(conversationId, messageId);
      const activeLeafId = newestLeafUnder(conversations.messages(conversationId), messageId);
      return conversations.change(conversationId, { activeLeafId });
    },
    async setContextStart({ conversationId, messageId }) {
      if (messageId !== null) conversations.message(conversationId, messageId);
      return conversations.change(conversationId, { contextStartId: messageId });
    },
    getContextUse: contextUse,
    async sendMessage({ conversationId, parentId, text, attachmentIds }) {
      conversations.get(conversationId);
      if (parentId !== null) conversations.message(conversationId, parentId);
      return turns.start({ conversationId, parentId, text, attachmentIds });
    },
    async regenerate({ messageId, modelId, sampler, exactly, steered }) {
      const message = conversations.message(null, messageId);
      conversations.get(message.conversationId);
      const asked = message.role === "user" ? message.id : message.parentId;
      if (asked === null) throw new AppError("bad-argument", "This answer has no question to answer again.");
      const request = { conversationId: message.conversationId, parentId: asked, text: null };
      if (exactly !== true) return turns.start({ ...request, modelId, sampler, steered });
      const { run } = message;
      if (run === null) throw new AppError("bad-argument", "This answer was written by hand, so no run made it.");
      const taken = run.prompt?.continuedFrom ?? 0;
      const continues = taken > 0 ? { messageId, text: textOf(message).slice(0, taken) } : undefined;
      return turns.start({ ...request, modelId: run.modelId, like: run, continues });
    },
    async scoreAnswer({ messageId, steering }) {
      const message = conversations.message(null, messageId);
      return scoreAnswer({ ...dependencies, conversations, contextFit }, message, steering);
    },
    async continueAnswer({ messageId }) {
      const { conversationId, parentId, ...answer } = answerOf(messageId);
      const text = textOf(answer);
      const continues = text === "" ? undefined : { messageId, text };
      return turns.start({ conversationId, parentId, text: null, continues });
    },
    editMessage: async ({ messageId, text }) => edits.edit(messageId, text),
    async deleteMessage({ messageId }) {
      edits.remove(messageId);
      return null;
    },
    async restoreMessage({ messageId }) {
      edits.restore(messageId);
      return null;
    },
    forkConversation: async ({ messageId }) => edits.fork(messageId),
    async stopRun({ runId }) {
      turns.stop(runId);
      return null;
    },
    search: async ({ query, limit }) => searchMessages(database, query, limit, untitled),
    async close() {
      summarizer.close();
      await turns.close();
      return store.close();
    },
  };
}
