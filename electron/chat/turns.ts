// The turns under way: one per conversation at most, side by side in different ones. Owns a turn from the rows that are
// written first, in one transaction, through the prompt that fits the model, until its answer is stored.
import { randomInt, randomUUID } from "node:crypto";
import type { Conversation, Draft, Message, ReuseReason, Run, RunPrompt, Sampler, Timings } from "../contract/chat.ts";
import { AppError, type WireError } from "../contract/errors.ts";
import type { TraceChunk } from "../contract/experts.ts";
import type { Publish } from "../contract/ipc.ts";
import type { LoadedModel } from "../contract/models.ts";
import { sendAttachments } from "../db/attachments.ts";
import { findConversation, nameUntitled, updateConversation } from "../db/conversations.ts";
import type { Steering } from "../contract/steering.ts";
import type { Database } from "../db/database.ts";
import { insertMessage } from "../db/messages.ts";
import { insertRun } from "../db/runs.ts";
import { listSummaries } from "../db/summaries.ts";
import type { EngineApi } from "../engine/engineApi.ts";
import { announceUnsent } from "./attachmentsService.ts";
import { type AnswerRun, type PreparedPrompt, startAnswer } from "./answerRun.ts";
import type { AnswerStore, TraceStore } from "./answerStore.ts";
import { beginningOf, type ConversationPrefixes } from "./beginning.ts";
import { answerRoom, type ContextFit, requireRoom } from "./contextFit.ts";
import type { Conversations } from "./conversations.ts";
import { promptStart, withSummary } from "./promptPlan.ts";
import { explainReuse, type PastPrompt, type PromptShape } from "./reuseReason.ts";
import type { Titler } from "./titler.ts";
import { titleFrom } from "./titles.ts";
import { textOf } from "./transcript.ts";

const closeWaitMs = 3000;

/** What a run has to know about the model that answers. */
export interface AnsweringModel {
  readonly id: string;
  readonly name: string;
  readonly sha256: string | null;
  readonly contextTrained: number;
  readonly params: number;
}

export interface Preferences {
  readonly sampler: Sampler;
  readonly systemPrompt: string;
  readonly chatTemplate: string;
  readonly titleByModel: boolean;
}

export interface TurnDependencies {
  readonly database: Database;
  readonly engine: Pick<EngineApi, "run" | "status">;
  readonly models: {
    /** The given model, else the loaded one, else the one that would be loaded. @throws AppError 'no-model'. */
    wanted(modelId?: string): Promise<AnsweringModel>;
    ensureLoaded(modelId: string): Promise<void>;
    getLoaded(input: Record<string, never>): Promise<LoadedModel>;
    draftFor(modelId: string): Draft;
  };
  readonly preferences: () => Preferences;
  readonly traces: TraceStore & {
    append(messageId: string, chunk: TraceChunk): void;
    begin(messageId: string, fromMessageId: string, textLength: number): number | null;
  };
  readonly prefixes: ConversationPrefixes;
  readonly steering: {
    /** How a conversation's answers by this model are steered; null: as it was trained. */
    of(conversationId: string, modelId: string): Steering | null;
    copy(fromConversationId: string, toConversationId: string): void;
  };
  readonly publish: Publish;
  readonly log: (event: string, facts: Readonly<Record<string, string | number | null>>) => void;
  readonly now: () => number;
  readonly conversations: Conversations;
  readonly store: AnswerStore;
  readonly contextFit: ContextFit;
  readonly titler: Titler;
  /** A summary is being written in this conversation. */
  readonly isSummarising: (conversationId: string) => boolean;
}

export interface Turn {
  readonly runId: string;
  readonly userMessage: Message | null;
  readonly assistantMessage: Message;
}

export interface TurnRequest {
  readonly conversationId: string;
  readonly parentId: string | null;
  /** null: a new answer to the message `parentId`. */
  readonly text: string | null;
  readonly attachmentIds?: readonly string[] | undefined;
  readonly modelId?: string | undefined;
  readonly sampler?: Conversation["sampler"] | undefined;
  /** false: as trained, whatever the conversation says. */
  readonly steered?: boolean | undefined;
  /** The answer that is continued, and its words. */
  readonly continues?: { readonly messageId: string; readonly text: string } | undefined;
  /** Makes the prompt as this run's was. */
  readonly like?: Run | undefined;
}

