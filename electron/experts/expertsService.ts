// Which experts wrote which answer: gathers the routing of answers that are being written, stores it with the finished
// message, and gives both back. Statistics over traces belong here too.
import type { ServiceHandlers } from "../contract/ipc.ts";
import type { TraceChunk } from "../contract/experts.ts";
import type { Database } from "../db/database.ts";
import { readTrace, saveTrace } from "../db/expertTraces.ts";
import { decodeTrace, encodeTrace } from "./traceCodec.ts";

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
}

export function createExpertsService({ database }: { database: Database }): ExpertsService {
  const live = new Map<string, TraceChunk[]>();

  return {
    append(messageId, chunk) {
      const chunks = live.get(messageId);
      if (chunks === undefined) live.set(messageId, [chunk]);
      else chunks.push(chunk);
    },
    begin(messageId, fromMessageId, textLength) {
      const blob = readTrace(database, fromMessageId);
      if (blob === undefined) return null;
      const trace = decodeTrace(blob);
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
    async getTrace({ messageId }) {
      const chunks = live.get(messageId);
      if (chunks !== undefined) return joinChunks(chunks);
      const blob = readTrace(database, messageId);
      return blob === undefined ? null : decodeTrace(blob);
    },
  };
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
