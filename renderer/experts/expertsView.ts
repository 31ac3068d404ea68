// What the Experts pane is set to show.
import { create } from "zustand";

export const traceWindows = [
  { id: "token", label: "Last token", tokens: 1 },
  { id: "recent", label: "Last 64", tokens: 64 },
  { id: "answer", label: "Answer", tokens: Number.POSITIVE_INFINITY },
] as const;
export type TraceWindow = (typeof traceWindows)[number];

interface ExpertsView {
  readonly window: TraceWindow["id"];
  readonly layer: number;
  readonly logScale: boolean;
  /** Answers show as plain text, each token coloured by its first-choice expert in `layer`. */
  readonly colourTokens: boolean;
}

export const useExpertsView = create<ExpertsView>()(() => ({
  window: "answer",
  layer: 0,
  logScale: false,
  colourTokens: false,
}));
