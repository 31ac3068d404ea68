// How warm a template is, in a word with a dot; the numbers stand in the tooltip and, in the dialog, beside it.
import type { Warmth } from "../../electron/contract/templates.ts";
import { formatBytes, formatCount, formatDuration } from "../ui/format.ts";

const looks: Readonly<Record<Warmth["state"], { readonly word: string; readonly dot: string; readonly help: string }>> =
  {
    unknown: { word: "No model", dot: "bg-muted", help: "Load a model to see how much of it is computed." },
    cold: { word: "Cold", dot: "border border-muted", help: "Computed when it is first used." },
    warming: { word: "Warming", dot: "bg-warn animate-pulse", help: "Being computed now." },
    memory: { word: "Warm", dot: "bg-ok", help: "Computed, and in memory." },
    disk: { word: "Warm on disk", dot: "bg-accent", help: "Computed, and read from disk when it is needed." },
  };

export const warmHelp = (warmth: Warmth): string => looks[warmth.state].help;

/** "312 tokens · 4.10 MB on disk · 2.4 s saved in 3 chats" */
export function warmFacts({ tokens, bytes, uses, savedMs }: Warmth): string {
  return [
    ...(tokens > 0 ? [`${formatCount(tokens)} tokens ahead`] : []),
    ...(bytes > 0 ? [`${formatBytes(bytes)} on disk`] : []),
    ...(uses > 0 ? [`${formatDuration(savedMs)} saved in ${uses} ${uses === 1 ? "chat" : "chats"}`] : []),
  ].join(" · ");
}

export function WarmBadge({ warmth }: { readonly warmth: Warmth }) {
  // Nothing is known of any template then, and ten words that say so would only be in the way.
  if (warmth.state === "unknown") return null;
  const { word, dot, help } = looks[warmth.state];
  const facts = warmFacts(warmth);
  return (
    <span
      title={facts === "" ? help : `${help} ${facts}`}
      className="flex shrink-0 items-center gap-1.5 text-xs text-muted"
    >
      <span aria-hidden className={`size-2 rounded-full ${dot}`} />
      {word}
    </span>
  );
}
