// Pure: what stands at the beginning of a conversation's prompt on one branch: where the user lets the model begin, and the
// summary of what is above, whichever of the two comes later.
import type { Summary } from "../contract/summaries.ts";
import type { Beginning } from "./beginning.ts";
import { type BranchTurn, turnsBefore } from "./transcript.ts";

export interface PromptStart {
  /** The first message that may be sent; null: the branch's first. */
  readonly startId: string | null;
  /** Stands in for the turns above it; null: none does. */
  readonly summary: Summary | null;
}

/** @param contextStartId where the user lets the model begin: what is above it is not told in a summary either. */
export function promptStart(
  turns: readonly BranchTurn[],
  contextStartId: string | null,
  summaries: readonly Summary[],
): PromptStart {
  const placeOf = (id: string): number => turnsBefore(turns, id);
  const latest = summaries
    .filter(({ firstMessageId }) => placeOf(firstMessageId) > 0)
    .reduce<Summary | null>((best, each) => {
      const later = best === null || placeOf(each.firstMessageId) >= placeOf(best.firstMessageId);
      return later ? each : best;
    }, null);
  const chosen = contextStartId === null ? 0 : placeOf(contextStartId);
  if (latest === null || placeOf(latest.firstMessageId) <= chosen) return { startId: contextStartId, summary: null };
  return { startId: latest.firstMessageId, summary: latest };
}

export function withSummary(beginning: Beginning, summary: Summary | null): Beginning {
  if (summary === null) return beginning;
  const told = `What was said before in this conversation, in short:\n${summary.text}`;
  const parts = [beginning.systemPrompt, told].filter((text) => text.trim() !== "");
  return { ...beginning, systemPrompt: parts.join("\n\n") };
}
