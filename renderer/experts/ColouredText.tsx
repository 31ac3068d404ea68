// An answer as plain text, each token tinted by its first-choice expert of the chosen layer (Mixtral, arXiv 2401.04088,
// figure 8). Consecutive tokens of one expert share a span.
import { useMemo } from "react";
import type { ExpertTrace } from "./expertTrace.ts";
import { useExpertsView } from "./expertsView.ts";
import { expertTint } from "./ramp.ts";
import { useTrace } from "./useTrace.ts";

const refreshesPerSecond = 10;

interface Stretch {
  readonly start: number;
  readonly text: string;
  readonly expert: number;
}

/** Cuts the text into stretches of equal first-choice expert; text past the trace has expert -1. */
export function stretches(trace: ExpertTrace | null, layer: number, text: string): Stretch[] {
  const result: { start: number; end: number; expert: number }[] = [];
  let at = 0;
  const add = (length: number, expert: number): void => {
    const last = result.at(-1);
    if (last !== undefined && last.expert === expert) last.end += length;
    else if (length > 0) result.push({ start: at, end: at + length, expert });
    at += length;
  };
  if (trace !== null) {
    for (let token = 0; token < trace.tokens && at < text.length; token++) {
      add(Math.min(trace.textLengthAt(token), text.length - at), trace.expertAt(token, layer, 0));
    }
  }
  add(text.length - at, -1);
  return result.map(({ start, end, expert }) => ({ start, text: text.slice(start, end), expert }));
}

export function ColouredText({ messageId, text }: { readonly messageId: string; readonly text: string }) {
  const { trace, tokens } = useTrace(messageId, refreshesPerSecond);
  const layer = useExpertsView((view) => view.layer);
  // `tokens` stands for the trace's growth, which its identity does not show.
  // oxlint-disable-next-line react/exhaustive-deps
  const parts = useMemo(() => stretches(trace, layer, text), [trace, tokens, layer, text]);
  return (
    <p data-testid="coloured-text" className="text-base leading-relaxed wrap-anywhere whitespace-pre-wrap">
      {parts.map(({ start, text: piece, expert }) =>
        expert < 0 ? (
          <span key={start}>{piece}</span>
        ) : (
          <span
            key={start}
            data-expert={expert}
            title={`Layer ${layer}, expert ${expert}`}
            style={{ background: expertTint(expert) }}
          >
            {piece}
          </span>
        ),
      )}
    </p>
  );
}
