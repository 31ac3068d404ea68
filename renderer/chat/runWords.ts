// A run in words: its one-line footer, and why its prompt took as long as it did. Pure.
import type { ReuseReason, Run, Timings } from "../../electron/contract/chat.ts";
import type { Steering } from "../../electron/contract/steering.ts";
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
    ...(stopReason === null ? [] : [t("chat.stoppedBy", { reason: t(`chat.stop-${stopReason}`) })]),
  ];
}

/** How much faster than plain decoding the answer came, by what plain decoding was measured to take; null: it was not measured. */
export function draftGain({ plainMs = 0, generatedTokens, decodeMs }: Timings): number | null {
  // The first token belongs to the prompt's time.
  return plainMs > 0 && decodeMs > 0 && generatedTokens > 1 ? (plainMs * (generatedTokens - 1)) / decodeMs : null;
}

/** What drafting came to: a few words, and the sentences behind them; null: it was off, or is not known. */
export function draftWords({
  draft,
  timings,
  stopReason,
}: Run): { readonly short: string; readonly long: string } | null {
  if (draft === null || draft.mode === "off" || timings?.passes === undefined || timings.passes === 0) return null;
  const gain = draftGain(timings);
  const speed = gain === null ? "" : formatDecimal(gain, 2);
  const perPlainSecond = formatDecimal(1000 / (timings.plainMs ?? 1), 0);
  const shortSpeed = gain === null ? [] : [t("chat.draftSpeed", { speed })];
  const longSpeed = gain === null ? [] : [t("chat.draftSpeedLong", { speed, plain: perPlainSecond })];
  if (timings.draftedTokens === 0)
    return gain === null ? null : { short: shortSpeed.join(), long: t("chat.draftNoneWhy") };
  const facts = {
    accepted: timings.acceptedTokens,
    drafted: timings.draftedTokens,
    // The token that ends the text took a pass as well, though nobody sees it.
    perPass: formatDecimal((timings.generatedTokens + (stopReason === "end-of-text" ? 1 : 0)) / timings.passes, 2),
    experts: formatDecimal(timings.distinctExperts ?? 0, 1),
    one: timings.expertsUsed ?? 0,
  };
  return {
    short: [...shortSpeed, t("chat.draftShort", facts)].join(" · "),
    long: [t("chat.draftLong", facts), ...longSpeed].join(" "),
  };
}

export const reuseWords = ({ reusedTokens, promptTokens }: Timings): string =>
  t("chat.promptReused", { reused: reusedTokens, total: promptTokens });

/** What was asked of the experts. */
export const steeringWords = ({ expertsUsed, biases }: Steering): string =>
  t("chat.steeringFacts", {
    experts: expertsUsed ?? t("chat.asTrained"),
    muted: biases.filter(({ bias }) => bias === null).length,
    biased: biases.filter(({ bias }) => bias !== null).length,
  });

/** One sentence on where the time before the first token went. */
export function whySlow(reason: ReuseReason | null, timings: Timings): string {
  const cost = t("chat.promptCost", {
    count: timings.promptTokens - timings.reusedTokens,
    time: formatDuration(timings.prefillMs),
  });
  return t(`chat.why-${reason?.kind ?? "unknown"}`, { cost, turn: reason?.turn ?? 1 });
}
