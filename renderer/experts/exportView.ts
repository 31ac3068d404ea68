// Which numbers a tab exports, as it is set now.
import type { Counted } from "./counted.ts";
import { conversationCounts } from "./countsStore.ts";
import { lastPlacement } from "../platform/placement.ts";
import type { ShownAnswer } from "./ExpertsPane.tsx";
import type { ExpertTrace } from "./expertTrace.ts";
import { traceWindows, useExpertsView, type ExpertTab } from "./expertsView.ts";
import { tiersOf } from "./tiers.ts";
import { traceOf } from "./traceStore.ts";
import {
  loadData,
  nowData,
  placesData,
  repeatsData,
  togetherData,
  tokensData,
  wordsData,
  type ViewData,
} from "./viewData.ts";

interface Shown {
  readonly trace: ExpertTrace;
  readonly answers: readonly ShownAnswer[];
}

/** Answers before the last one by the same model. */
export const earlierAnswers = (answers: readonly ShownAnswer[]): string[] => {
  const modelId = answers.at(-1)?.run?.modelId;
  return answers
    .slice(0, -1)
    .filter(({ run }) => run?.modelId === modelId)
    .map(({ id }) => id);
};

export function addCounted(one: Counted, other: Counted | null): Counted {
  if (other === null || other.counts.length !== one.counts.length) return one;
  return {
    counts: one.counts.map((count, cell) => count + (other.counts[cell] ?? 0)),
    tokens: one.tokens + other.tokens,
    choices: one.choices + other.choices,
  };
}

/** What the last `most` tokens of an answer hold. */
export const countedOfLast = (trace: ExpertTrace, most: number): Counted => ({
  counts: trace.countsOfLast(most),
  // What the counts cover now: the totals grow in place and may be ahead of the last refresh.
  tokens: Math.min(most, trace.tokens),
  choices: Math.min(most, trace.tokens) * trace.expertsUsed,
});

/** Null: the tab has a file of its own, or none. */
export const dataOfTab: Readonly<Record<ExpertTab, ((shown: Shown) => Promise<ViewData>) | null>> = {
  async now(shown) {
    const { id, tokens } =
      traceWindows.find((window) => window.id === useExpertsView.getState().window) ?? traceWindows[2];
    const earlier = earlierAnswers(shown.answers);
    const before = id === "conversation" && earlier.length > 0 ? await conversationCounts(earlier) : null;
    return nowData(sourceOf(shown), addCounted(countedOfLast(shown.trace, tokens), before), id);
  },
  async tokens(shown) {
    const { chosen } = useExpertsView.getState();
    const answer = shown.answers.find(({ id }) => id === chosen?.messageId);
    const trace = answer === undefined ? null : traceOf(answer.id);
    return tokensData(
      answer === undefined || trace === null
        ? sourceOf(shown)
        : { model: answer.run?.modelName ?? "", trace, text: answer.text },
    );
  },
  load: async (shown) => loadData(sourceOf(shown)),
  repeats: async (shown) => repeatsData(sourceOf(shown)),
  together: async (shown) =>
    togetherData(sourceOf(shown), Math.min(useExpertsView.getState().layer, shown.trace.moeLayers - 1)),
  async words(shown) {
    const { layer, expert } = useExpertsView.getState();
    const texts = shown.answers.flatMap(({ id, text }) => {
      const trace = traceOf(id);
      return trace === null ? [] : [{ trace, text }];
    });
    const { moeLayers, expertCount } = shown.trace;
    return wordsData(sourceOf(shown), texts, Math.min(layer, moeLayers - 1), Math.min(expert, expertCount - 1));
  },
  async places(shown) {
    const cells = tiersOf(lastPlacement(), shown.answers.at(-1)?.run?.modelId, shown.trace);
    return placesData(sourceOf(shown), cells ?? new Uint8Array());
  },
  topics: null,
  steer: null,
};

function sourceOf({ trace, answers }: Shown): Parameters<typeof loadData>[0] {
  const last = answers.at(-1);
  return { model: last?.run?.modelName ?? "", trace, text: last?.text ?? "" };
}
