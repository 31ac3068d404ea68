// Lets the model write a summary of the turns of a branch that no longer fit, which then stands in for them. Turns that
// together are more than the context holds are told in parts, each with the summary of those before it. Nothing is stored
// until the whole is written, and nothing of the conversation is changed.
import type { Sampler } from "../contract/chat.ts";
import { defaultSampler } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import type { Publish, ServiceHandlers } from "../contract/ipc.ts";
import type { LoadedModel } from "../contract/models.ts";
import type { Summary } from "../contract/summaries.ts";
import type { Database } from "../db/database.ts";
import { findSummary, insertSummary, listSummaries, updateSummary } from "../db/summaries.ts";
import type { EngineApi, RunHandle } from "../engine/engineApi.ts";
import { type Beginning } from "./beginning.ts";
import { answerRoom, type ContextFit } from "./contextFit.ts";
import type { Conversations } from "./conversations.ts";
import { promptStart, withSummary } from "./promptPlan.ts";
import { type BranchTurn, turnsBefore } from "./transcript.ts";

/** A summary takes at most this share of the context, and at most so many tokens. */
const summaryShare = 1 / 8;
const mostSummaryTokens = 512;
/** For what the chat template and the request put around a part. */
const requestTokens = 200;

export interface SummarizerDependencies {
  readonly database: Database;
  readonly engine: Pick<EngineApi, "run">;
  readonly models: {
    wanted(modelId?: string): Promise<{ readonly id: string }>;
    ensureLoaded(modelId: string): Promise<void>;
    getLoaded(input: Record<string, never>): Promise<LoadedModel>;
  };
  readonly publish: Publish;
  readonly conversations: Conversations;
  readonly contextFit: ContextFit;
  readonly beginningOf: (conversationId: string) => Beginning;
  /** Longest answer of the conversation, in tokens. */
  readonly maxTokensOf: (conversationId: string) => number;
  /** An answer is being written in it. */
  readonly isBusy: (conversationId: string) => boolean;
  /** A title in the making is worth less than a summary that somebody waits for. */
  readonly interruptTitle: () => void;
  readonly now: () => number;
}

export interface Summarizer extends ServiceHandlers<"summaries"> {
  /** One is being written in this conversation. */
  isWriting(conversationId: string): boolean;
  /** Gives up what is being written. */
  close(): void;
}

interface Writing {
  stopped: boolean;
  handle: RunHandle | null;
}

