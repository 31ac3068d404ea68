// Makes a branch fit the model's context: counts tokens in the engine, leaves out whole turns from the oldest on, and says
// exactly which and how many tokens. Nothing is ever cut inside a turn, and nothing without being told.
import type { RunPrompt } from "../contract/chat.ts";
import { AppError } from "../contract/errors.ts";
import type { ChatTurn, EngineApi } from "../engine/engineApi.ts";
import { type BranchTurn, turnsBefore, turnsToDrop, withSystem } from "./transcript.ts";

const rememberedCounts = 4000;

export interface FitRequest {
  readonly modelId: string;
  readonly systemPrompt: string;
  /** Turns of a template: always sent, before all others. */
  readonly examples: readonly ChatTurn[];
  readonly turns: readonly BranchTurn[];
  /** The first message that may be sent; null: the branch's first. */
  readonly startId: string | null;
  /** Tokens that the model holds. */
  readonly context: number;
  /** Tokens to keep free: the answer, and what follows these turns. */
  readonly reserved: number;
}

export interface Fitted {
  readonly turns: readonly BranchTurn[];
  readonly messages: readonly ChatTurn[];
  /** Tokens of `messages` as a prompt. */
  readonly used: number;
  readonly dropped: Pick<RunPrompt, "firstMessageId" | "droppedMessages" | "droppedTokens">;
}

export interface ContextFit {
  fit(request: FitRequest): Promise<Fitted>;
  countText(modelId: string, text: string): Promise<number>;
  /** Of the texts before the first turn, without what the chat template puts around them. */
  countBeginning(request: Pick<FitRequest, "modelId" | "systemPrompt" | "examples">): Promise<number>;
}

/** @returns tokens kept free for an answer: as many as it may have, but never more than a quarter of the context. */
export const answerRoom = (maxTokens: number, context: number): number => Math.min(maxTokens, Math.floor(context / 4));

export function createContextFit(engine: Pick<EngineApi, "countTokens" | "countPrompt">): ContextFit {
  /** Of one model: counts differ between vocabularies. */
  let counted = { modelId: "", texts: new Map<string, Promise<number>>(), prompts: new Map<string, Promise<number>>() };

  function countsOf(modelId: string): typeof counted {
    const full = counted.texts.size + counted.prompts.size > rememberedCounts;
    if (counted.modelId !== modelId || full) counted = { modelId, texts: new Map(), prompts: new Map() };
    return counted;
  }

  function remember(known: Map<string, Promise<number>>, key: string, count: () => Promise<number>): Promise<number> {
    const before = known.get(key);
    if (before !== undefined) return before;
    const counting = count();
    known.set(key, counting);
    counting.catch(() => known.delete(key));
    return counting;
  }

  const countText = (modelId: string, text: string): Promise<number> =>
    remember(countsOf(modelId).texts, text, () => engine.countTokens(text));

  function countPrompt(request: FitRequest, from: number): Promise<number> {
    const turns = request.turns.slice(from);
    const key = JSON.stringify([
      request.systemPrompt,
      request.examples,
      turns.map((turn) => [turn.messageIds, turn.content.length]),
    ]);
    return remember(countsOf(request.modelId).prompts, key, () =>
      engine.countPrompt(withSystem(turns, request.systemPrompt, request.examples)),
    );
  }

  const countBeginning: ContextFit["countBeginning"] = async ({ modelId, systemPrompt, examples }) => {
    const texts = [systemPrompt, ...examples.map(({ content }) => content)].filter((text) => text.trim() !== "");
    const counts = await Promise.all(texts.map((text) => countText(modelId, text)));
    return counts.reduce((sum, count) => sum + count, 0);
  };

  /** How many turns the first guess leaves out: counts of single turns and an equal share of the template for each. */
  async function guess(request: FitRequest, from: number, whole: number, room: number): Promise<number> {
    const turns = request.turns.slice(from);
    const tokens = await Promise.all(turns.map(({ content }) => countText(request.modelId, content)));
    const system = await countBeginning(request);
    const sum = tokens.reduce((total, count) => total + count, system);
    const share = Math.max(0, (whole - sum) / Math.max(1, turns.length));
    return turnsToDrop(
      turns,
      tokens.map((count) => count + share),
      room - system,
    );
  }

  return {
    countText,
    countBeginning,
    async fit(request) {
      const { turns, context, reserved } = request;
      if (turns.length === 0) {
        return {
          turns,
          messages: withSystem(turns, request.systemPrompt, request.examples),
          used: await countBeginning(request),
          dropped: { firstMessageId: null, droppedMessages: 0, droppedTokens: 0 },
        };
      }
      const room = context - reserved;
      const first = turnsBefore(turns, request.startId);
      const whole = await countPrompt(request, 0);
      let from = first;
      let used = first === 0 ? whole : await countPrompt(request, from);
      if (used > room) {
        from += await guess(request, from, used, room);
        used = await countPrompt(request, from);
        while (used > room && from < turns.length - 1) {
          from += 1;
          while (turns[from]?.role !== "user" && from < turns.length - 1) from += 1;
          used = await countPrompt(request, from);
        }
      }
      const kept = turns.slice(from);
      const droppedMessages = turns.slice(0, from).flatMap((turn) => turn.messageIds).length;
      return {
        turns: kept,
        messages: withSystem(kept, request.systemPrompt, request.examples),
        used,
        dropped: {
          firstMessageId: kept[0]?.messageIds[0] ?? null,
          droppedMessages,
          droppedTokens: Math.max(0, whole - used),
        },
      };
    },
  };
}

/** @throws AppError 'bad-argument' when even the last turn alone is more than the model holds. */
export function requireRoom(used: number, context: number): void {
  if (used < context) return;
  throw new AppError(
    "bad-argument",
    `This message takes ${used.toLocaleString("en-US")} tokens and the context holds ${context.toLocaleString("en-US")}: shorten it by ${(used - context + 1).toLocaleString("en-US")} tokens or raise the context in Settings.`,
  );
}
