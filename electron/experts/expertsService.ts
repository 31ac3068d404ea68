// Which experts wrote which answer: gathers the routing of answers that are being written, stores it with the finished
// message, and gives both back. Statistics over traces belong here too.
import { AppError } from "../contract/errors.ts";
import type { Publish, ServiceHandlers } from "../contract/ipc.ts";
import { inOrder, isUnsteered, type Steering } from "../contract/steering.ts";
import { maxCountedAnswers, type TraceChunk, type TraceCounts } from "../contract/experts.ts";
import type { Database } from "../db/database.ts";
import {
  countTracedAnswers,
  deleteTraces,
  listTracedAnswers,
  readTrace,
  saveTrace,
  traceStorage,
} from "../db/expertTraces.ts";
import { findConversation } from "../db/conversations.ts";
import { findSteering, saveSteering } from "../db/steering.ts";
import { decodeTrace, encodeTrace } from "./traceCodec.ts";
import { addCounts, countTrace, emptyCounts, sameShape } from "./traceCounts.ts";
import { sortIntoTopics } from "./topics.ts";

/** Traces are read a few at a time, so that a stop or a token does not wait for a thousand of them. */
const tracesAtOnce = 16;
/** Enough to tell favourites from chance; a load waits for them. */
const answersOfUse = 200;

export interface ExpertsService extends ServiceHandlers<"experts"> {
  /** Adds tokens to the live trace of an answer. */
  append(messageId: string, chunk: TraceChunk): void;
  /**
   * Begins the live trace of an answer with that of another whose words it takes over.
   * @returns its tokens; null, and nothing is begun, when no trace covers exactly those words.
   */
  begin(messageId: string, fromMessageId: string, textLength: number): number | null;
  /** Writes the live trace, if there is one, as part of the caller's transaction. @returns whether a trace exists. */
  store(messageId: string): boolean;
  /** Drops the live trace, once it is stored or unwanted. */
  forget(messageId: string): void;
  /** How a conversation's answers by this model are steered; null: as it was trained. */
  steeringOf(conversationId: string, modelId: string): Steering | null;
  /**
   * How often the newest answers of a model chose each expert: nothing but these counts leaves the database.
   * @returns [moeLayers][experts]; null: no answer of this shape has a trace.
   */
  usageOf(model: UsedModel): Promise<number[][] | null>;
  copySteering(fromConversationId: string, toConversationId: string): void;
}

interface UsedModel {
  readonly id: string;
  readonly moeLayers: number;
  readonly experts: number;
}

export interface ExpertsDependencies {
  readonly database: Database;
  readonly publish: Publish;
}

