// What the Experts pane is set to show.
import { create } from "zustand";

export const traceWindows = [
  { id: "token", label: "Last token", tokens: 1 },
  { id: "recent", label: "Last 64", tokens: 64 },
  { id: "answer", label: "Answer", tokens: Number.POSITIVE_INFINITY },
] as const;
export type TraceWindow = (typeof traceWindows)[number];

export const expertTabs = ["Now", "Load", "Repeats", "Together", "Words"] as const;
export type ExpertTab = (typeof expertTabs)[number];

interface ExpertsView {
  readonly tab: ExpertTab;

  readonly window: TraceWindow["id"];
  /** The layer that token colours, Together and Words look at. */
  readonly layer: number;
  /** The expert that Words looks at. */
  readonly expert: number;
  readonly logScale: boolean;
  /** Answers show as plain text, each token coloured by its first-choice expert in `layer`. */
  readonly colourTokens: boolean;
}

export const useExpertsView = create<ExpertsView>()(() => ({
  tab: "Now",
  window: "answer",
  layer: 0,
  expert: 0,
  logScale: false,
  colourTokens: false,
}));
