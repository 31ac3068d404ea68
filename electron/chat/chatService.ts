// Conversations and the runs that write their answers. Owns a turn from the user's message until its answer is stored:
// rows first, in one transaction, then the engine. Runs of different conversations go on side by side; one conversation
// has at most one. Everything the renderer may see goes out through `publish`.
import { randomInt, randomUUID } from "node:crypto";
import type { Conversation, Message, Run, Sampler } from "../contract/chat.ts";
import { AppError, type WireError } from "../contract/errors.ts";
import type { TraceChunk } from "../contract/experts.ts";
import type { CallArguments, Publish, ServiceHandlers, Services } from "../contract/ipc.ts";
import {
  findConversation,
  insertConversation,
  listConversations,
  nameUntitled,
  purgeConversations,
  untitled,
  updateConversation,
} from "../db/conversations.ts";
import type { Database } from "../db/database.ts";
import { findMessage, insertMessage, interruptLeftovers, listMessages } from "../db/messages.ts";
import { insertRun } from "../db/runs.ts";
import { searchMessages } from "../db/search.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import { type AnswerRun, startAnswer } from "./answerRun.ts";
import { createAnswerStore, type TraceStore } from "./answerStore.ts";
import { newestLeafUnder } from "./branches.ts";
import { titleFrom } from "./titles.ts";
import { transcript } from "./transcript.ts";

const undoMs = 24 * 60 * 60 * 1000;
const closeWaitMs = 3000;

/** What a run has to know about the model that answers. */
export interface AnsweringModel {
  readonly id: string;
  readonly name: string;
  readonly sha256: string | null;
}

export interface ChatDependencies {
  readonly database: Database;
  readonly engine: Pick<EngineApi, "run" | "status">;
  readonly models: {
    /** The loaded model, else the one that would be loaded. @throws AppError 'no-model'. */
    wanted(): Promise<AnsweringModel>;
    ensureLoaded(modelId: string): Promise<void>;
  };
  readonly preferences: () => { sampler: Sampler; systemPrompt: string; chatTemplate: string };
  readonly traces: TraceStore & { append(messageId: string, chunk: TraceChunk): void };
  readonly publish: Publish;
  /** Storing answers fails (reason), or works again (null). */
  readonly onStorageTrouble: (reason: WireError | null) => void;
  readonly log: (event: string, facts: Readonly<Record<string, string | number | null>>) => void;
  readonly now?: () => number;
}

export interface ChatService extends ServiceHandlers<"chat"> {
  /** Stops every run, stores what there is, and forgets nothing. @returns how many answers could not be stored. */
  close(): Promise<number>;
}

type Input<C extends keyof Services["chat"]["calls"]> = CallArguments<Services["chat"]["calls"][C]>;

