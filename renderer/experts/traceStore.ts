// Traces by message, outside React: chunks arrive up to sixty times a second, readers choose when to draw.
import { forgetCounts } from "./countsStore.ts";
import { client } from "../platform/client.ts";
import type { TraceChunk } from "../../electron/contract/experts.ts";
import { ExpertTrace } from "./expertTrace.ts";

/** Traces kept in memory; older ones are read from the database again. */
const keptTraces = 24;

const traces = new Map<string, ExpertTrace>();
const reading = new Set<string>();
const absent = new Set<string>();
const listeners = new Set<() => void>();

function notify(): void {
  for (const listener of listeners) listener();
}

function receive(messageId: string, chunk: TraceChunk): void {
  const trace = traces.get(messageId) ?? new ExpertTrace(chunk);
  traces.delete(messageId);
  traces.set(messageId, trace);
  for (const oldest of traces.keys()) {
    if (traces.size <= keptTraces) break;
    traces.delete(oldest);
  }
  if (!trace.append(chunk)) {
    traces.delete(messageId);
    void readTrace(messageId);
  }
  absent.delete(messageId);
  notify();
}

async function readTrace(messageId: string): Promise<void> {
  if (reading.has(messageId)) return;
  reading.add(messageId);
  try {
    const chunk = await client.experts.getTrace({ messageId });
    if (chunk === null) absent.add(messageId);
    else receive(messageId, chunk);
  } catch {
    absent.add(messageId); // the panel says "no trace"; the conversation itself is unharmed
  } finally {
    reading.delete(messageId);
    notify();
  }
}

/** The trace if it is at hand; otherwise it is fetched and listeners hear of it. */
export function traceOf(messageId: string): ExpertTrace | null {
  const trace = traces.get(messageId);
  if (trace !== undefined) return trace;
  if (!absent.has(messageId)) void readTrace(messageId);
  return null;
}

export function onTraces(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Forgets that a message had none: called when its run ends. */
export function startTraceStore(): void {
  client.experts.on("traceArrived", ({ messageId, chunk }) => receive(messageId, chunk));
  client.experts.on("tracesCleared", () => {
    traces.clear();
    absent.clear();
    forgetCounts();
    notify();
  });
  client.chat.on("runEnded", ({ message }) => absent.delete(message.id));
}
