// A run in words: its one-line footer, and why its prompt took as long as it did. Pure.
import type { ReuseReason, Run, Timings } from "../../electron/contract/chat.ts";
import { t } from "../i18n/texts.ts";
import { formatDecimal, formatDuration } from "../ui/format.ts";

/** An answer that ended before it was finished can go on. */
export const isCut = (run: Run | null): boolean =>
  run !== null && (run.stopReason === null || ["max-tokens", "context-full", "cancelled"].includes(run.stopReason));

export function speedWords({ timings, stopReason }: Run): string[] {
  if (timings === null) return [];
  const rate = timings.decodeMs > 0 ? (timings.generatedTokens / timings.decodeMs) * 1000 : 0;
  return [
    t("chat.tokensPerSecond", { rate: formatDecimal(rate, 1) }),
    t("chat.toFirstToken", { time: formatDuration(timings.firstTokenMs) }),
    t("chat.generatedTokens", { count: timings.generatedTokens }),
    ...(timings.draftedTokens > 0 ? [t("chat.draftedAccepted", { count: timings.acceptedTokens })] : []),
    ...(stopReason === null ? [] : [t("chat.stoppedBy", { reason: t(`chat.stop-${stopReason}`) })]),
  ];
}

export const reuseWords = ({ reusedTokens, promptTokens }: Timings): string =>
  t("chat.promptReused", { reused: reusedTokens, total: promptTokens });

/** One sentence on where the time before the first token went. */
export function whySlow(reason: ReuseReason | null, timings: Timings): string {
  const cost = t("chat.promptCost", {
    count: timings.promptTokens - timings.reusedTokens,
    time: formatDuration(timings.prefillMs),
  });
  return t(`chat.why-${reason?.kind ?? "unknown"}`, { cost, turn: reason?.turn ?? 1 });
}