export function createChatService(dependencies: ChatDependencies): ChatService {
  const { database, engine, models, traces, publish, log } = dependencies;
  const now = dependencies.now ?? Date.now;
  const runs = new Map<string, AnswerRun>();
  const store = createAnswerStore({ database, traces, onTrouble: dependencies.onStorageTrouble });
  /** Conversations whose turn is being set up, which takes a moment when the model must be looked up. */
  const starting = new Set<string>();
  let closing = false;

  const leftovers = interruptLeftovers(database);
  const purged = purgeConversations(database, now() - undoMs);
  if (leftovers + purged > 0) log("conversations tidied", { interrupted: leftovers, purged });

  function conversationOf(id: string): Conversation {
    const conversation = findConversation(database, id);
    if (conversation === undefined) throw new AppError("not-found", "This conversation is not there any more.");
    return conversation;
  }

  function announce(id: string): Conversation {
    const conversation = conversationOf(id);
    publish("chat", "conversationChanged", conversation);
    return conversation;
  }

  function change(id: string, values: Parameters<typeof updateConversation>[2]): Conversation {
    conversationOf(id);
    updateConversation(database, id, values);
    return announce(id);
  }

  /** The stored tree with running and not yet stored answers as they are in memory. */
  function messagesOf(conversationId: string): Message[] {
    const fresh = new Map(store.inMemory(conversationId).map((message) => [message.id, message]));
    return listMessages(database, conversationId).map((message) => fresh.get(message.id) ?? message);
  }

  function messageIn(conversationId: string | null, messageId: string): Message {
    const message = findMessage(database, messageId);
    if (message === undefined || (conversationId !== null && message.conversationId !== conversationId)) {
      throw new AppError("not-found", "This message is not there any more.");
    }
    return message;
  }

  async function startTurn(conversationId: string, parentId: string | null, text: string | null): Promise<Turn> {
    if (closing) throw new AppError("conflict", "Conclave is closing; send the message again after the next start.");
    const busy = [...runs.values()].some((run) => run.plan.message.conversationId === conversationId);
    if (busy || starting.has(conversationId)) {
      throw new AppError(
        "conflict",
        "An answer is still being written in this conversation; stop it or wait for its end.",
      );
    }
    starting.add(conversationId);
    try {
      const model = await models.wanted();
      const turn = writeTurn(conversationOf(conversationId), parentId, text, model);
      announce(conversationId);
      publish("chat", "runStarted", { ...turn, conversationId });
      follow(turn, model);
      return turn;
    } finally {
      starting.delete(conversationId);
    }
  }

  /** The rows of a turn, all or none. */
  function writeTurn(
    conversation: Conversation,
    parentId: string | null,
    text: string | null,
    model: AnsweringModel,
  ): Turn {
    const preferences = dependencies.preferences();
    const sampler: Sampler = { ...preferences.sampler, ...withoutUndefined(conversation.sampler) };
    const createdAt = now();
    const conversationId = conversation.id;
    const userId = text === null ? parentId : randomUUID();
    const messageId = randomUUID();
    const run: Run = {
      id: randomUUID(),
      modelId: model.id,
      modelName: model.name,
      modelSha256: model.sha256 ?? "",
      templateId: preferences.chatTemplate,
      sampler,
      seed: sampler.seed ?? randomInt(2 ** 32),
      engineVersion: engine.status().engineVersion,
      startedAt: createdAt,
      stopReason: null,
      error: null,
      timings: null,
    };
    database.transaction(() => {
      if (text !== null && userId !== null) {
        insertMessage(database, {
          id: userId,
          conversationId,
          parentId,
          role: "user",
          state: "complete",
          createdAt,
          text,
        });
        nameUntitled(database, conversationId, titleFrom(text));
      }
      insertMessage(database, {
        id: messageId,
        conversationId,
        parentId: userId,
        role: "assistant",
        state: "generating",
        createdAt,
        text: "",
      });
      insertRun(database, { ...run, messageId });
      updateConversation(database, conversationId, { activeLeafId: messageId, updatedAt: createdAt });
    });
    return {
      runId: run.id,
      userMessage: text === null || userId === null ? null : messageIn(conversationId, userId),
      assistantMessage: { ...messageIn(conversationId, messageId), run },
    };
  }

  function follow(turn: Turn, model: AnsweringModel): void {
    const { runId, assistantMessage: message } = turn;
    const { conversationId, id: messageId, run, parentId } = message;
    if (run === null || parentId === null) throw new AppError("internal", "A turn was written without its run.");
    const systemPrompt = conversationOf(conversationId).systemPrompt || dependencies.preferences().systemPrompt;
    const turns = transcript(listMessages(database, conversationId), parentId, systemPrompt);
    const answer = startAnswer(
      { run, message, turns, sampler: run.sampler },
      engine,
      () => models.ensureLoaded(model.id),
      {
        onPrefill: (progress) => publish("chat", "prefillProgress", { runId, messageId, ...progress }),
        onTokens({ trace, ...piece }) {
          publish("chat", "tokensArrived", { runId, conversationId, messageId, ...piece });
          if (trace === null) return;
          traces.append(messageId, trace);
          publish("experts", "traceArrived", { messageId, conversationId, chunk: trace });
        },
        onEnd: (error) => end(answer, error),
      },
      now,
    );
    runs.set(runId, answer);
    store.follow(answer);
    log("run started", { runId, modelId: model.id, turns: turns.length });
  }

  function end(answer: AnswerRun, error: WireError | null): void {
    const message = answer.message();
    const { conversationId } = message;
    const runId = answer.plan.run.id;
    runs.delete(runId);
    store.finish(answer);
    if (error === null) publish("chat", "runEnded", { runId, conversationId, message });
    else publish("chat", "runFailed", { runId, conversationId, message, error });
    if (findConversation(database, conversationId) !== undefined) announce(conversationId);
    log("run ended", {
      runId,
      state: message.state,
      reason: message.run?.stopReason ?? error?.code ?? null,
      tokens: message.run?.timings?.generatedTokens ?? null,
    });
  }

  return {
    listConversations: async () => listConversations(database),
    async createConversation({ title }: Input<"createConversation">) {
      const id = randomUUID();
      insertConversation(database, { id, title: title?.trim() ?? "", createdAt: now() });
      return announce(id);
    },
    renameConversation: async ({ conversationId, title }) => change(conversationId, { title }),
    setPinned: async ({ conversationId, pinned }) => change(conversationId, { pinned }),
    updateConversation: async ({ conversationId, systemPrompt, sampler }) =>
      change(conversationId, { systemPrompt, sampler }),
    async deleteConversation({ conversationId }) {
      conversationOf(conversationId);
      for (const run of runs.values()) if (run.plan.message.conversationId === conversationId) run.stop("user");
      updateConversation(database, conversationId, { deletedAt: now() });
      publish("chat", "conversationDeleted", { conversationId });
      return null;
    },
    async restoreConversation({ conversationId }) {
      if (findConversation(database, conversationId, true) !== undefined) {
        updateConversation(database, conversationId, { deletedAt: null });
      }
      return announce(conversationId);
    },
    async getMessages({ conversationId }) {
      conversationOf(conversationId);
      return messagesOf(conversationId);
    },
    async setActiveLeaf({ conversationId, messageId }) {
      if (messageId === null) return change(conversationId, { activeLeafId: null });
      messageIn(conversationId, messageId);
      const activeLeafId = newestLeafUnder(listMessages(database, conversationId), messageId);
      return change(conversationId, { activeLeafId });
    },
    async sendMessage({ conversationId, parentId, text }) {
      conversationOf(conversationId);
      if (parentId !== null) messageIn(conversationId, parentId);
      return startTurn(conversationId, parentId, text);
    },
    async regenerate({ messageId }) {
      const message = messageIn(null, messageId);
      conversationOf(message.conversationId);
      const asked = message.role === "user" ? message.id : message.parentId;
      if (asked === null) throw new AppError("bad-argument", "This answer has no question to answer again.");
      return startTurn(message.conversationId, asked, null);
    },
    async stopRun({ runId }) {
      runs.get(runId)?.stop("user");
      return null;
    },
    search: async ({ query, limit }) => searchMessages(database, query, limit, untitled),
    async close() {
      closing = true;
      const ended = [...runs.values()].map((run) => (run.stop("closing"), run.ended));
      const patience = Promise.withResolvers<void>();
      const timer = setTimeout(patience.resolve, closeWaitMs);
      await Promise.race([Promise.all(ended), patience.promise]);
      clearTimeout(timer);
      return store.close();
    },
  };
}

interface Turn {
  readonly runId: string;
  readonly userMessage: Message | null;
  readonly assistantMessage: Message;
}

/** Optional keys that are present but undefined must not hide a default. */
function withoutUndefined(sampler: Conversation["sampler"]): Partial<Sampler> {
  return Object.fromEntries(Object.entries(sampler).filter(([, value]) => value !== undefined)) as Partial<Sampler>;
}