export function createSummarizer(dependencies: SummarizerDependencies): Summarizer {
  const { database, engine, models, publish, conversations, contextFit, now } = dependencies;
  const writing = new Map<string, Writing>();

  const announce = (conversationId: string): void =>
    publish("summaries", "changed", { conversationId, summaries: listSummaries(database, conversationId) });

  function get(summaryId: string): Summary {
    const summary = findSummary(database, summaryId);
    if (summary === undefined) throw new AppError("not-found", "This summary is not there any more.");
    return summary;
  }

  /** The turns to summarise, what was told of those before them, and the first message after them. */
  async function chooseTurns(conversationId: string, modelId: string, context: number, room: number) {
    const { activeLeafId, contextStartId } = conversations.get(conversationId);
    const turns = conversations.turns(conversationId, activeLeafId);
    const { startId, summary } = promptStart(turns, contextStartId, listSummaries(database, conversationId));
    const reserved = answerRoom(dependencies.maxTokensOf(conversationId), context) + room;
    const { dropped } = await contextFit.fit({
      modelId,
      ...withSummary(dependencies.beginningOf(conversationId), summary),
      turns,
      startId,
      context,
      // Room for some more turns, or the next one would need a new summary.
      reserved: reserved + Math.floor(context * summaryShare),
    });
    const from = turnsBefore(turns, startId);
    const until = turnsBefore(turns, dropped.firstMessageId);
    if (until <= from || dropped.firstMessageId === null) {
      throw new AppError("conflict", "Every turn still fits the context, so there is nothing to summarise.");
    }
    return {
      told: turns.slice(from, until),
      before: summary?.text ?? "",
      firstMessageId: dropped.firstMessageId,
      dropped,
    };
  }

  /** Turns as text, in parts that each take at most `room` tokens. */
  async function partsOf(modelId: string, turns: readonly BranchTurn[], room: number): Promise<string[]> {
    const parts: string[] = [];
    let part = "";
    let used = 0;
    for (const { role, content } of turns) {
      const tokens = await contextFit.countText(modelId, content);
      const pieces = Math.max(1, Math.ceil(tokens / room));
      const length = Math.ceil(content.length / pieces);
      for (let piece = 0; piece < pieces; piece += 1) {
        const words = content.slice(piece * length, (piece + 1) * length).toWellFormed();
        const text = `${role === "user" ? "User" : "Assistant"}: ${words}`;
        const share = Math.ceil(tokens / pieces);
        if (part !== "" && used + share > room) {
          parts.push(part);
          part = "";
          used = 0;
        }
        part += part === "" ? text : `\n\n${text}`;
        used += share;
      }
    }
    return [...parts, part];
  }

  async function ask(mine: Writing, content: string, maxTokens: number, grow: (text: string) => void): Promise<string> {
    if (mine.stopped) throw stoppedError();
    let text = "";
    const sampler: Sampler = { ...defaultSampler, temperature: 0.3, maxTokens };
    mine.handle = engine.run(
      { messages: [{ role: "user", content }], sampler, seed: 0 },
      {
        onPrefill: () => undefined,
        onTokens(piece) {
          text += piece.text;
          grow(cleanSummary(text));
        },
      },
    );
    const { reason } = await mine.handle.result;
    mine.handle = null;
    if (reason === "cancelled" || mine.stopped) throw stoppedError();
    return cleanSummary(text);
  }

  async function write(conversationId: string, mine: Writing): Promise<Summary> {
    const { id: modelId } = await models.wanted();
    await models.ensureLoaded(modelId);
    const loaded = await models.getLoaded({});
    const context = loaded.state === "ready" ? loaded.context : 0;
    const summaryTokens = Math.min(mostSummaryTokens, Math.floor(context * summaryShare));
    const { told, before, firstMessageId, dropped } = await chooseTurns(
      conversationId,
      modelId,
      context,
      summaryTokens,
    );
    const room = context - 2 * summaryTokens - Math.min(requestTokens, Math.floor(context / 4));
    const parts = await partsOf(modelId, told, Math.max(64, room));
    let text = before;
    for (const [index, part] of parts.entries()) {
      text = await ask(mine, request(part, text, summaryTokens), summaryTokens, (grown) =>
        publish("summaries", "growing", {
          conversationId,
          firstMessageId,
          text: grown,
          part: index + 1,
          parts: parts.length,
        }),
      );
    }
    if (text === "") throw new AppError("io", "The model wrote no summary; try again, or with another model.");
    const messages = dropped.droppedMessages;
    return get(insertSummary(database, { conversationId, firstMessageId, text, messages, createdAt: now() }));
  }

  return {
    list: async ({ conversationId }) => listSummaries(database, conversationId),
    async write({ conversationId }) {
      conversations.get(conversationId);
      if (dependencies.isBusy(conversationId) || writing.has(conversationId)) {
        throw new AppError("conflict", "Something is being written in this conversation; stop it or wait for its end.");
      }
      const mine: Writing = { stopped: false, handle: null };
      writing.set(conversationId, mine);
      dependencies.interruptTitle();
      try {
        return await write(conversationId, mine);
      } finally {
        writing.delete(conversationId);
        announce(conversationId);
      }
    },
    async stop({ conversationId }) {
      stop(writing.get(conversationId));
      return null;
    },
    async edit({ summaryId, text }) {
      const { conversationId } = get(summaryId);
      updateSummary(database, summaryId, { text });
      announce(conversationId);
      return get(summaryId);
    },
    async remove({ summaryId }) {
      const { conversationId } = get(summaryId);
      updateSummary(database, summaryId, { deletedAt: now() });
      announce(conversationId);
      return null;
    },
    async restore({ summaryId }) {
      const { conversationId } = get(summaryId);
      updateSummary(database, summaryId, { deletedAt: null });
      announce(conversationId);
      return null;
    },
    isWriting: (conversationId) => writing.has(conversationId),
    close: () => [...writing.values()].forEach(stop),
  };
}

function stop(mine: Writing | undefined): void {
  if (mine === undefined) return;
  mine.stopped = true;
  mine.handle?.cancel();
}

const stoppedError = (): AppError => new AppError("cancelled", "The summary was stopped; nothing was changed.");

function request(part: string, before: string, tokens: number): string {
  const known = before === "" ? "" : `Summary of what came before:\n${before}\n\n`;
  // English writes about three words with four tokens.
  const words = Math.floor((tokens * 3) / 5);
  return `${known}Conversation:\n\n${part}\n\nSummarise ${
    before === "" ? "this conversation" : "all of this, what came before included,"
  } in at most ${words} words, in the language it is held in. Keep names, numbers, decisions, open questions and what the user wants. Write the summary only.`;
}

/** Without what the model thought, finished or not. */
export const cleanSummary = (text: string): string =>
  text
    .replaceAll(/<think>[\s\S]*?(?:<\/think>|$)/g, "")
    .replace(/^\s*(?:\*\*)?summary(?:\*\*)?\s*:\s*(?:\*\*)?/i, "")
    .trim();
