// A run in words: its one-line footer, and why its prompt took as long as it did. Pure.
import type { ReuseReason, Run, Timings } from "../../electron/contract/chat.ts";
import { formatCount, formatDuration } from "../ui/format.ts";

export const stopWords = {
  "end-of-text": "end of answer",
  "max-tokens": "token limit",
  "context-full": "context full",
  "stop-string": "stop string",
  cancelled: "stopped",
} as const;

/** An answer that ended before it was finished can go on. */
export const isCut = (run: Run | null): boolean =>
  run !== null && (run.stopReason === null || ["max-tokens", "context-full", "cancelled"].includes(run.stopReason));

export function speedWords({ timings, stopReason }: Run): string[] {
  if (timings === null) return [];
  const rate = timings.decodeMs > 0 ? (timings.generatedTokens / timings.decodeMs) * 1000 : 0;
  return [
    `${rate.toFixed(1)} tok/s`,
    `${formatDuration(timings.firstTokenMs)} to first token`,
    `${formatCount(timings.generatedTokens)} tok`,
    ...(timings.draftedTokens > 0 ? [`${formatCount(timings.acceptedTokens)} drafted tok accepted`] : []),
    ...(stopReason === null ? [] : [`stop: ${stopWords[stopReason]}`]),
  ];
}

export const reuseWords = ({ reusedTokens, promptTokens }: Timings): string =>
  `${formatCount(reusedTokens)} of ${formatCount(promptTokens)} prompt tokens reused`;

/** One sentence on where the time before the first token went. */
export function whySlow(reason: ReuseReason | null, timings: Timings): string {
  const computed = timings.promptTokens - timings.reusedTokens;
  const cost = `${formatCount(computed)} prompt ${computed === 1 ? "token was" : "tokens were"} computed in ${formatDuration(timings.prefillMs)}`;
  switch (reason?.kind) {
    case undefined:
      return `${cost}.`;
    case "kept":
      return `${cost}: only what was new since the last message.`;
    case "first-message":
      return `${cost}: nothing of this conversation had been computed before.`;
    case "edited":
      return `${cost}: turn ${reason.turn ?? 1} is not what it was last time, so everything from there on was computed again.`;
    case "system-changed":
      return `${cost}: the system prompt changed, and everything stands behind it.`;
    case "template-changed":
      return `${cost}: the chat template changed, so the whole prompt reads differently.`;
    case "other-model":
      return `${cost}: another model answered last time, and models cannot share what they computed.`;
    case "context-moved":
      return `${cost}: older turns no longer fit, so everything behind them moved.`;
    case "evicted":
      return `${cost}: it had been computed before, but the memory was given to another conversation.`;
    case "engine-restarted":
      return `${cost}: the engine was started since the last message and remembers nothing from before.`;
  }
}
