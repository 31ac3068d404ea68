// What the Experts pane is set to show.
import { create } from "zustand";
import type { TopicTag } from "../../electron/contract/experts.ts";
import type { ExpertPlace } from "./expertTrace.ts";

export const traceWindows = [
  { id: "token", tokens: 1 },
  { id: "recent", tokens: 64 },
  { id: "answer", tokens: Number.POSITIVE_INFINITY },
  { id: "conversation", tokens: Number.POSITIVE_INFINITY },
] as const;
export type TraceWindow = (typeof traceWindows)[number];

export const expertTabs = [
  "now",
  "tokens",
  "load",
  "repeats",
  "together",
  "words",
  "topics",
  "steer",
  "places",
] as const;
export type ExpertTab = (typeof expertTabs)[number];

export interface ChosenToken {
  readonly messageId: string;
  readonly token: number;
}

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
  /** The token whose experts Tokens shows. */
  readonly chosen: ChosenToken | null;
  /** The expert whose tokens stand out in coloured answers. */
  readonly highlight: ExpertPlace | null;
  /** What Topics tells answers apart by. */
  readonly topicTag: TopicTag;
}

export const useExpertsView = create<ExpertsView>()(() => ({
  tab: "now",
  window: "answer",
  layer: 0,
  expert: 0,
  logScale: false,
  colourTokens: false,
  chosen: null,
  highlight: null,
  topicTag: "conversation",
}));

/** Shows a token's experts. */
export function chooseToken(chosen: ChosenToken | null): void {
  useExpertsView.setState(chosen === null ? { chosen } : { chosen, tab: "tokens" });
}