export function createExpertsService({ database, publish }: ExpertsDependencies): ExpertsService {
  const live = new Map<string, TraceChunk[]>();

  function stored(messageId: string): TraceChunk | null {
    const blob = readTrace(database, messageId);
    return blob === undefined ? null : decodeTrace(blob);
  }

  /** Visits the stored traces of these messages; a damaged one counts as none, for it would hide all the others. */
  async function eachTrace<M>(
    messages: readonly M[],
    idOf: (message: M) => string,
    visit: (message: M, trace: TraceChunk) => void,
  ): Promise<void> {
    for (const [index, message] of messages.entries()) {
      if (index % tracesAtOnce === tracesAtOnce - 1) await new Promise((resolve) => setImmediate(resolve));
      const trace = readable(() => stored(idOf(message)));
      if (trace !== null) visit(message, trace);
    }
  }

  return {
    append(messageId, chunk) {
      const chunks = live.get(messageId);
      if (chunks === undefined) live.set(messageId, [chunk]);
      else chunks.push(chunk);
    },
    begin(messageId, fromMessageId, textLength) {
      const trace = stored(fromMessageId);
      if (trace === null) return null;
      if (trace.textLengths.reduce((sum, length) => sum + length, 0) !== textLength) return null;
      live.set(messageId, [trace]);
      return trace.tokens;
    },
    store(messageId) {
      const joined = joinChunks(live.get(messageId) ?? []);
      if (joined === null) return false;
      saveTrace(database, messageId, encodeTrace(joined));
      return true;
    },
    forget: (messageId) => void live.delete(messageId),
    steeringOf(conversationId, modelId) {
      const chosen = findSteering(database, conversationId);
      if (chosen === null || !chosen.on || chosen.steering.modelId !== modelId) return null;
      return isUnsteered(chosen.steering) ? null : chosen.steering;
    },
    async usageOf({ id, moeLayers, experts }) {
      let sum = emptyCounts({ moeLayers, expertCount: experts });
      await eachTrace(
        listTracedAnswers(database, id, answersOfUse, false),
        ({ messageId }) => messageId,
        (_, trace) => {
          if (sameShape(sum, trace)) sum = addCounts(sum, countTrace(trace));
        },
      );
      if (sum.tokens === 0) return null;
      return Array.from({ length: moeLayers }, (_, layer) => sum.counts.slice(layer * experts, (layer + 1) * experts));
    },
    copySteering(from, to) {
      const chosen = findSteering(database, from);
      if (chosen !== null) saveSteering(database, to, chosen);
    },
    getTraceStorage: async ({ conversationId }) => ({
      conversation: traceStorage(database, conversationId),
      all: traceStorage(database, null),
    }),
    async clearTraces({ conversationId }) {
      deleteTraces(database, conversationId);
      publish("experts", "tracesCleared", { conversationId });
      return null;
    },
    getSteering: async ({ conversationId }) => findSteering(database, conversationId),
    async setSteering({ conversationId, steering: chosen }) {
      if (findConversation(database, conversationId) === undefined)
        throw new AppError("not-found", "This conversation is not there any more.");
      const ordered = chosen && {
        ...chosen,
        steering: { ...chosen.steering, biases: inOrder(chosen.steering.biases) },
      };
      saveSteering(database, conversationId, ordered);
      publish("experts", "steeringChanged", { conversationId, steering: ordered });
      return null;
    },
    async getTrace({ messageId }) {
      const chunks = live.get(messageId);
      return chunks === undefined ? stored(messageId) : joinChunks(chunks);
    },
    async getCounts({ messageIds }) {
      let sum: TraceCounts | null = null;
      await eachTrace(
        messageIds,
        (id) => id,
        (_, trace) => {
          sum ??= emptyCounts(trace);
          if (sameShape(sum, trace)) sum = addCounts(sum, countTrace(trace));
        },
      );
      return sum;
    },
    async getTopics({ by, modelId }) {
      const answers = listTracedAnswers(database, modelId, maxCountedAnswers, by === "kind");
      const topics = sortIntoTopics(by);
      await eachTrace(answers, ({ messageId }) => messageId, topics.add);
      return { topics: topics.list(), answers: countTracedAnswers(database, modelId), counted: answers.length };
    },
  };
}

function readable(read: () => TraceChunk | null): TraceChunk | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof AppError && error.code === "bad-file") return null;
    throw error;
  }
}

/** One chunk for all. Chunks of another shape than the first (the model changed under the run) end it. */
export function joinChunks(chunks: readonly TraceChunk[]): TraceChunk | null {
  const [first] = chunks;
  if (first === undefined) return null;
  const same = (chunk: TraceChunk): boolean =>
    chunk.moeLayers === first.moeLayers &&
    chunk.expertsUsed === first.expertsUsed &&
    chunk.expertCount === first.expertCount;
  const change = chunks.findIndex((chunk) => !same(chunk));
  const used = change < 0 ? chunks : chunks.slice(0, change);
  return {
    firstToken: first.firstToken,
    tokens: used.reduce((sum, chunk) => sum + chunk.tokens, 0),
    moeLayers: first.moeLayers,
    expertsUsed: first.expertsUsed,
    expertCount: first.expertCount,
    experts: concatenate(used.map((chunk) => chunk.experts)),
    weights: concatenate(used.map((chunk) => chunk.weights)),
    textLengths: used.flatMap((chunk) => chunk.textLengths),
    drafted: concatenate(used.map((chunk) => chunk.drafted)),
  };
}

function concatenate(arrays: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    result.set(array, at);
    at += array.length;
  }
  return result;
}
