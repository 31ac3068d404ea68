// An answer as plain text, with the tokens tinted that a draft had right: they came without a pass of their own.
import { useMemo } from "react";
import { t } from "../i18n/texts.ts";
import type { ExpertTrace } from "./expertTrace.ts";
import { useTrace } from "./useTrace.ts";

const refreshesPerSecond = 10;

interface DraftedRun {
  readonly start: number;
  readonly text: string;
  readonly drafted: boolean;
}

/** Cuts the text where drafted and other tokens meet; text past the trace counts as not drafted. */
export function draftedRuns(
  trace: Pick<ExpertTrace, "tokens" | "textLengthAt" | "wasDrafted"> | null,
  text: string,
): DraftedRun[] {
  const runs: { start: number; end: number; drafted: boolean }[] = [];
  let at = 0;
  const add = (length: number, drafted: boolean): void => {
    const end = Math.min(at + length, text.length);
    const last = runs.at(-1);
    if (last?.drafted === drafted) last.end = end;
    else if (end > at) runs.push({ start: at, end, drafted });
    at = end;
  };
  for (let token = 0; token < (trace?.tokens ?? 0); token++) {
    add(trace?.textLengthAt(token) ?? 0, trace?.wasDrafted(token) ?? false);
  }
  add(text.length - at, false);
  return runs.map(({ start, end, drafted }) => ({ start, text: text.slice(start, end), drafted }));
}

export function DraftedText({ messageId, text }: { readonly messageId: string; readonly text: string }) {
  const { trace, tokens } = useTrace(messageId, refreshesPerSecond);
  // `tokens` stands for the trace's growth, which its identity does not show.
  // oxlint-disable-next-line react/exhaustive-deps
  const runs = useMemo(() => draftedRuns(trace, text), [trace, tokens, text]);
  return (
    <p data-testid="drafted-text" className="text-base leading-relaxed wrap-anywhere whitespace-pre-wrap">
      {runs.map(({ start, text: piece, drafted }) =>
        drafted ? (
          <mark key={start} title={t("chat.draftAccepted")} className="rounded-sm bg-ok/20 text-ink">
            {piece}
          </mark>
        ) : (
          <span key={start}>{piece}</span>
        ),
      )}
    </p>
  );
}