export interface Turns {
  /** @throws AppError 'conflict' while an answer is being written in the conversation. */
  start(request: TurnRequest): Promise<Turn>;
  stop(runId: string): void;
  stopConversation(conversationId: string): void;
  isBusy(conversationId: string): boolean;
  /** An answer is being written in some conversation. */
  isAnyBusy(): boolean;
  /** The copy begins with the same template and may use what the engine remembers of the original. */
  shareMemory(fromConversationId: string, toConversationId: string): void;
  /** Stops every run and waits a moment for their ends. */
  close(): Promise<void>;
}

export function createTurns(dependencies: TurnDependencies): Turns {
  const { database, engine, models, traces, publish, log, now, conversations, store, contextFit, prefixes } =
    dependencies;
  const runs = new Map<string, AnswerRun>();
  /** Conversations whose turn is being set up, which takes a moment when the model must be looked up. */
  const starting = new Set<string>();
  /** What each conversation sent last. */
  const past = new Map<string, PastPrompt>();
  let closing = false;

  const isBusy = (conversationId: string): boolean =>
    starting.has(conversationId) ||
    [...runs.values()].some((run) => run.plan.message.conversationId === conversationId);

  async function start(request: TurnRequest): Promise<Turn> {
    const { conversationId } = request;
    if (closing) throw new AppError("conflict", "Conclave is closing; send the message again after the next start.");
    if (isBusy(conversationId)) {
      throw new AppError(
        "conflict",
        "An answer is still being written in this conversation; stop it or wait for its end.",
      );
    }
    if (dependencies.isSummarising(conversationId)) {
      throw new AppError("conflict", "A summary is being written in this conversation; stop it or wait for its end.");
    }
    starting.add(conversationId);
    try {
      const model = await models.wanted(request.modelId);
      if (request.like !== undefined) requireSame(request.like, model, dependencies.preferences());
      const turn = writeTurn(request, model);
      conversations.announce(conversationId);
      dependencies.titler.interrupt();
      publish("chat", "runStarted", { ...turn, conversationId });
      follow(turn, request, model);
      return turn;
    } finally {
      starting.delete(conversationId);
    }
  }

  /** The rows of a turn, all or none. */
  function writeTurn(request: TurnRequest, model: AnsweringModel): Turn {
    const { conversationId, parentId, text } = request;
    const createdAt = now();
    const userId = text === null ? parentId : randomUUID();
    const messageId = randomUUID();
    const run = newRun(request, model, createdAt);
    const changedDrafts = database.transaction(() => {
      const drafts = text === null || userId === null ? [] : writeQuestion(request, userId, text, createdAt);
      insertMessage(database, {
        id: messageId,
        conversationId,
        parentId: userId,
        role: "assistant",
        state: "generating",
        createdAt,
        text: request.continues?.text ?? "",
      });
      insertRun(database, { ...run, messageId });
      updateConversation(database, conversationId, { activeLeafId: messageId, updatedAt: createdAt });
      return drafts;
    });
    for (const draftKey of changedDrafts) announceUnsent(dependencies, draftKey);
    return {
      runId: run.id,
      userMessage: text === null || userId === null ? null : conversations.message(conversationId, userId),
      assistantMessage: { ...conversations.message(conversationId, messageId), run },
    };
  }

  /** @returns the drafts whose attachments went with it. */
  function writeQuestion(request: TurnRequest, id: string, text: string, createdAt: number): Iterable<string> {
    const { conversationId, parentId, attachmentIds = [] } = request;
    const facts = { role: "user", state: "complete" } as const;
    insertMessage(database, { id, conversationId, parentId, ...facts, createdAt, text });
    const drafts = sendAttachments(database, { id, conversationId }, attachmentIds);
    const title = text === "" ? conversations.message(conversationId, id).attachments[0]?.name : text;
    nameUntitled(database, conversationId, titleFrom(title ?? ""));
    return drafts;
  }

  function newRun(request: TurnRequest, model: AnsweringModel, startedAt: number): Run {
    const preferences = dependencies.preferences();
    const own = conversations.get(request.conversationId).sampler;
    const sampler: Sampler = request.like?.sampler ?? {
      ...preferences.sampler,
      ...withoutUndefined(own),
      ...withoutUndefined(request.sampler ?? {}),
    };
    return {
      id: randomUUID(),
      modelId: model.id,
      modelName: model.name,
      modelSha256: model.sha256 ?? "",
      templateId: preferences.chatTemplate,
      sampler,
      seed: request.like?.seed ?? sampler.seed ?? randomInt(2 ** 32),
      draft: models.draftFor(model.id),
      engineVersion: engine.status().engineVersion,
      startedAt,
      stopReason: null,
      error: null,
      timings: null,
      prompt: null,
      reuse: null,
    };
  }

  function follow(turn: Turn, request: TurnRequest, model: AnsweringModel): void {
    const { runId, assistantMessage } = turn;
    const { conversationId, id: messageId, run, parentId } = assistantMessage;
    if (run === null || parentId === null) throw new AppError("internal", "A turn was written without its run.");
    const { continues } = request;
    const tracedTokens =
      continues === undefined ? 0 : traces.begin(messageId, continues.messageId, continues.text.length);
    const answer = startAnswer(
      {
        run,
        message: { ...assistantMessage, hasTrace: continues !== undefined && tracedTokens !== null },
        sampler: run.sampler,
        answerStart: continues?.text ?? "",
      },
      engine,
      () => prepare(assistantMessage, run, parentId, request, model),
      {
        onPrefill: (progress) => publish("chat", "prefillProgress", { runId, messageId, ...progress }),
        onTokens({ trace, ...piece }) {
          publish("chat", "tokensArrived", { runId, conversationId, messageId, ...piece });
          // Words that were taken over without their trace leave no place for the trace of the rest.
          if (trace === null || tracedTokens === null) return;
          const chunk = { ...trace, firstToken: trace.firstToken + tracedTokens };
          traces.append(messageId, chunk);
          publish("experts", "traceArrived", { messageId, conversationId, chunk });
        },
        onEnd: (error) => {
          end(answer, error);
          if (error === null) suggestTitle(answer.message(), model);
        },
      },
      now,
    );
    runs.set(runId, answer);
    store.follow(answer);
    log("run started", { runId, modelId: model.id });
  }

  async function prepare(
    message: Message,
    run: Run,
    parentId: string,
    request: TurnRequest,
    model: AnsweringModel,
  ): Promise<PreparedPrompt> {
    await models.ensureLoaded(model.id);
    const conversation = conversations.get(message.conversationId);
    const loaded = await models.getLoaded({});
    const context = loaded.state === "ready" ? loaded.context : 0;
    const answerStart = request.continues?.text ?? "";
    const like = request.like?.prompt ?? null;
    const template = like === null ? prefixes.appliedTo(conversation.id) : like.template;
    const steering = like === null ? steeringFor(request, model) : like.steering;
    const beginning = beginningOf(conversation, dependencies.preferences(), prefixes.prefix(template));
    const turns = conversations.turns(conversation.id, parentId);
    const begins = promptStart(turns, conversation.contextStartId, listSummaries(database, conversation.id));
    const summary = like === null ? begins.summary : null;
    const systemPrompt = like?.systemPrompt ?? withSummary(beginning, summary).systemPrompt;
    if (template !== null) await prefixes.beforeRun(template);
    const fitted = await contextFit.fit({
      modelId: model.id,
      systemPrompt,
      examples: beginning.examples,
      turns,
      startId: like === null ? begins.startId : like.firstMessageId,
      context,
      reserved:
        answerRoom(run.sampler.maxTokens, context) +
        (answerStart === "" ? 0 : await contextFit.countText(model.id, answerStart)),
    });
    requireRoom(fitted.used, context);
    const shape: PromptShape = {
      engine: engine.status().pid,
      modelId: model.id,
      templateId: `${run.templateId} ${template?.templateId ?? ""} ${template?.version ?? ""}`,
      systemPrompt: summary === null ? systemPrompt : beginning.systemPrompt,
      summary: summary?.text ?? "",
      steering,
      droppedMessages: fitted.dropped.droppedMessages,
      turns: fitted.turns,
    };
    const prompt: RunPrompt = {
      systemPrompt,
      ...fitted.dropped,
      context,
      continuedFrom: answerStart.length,
      template,
      summaryId: like === null ? (summary?.id ?? null) : like.summaryId,
      steering,
    };
    return { messages: fitted.messages, prompt, explain: explainer(message, shape) };
  }

  const steeringFor = (request: TurnRequest, model: AnsweringModel): Steering | null =>
    request.steered === false ? null : dependencies.steering.of(request.conversationId, model.id);

  function explainer(message: Message, shape: PromptShape): (timings: Timings, answer: string) => ReuseReason {
    const { conversationId } = message;
    const previous = past.get(conversationId) ?? null;
    const answeredBefore = conversations
      .messages(conversationId)
      .some((other) => other.id !== message.id && other.run?.timings != null);
    return (timings, answer) => {
      past.set(conversationId, { ...shape, promptTokens: timings.promptTokens, answer });
      return explainReuse(previous, shape, answeredBefore, timings.reusedTokens);
    };
  }

  function end(answer: AnswerRun, error: WireError | null): void {
    const message = shown(answer.message());
    const { conversationId } = message;
    const runId = answer.plan.run.id;
    runs.delete(runId);
    store.finish(answer);
    const template = message.run?.prompt?.template ?? null;
    const timings = message.run?.timings ?? null;
    if (template !== null && timings !== null)
      prefixes.afterRun(template, timings, message.run?.reuse?.kind === "first-message");
    if (error === null) publish("chat", "runEnded", { runId, conversationId, message });
    else publish("chat", "runFailed", { runId, conversationId, message, error });
    if (findConversation(database, conversationId) !== undefined) conversations.announce(conversationId);
    log("run ended", {
      runId,
      state: message.state,
      reason: message.run?.stopReason ?? error?.code ?? null,
      tokens: message.run?.timings?.generatedTokens ?? null,
    });
  }

  /** After the first answer: later ones change no subject. */
  function suggestTitle(message: Message, model: AnsweringModel): void {
    const { conversationId } = message;
    if (closing || findConversation(database, conversationId) === undefined) return;
    const tree = conversations.messages(conversationId);
    const question = tree.find((other) => other.id === message.parentId);
    if (question === undefined || tree.filter((other) => other.role === "assistant").length !== 1) return;
    dependencies.titler.answered({
      conversationId,
      question: textOf(question),
      answer: textOf(message),
      params: model.params,
    });
  }

  /** With the parent it has now: one above it may have been deleted while it was being written. */
  function shown(message: Message): Message {
    const stored = conversations.messages(message.conversationId).find((other) => other.id === message.id);
    return stored === undefined ? message : { ...message, parentId: stored.parentId };
  }

  return {
    start,
    stop: (runId) => runs.get(runId)?.stop("user"),
    stopConversation(conversationId) {
      for (const run of runs.values()) if (run.plan.message.conversationId === conversationId) run.stop("user");
    },
    isBusy,
    isAnyBusy: () => starting.size > 0 || runs.size > 0,
    shareMemory(from, to) {
      prefixes.copy(from, to);
      dependencies.steering.copy(from, to);
      const known = past.get(from);
      if (known !== undefined) past.set(to, known);
    },
    async close() {
      closing = true;
      dependencies.titler.interrupt();
      const ended = [...runs.values()].map((run) => (run.stop("closing"), run.ended));
      const patience = Promise.withResolvers<void>();
      const timer = setTimeout(patience.resolve, closeWaitMs);
      await Promise.race([Promise.all(ended), patience.promise]);
      clearTimeout(timer);
    },
  };
}

/** @throws AppError 'conflict' with what differs when the run cannot be repeated here and now. */
function requireSame(run: Run, model: AnsweringModel, preferences: Preferences): void {
  const refuse = (why: string): never => {
    throw new AppError("conflict", `This answer cannot be made again exactly: ${why}.`);
  };
  if (run.prompt === null) refuse("no record of its prompt was kept");
  if (run.modelSha256 !== "" && model.sha256 !== null && run.modelSha256 !== model.sha256) {
    refuse(`the file of ${run.modelName} has changed since (its SHA-256 differs)`);
  }
  if (run.templateId !== preferences.chatTemplate) {
    refuse(`it used the chat template “${run.templateId}” and Settings now say “${preferences.chatTemplate}”`);
  }
}

/** Optional keys that are present but undefined must not hide a default. */
export function withoutUndefined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
