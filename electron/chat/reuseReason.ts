// Pure: why a prompt's tokens were computed again instead of being taken from the engine's memory. Compares what was sent
// with what the same conversation sent last time; the engine itself only says how many tokens it could reuse.
import type { ReuseReason } from "../contract/chat.ts";
import type { Steering } from "../contract/steering.ts";
import type { ChatTurn } from "../engine/engineApi.ts";

/** What was sent to the engine for one run. */
export interface PromptShape {
  /** Process id of the engine: another process remembers nothing. */
  readonly engine: number | null;
  readonly modelId: string;
  readonly templateId: string;
  /** Without a summary of older turns. */
  readonly systemPrompt: string;
  /** Of older turns; '' for none. */
  readonly summary: string;
  /** What was computed under one steering is of no use to another. */
  readonly steering: Steering | null;
  /** Older messages that did not fit. */
  readonly droppedMessages: number;
  /** Without the system prompt. */
  readonly turns: readonly ChatTurn[];
}

/** A shape with what became of it. */
export interface PastPrompt extends PromptShape {
  readonly promptTokens: number;
  readonly answer: string;
}

/** The engine keeps whole pages, so of a short prompt it may keep nothing. */
const shortPromptTokens = 64;
/** Reusing less than this share of what was there before means that it had been given up. */
const keptShare = 0.5;

const reason = (kind: ReuseReason["kind"], turn: number | null = null): ReuseReason => ({ kind, turn });

/**
 * @param previous what the conversation sent last; null: nothing since the app was started.
 * @param answeredBefore the conversation has an answer from before the app was started.
 * @param reused tokens of this prompt that the engine did not compute.
 */
export function explainReuse(
  previous: PastPrompt | null,
  current: PromptShape,
  answeredBefore: boolean,
  reused: number,
): ReuseReason {
  if (previous === null) return reason(answeredBefore ? "engine-restarted" : "first-message");
  if (previous.modelId !== current.modelId) return reason("other-model");
  if (previous.engine !== current.engine) return reason("engine-restarted");
  if (previous.templateId !== current.templateId) return reason("template-changed");
  if (JSON.stringify(previous.steering) !== JSON.stringify(current.steering)) return reason("steering-changed");
  if (previous.systemPrompt !== current.systemPrompt) return reason("system-changed");
  const told = previous.summary !== current.summary;
  if (told || previous.droppedMessages !== current.droppedMessages) return reason("context-moved");
  const changed = firstChange(previous, current.turns);
  if (changed !== null) return reason("edited", changed + 1);
  const lost = previous.promptTokens >= shortPromptTokens && reused < previous.promptTokens * keptShare;
  return reason(lost ? "evicted" : "kept");
}

/** Index of the first turn that is not what the engine has computed already; null: the old ones are all as they were. */
function firstChange(previous: PastPrompt, turns: readonly ChatTurn[]): number | null {
  const known: readonly ChatTurn[] = [...previous.turns, { role: "assistant", content: previous.answer }];
  const length = Math.min(known.length, turns.length);
  for (let index = 0; index < length; index += 1) {
    if (known[index]?.role !== turns[index]?.role || known[index]?.content !== turns[index]?.content) return index;
  }
  return null;
}
